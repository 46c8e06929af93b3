"""The three quantities of each phone: log duration, mean log F0, mean log power; and their normalisation.

Source: arXiv 2407.21783, section 8.2. Times in frames, F0 in Hz (0 where unvoiced), power as its natural
logarithm relative to full scale. Normalised values have mean 0 and deviation 1 for their speaker.
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from prosody.config import QUANTITIES, ProsodyConfig
from prosody.distributions import Mixture
from speech_core.errors import InputError

_NO_EDGE = -1e4  # far below every normalised value, and finite, so that gradients are


class Targets(NamedTuple):
    """values (..., phones, 3): log seconds, log Hz, log power; voiced (..., phones): where F0 counts."""

    values: Tensor
    voiced: Tensor


def measure_normalisation(items: Iterable[Targets]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Means and deviations of the quantities of one speaker, F0 over voiced phones.

    Raises InputError when there is nothing to measure.
    """
    parts = list(items)
    values = torch.cat([part.values for part in parts]) if parts else torch.zeros(0, 3)
    voiced = torch.cat([part.voiced for part in parts]) if parts else torch.zeros(0, dtype=torch.bool)
    if int(voiced.sum()) < 2:
        raise InputError("fewer than two voiced phones: there is nothing to normalise by")
    columns = [values[:, 0], values[voiced, 1], values[:, 2]]
    means = tuple(round(float(column.mean()), 5) for column in columns)
    return means, tuple(round(float(column.std().clamp(min=1e-3)), 5) for column in columns)


def _constants(speakers: Tensor, config: ProsodyConfig) -> tuple[Tensor, Tensor]:
    """Means and deviations of each item's speaker, (batch, 1, 3)."""
    both = torch.tensor([config.means, config.deviations], device=speakers.device)
    means, deviations = both.view(2, -1, len(QUANTITIES))[:, speakers][:, :, None]
    return means, deviations


def normalise(targets: Targets, speakers: Tensor, config: ProsodyConfig) -> Tensor:
    """Normalised values (batch, phones, 3), 0 for the F0 of unvoiced phones; speakers (batch,)."""
    means, deviations = _constants(speakers, config)
    values = (targets.values - means) / deviations
    values[..., 1] = torch.where(targets.voiced, values[..., 1], 0.0)
    return values


def denormalise(values: Tensor, speakers: Tensor, config: ProsodyConfig) -> Tensor:
    """The inverse of `normalise`, (batch, phones, 3)."""
    means, deviations = _constants(speakers, config)
    return values * deviations + means


def expected_values(mixture: Mixture, speakers: Tensor, config: ProsodyConfig) -> Tensor:
    """Normalised mean log F0 and log power, and the logarithm of the mean duration: else speech hurries.

    mixture: (batch, ..., 3, components) each; speakers (batch,); returns (batch, ..., 3).
    """
    values = mixture.mean()
    duration = Mixture(*(part[..., 0, :] for part in mixture))
    deviations = _constants(speakers, config)[1][:, 0, 0]
    values[..., 0] = duration.log_mean_exp(deviations.view(-1, *[1] * (values.dim() - 2)))
    return values


def edges(targets: Targets, speakers: Tensor, config: ProsodyConfig) -> tuple[Tensor, Tensor]:
    """Normalised values between which each quantity is known to lie, (batch, phones, 3) each.

    A duration of n frames lies between n - 1/2 and n + 1/2, one of 1 frame has no lower edge.
    """
    frames = (torch.exp(targets.values[..., 0]) / config.frame_s).round().clamp(min=1)
    below = torch.where(frames > 1, torch.log((frames - 0.5) * config.frame_s), _NO_EDGE)
    above = torch.log((frames + 0.5) * config.frame_s)
    half = targets.values.new_tensor([config.f0_resolution, config.power_resolution]) / 2
    low = torch.cat([below[..., None], targets.values[..., 1:] - half], dim=-1)
    high = torch.cat([above[..., None], targets.values[..., 1:] + half], dim=-1)
    means, deviations = _constants(speakers, config)
    return (low - means) / deviations, (high - means) / deviations


def denormalise_one(values: tuple[float, ...], speaker: int, config: ProsodyConfig) -> tuple[float, ...]:
    """The three values of one phone of a speaker, as logarithms of s, Hz and power."""
    first = speaker * len(QUANTITIES)
    constants = zip(config.means[first:], config.deviations[first:], strict=True)
    return tuple(value * std + mean for value, (mean, std) in zip(values, constants, strict=False))
