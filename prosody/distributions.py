"""Mixtures of logistic distributions over values known to a resolution: likelihood, mean, mode, samples.

The likelihood of a value is the mass between its edges, so it is bounded, and durations, which are whole
numbers of frames, are taken as such. Source of the form: Salimans et al., arXiv 1701.05517 (PixelCNN++).
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

_LEAST_LOG_SCALE = -6.0
_LEAST_WIDTH = 1e-6
_WIDEST = 0.7  # scale of a logistic up to which its exponential has a mean worth following


class Mixture(NamedTuple):
    """(..., components) each: unnormalised log weights, centres, log scales, in normalised units."""

    weights: Tensor
    centres: Tensor
    log_scales: Tensor

    @classmethod
    def from_outputs(cls, outputs: Tensor) -> "Mixture":
        """Outputs of a linear layer, (..., 3 * components)."""
        weights, centres, log_scales = outputs.float().chunk(3, dim=-1)
        return cls(weights, centres, log_scales.clamp(min=_LEAST_LOG_SCALE))

    def log_mass(self, low: Tensor, high: Tensor) -> Tensor:
        """Natural log probability of a value between its edges, (...) each."""
        lower = (low[..., None] - self.centres) * torch.exp(-self.log_scales)
        upper = (high[..., None] - self.centres) * torch.exp(-self.log_scales)
        width = (upper - lower).clamp(min=_LEAST_WIDTH)
        # F(upper) - F(lower) = F(upper) * F(-lower) * (1 - exp(lower - upper))
        masses = (
            functional.logsigmoid(upper) + functional.logsigmoid(-lower) + torch.log(-torch.expm1(-width))
        )
        return torch.logsumexp(self.weights.log_softmax(-1) + masses, dim=-1)

    def mean(self) -> Tensor:
        """Expected value, (...)."""
        return (self.weights.softmax(-1) * self.centres).sum(-1)

    def log_mean_exp(self, factor: Tensor) -> Tensor:
        """Logarithm of the expected value of exp(factor * value), over factor, (...); so is factor.

        The mean of a quantity whose logarithm is modelled: of durations, so that speech keeps its pace. For a
        logistic of scale s it is exp(centre) * pi s / sin(pi s), s < 1, which is bounded here.
        """
        rates = factor[..., None]
        angles = torch.pi * (rates * torch.exp(self.log_scales)).clamp(1e-4, _WIDEST)
        terms = rates * self.centres + torch.log(angles / torch.sin(angles))
        return torch.logsumexp(self.weights.log_softmax(-1) + terms, dim=-1) / factor

    def mode(self) -> Tensor:
        """The centre at which the density is highest, (...)."""
        places = self.centres[..., :, None]  # each centre against all components
        scaled = (places - self.centres[..., None, :]) * torch.exp(-self.log_scales)[..., None, :]
        log_densities = -scaled - self.log_scales[..., None, :] - 2 * functional.softplus(-scaled)
        total = torch.logsumexp(self.weights.log_softmax(-1)[..., None, :] + log_densities, dim=-1)
        return self.centres.gather(-1, total.argmax(-1, keepdim=True))[..., 0]

    def sample(self, uniform: Tensor, temperature: float = 1.0) -> Tensor:
        """A draw from uniform numbers (..., 2) in (0, 1); temperature scales spread and choice."""
        probabilities = (self.weights / max(temperature, 1e-6)).softmax(-1)
        chosen = (probabilities.cumsum(-1) < uniform[..., :1]).sum(-1, keepdim=True)
        chosen = chosen.clamp(max=probabilities.shape[-1] - 1)
        centre = self.centres.gather(-1, chosen)[..., 0]
        scale = torch.exp(self.log_scales.gather(-1, chosen)[..., 0])
        return centre + temperature * scale * torch.logit(uniform[..., 1], eps=1e-6)
