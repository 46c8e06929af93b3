"""Exponential average of trained weights, each process of the part it holds."""

import torch
from torch import Tensor, nn

from recipes.loop.processes import own_part


class WeightAverage:
    """Exponential average of the trained parameters; young averages forget faster.

    Until `decay` looks back further, the average looks back over about `share` of the steps so far, at 0.5
    over all of them alike (the power-function average of Karras et al. 2024, arXiv:2312.02696, section 3.1).
    """

    def __init__(self, model: nn.Module, decay: float, share: float = 0.1) -> None:
        self.decay = decay
        self.share = share
        self.values: dict[str, Tensor] = {
            name: own_part(parameter.detach()).clone()
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
        }

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the parameters after optimizer step `step`."""
        decay = min(self.decay, (1 + step) / (1 / self.share + step))
        for name, parameter in model.named_parameters():
            if name in self.values:
                self.values[name].lerp_(own_part(parameter.detach()), 1 - decay)

    @torch.no_grad()
    def swap(self, model: nn.Module) -> None:
        """Exchange averaged and current values; a second call puts them back."""
        for name, parameter in model.named_parameters():
            if name in self.values:
                held = own_part(parameter.detach())
                current = held.clone()
                held.copy_(self.values[name])
                self.values[name] = current
