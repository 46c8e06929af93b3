"""The three quantities of each phone: log duration, mean log F0, mean log power; and their normalisation.

Source: arXiv 2407.21783, section 8.2. Times in frames, F0 in Hz (0 where unvoiced), power as its natural
logarithm relative to full scale. Normalised values have mean 0 and deviation 1 for their speaker.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prosody.config import QUANTITIES, ProsodyConfig
from prosody.distributions import Mixture
from speech_core.errors import InputError

MIN_VOICED_SHARE = 0.3  # of its frames, for a phone to have an F0
_NO_EDGE = -1e4  # far below every normalised value, and finite, so that gradients are

Floats = NDArray[np.floating[Any]]


class Targets(NamedTuple):
    """values (..., phones, 3): log seconds, log Hz, log power; voiced (..., phones): where F0 counts."""

    values: Tensor
    voiced: Tensor


def phone_targets(
    durations_frames: NDArray[np.integer[Any]], f0_hz: Floats, log_power: Floats, frame_s: float
) -> Targets:
    """Quantities of the phones of one recording.

    durations_frames (phones,), at least 1 each; f0_hz, log_power (frames,). Unvoiced phones have log F0 0.
    Raises InputError when durations and frames do not sum to the same, or a duration is below 1.
    """
    durations = np.asarray(durations_frames, dtype=np.int64)
    if len(f0_hz) != len(log_power) or int(durations.sum()) != len(f0_hz):
        raise InputError(
            f"phones last {int(durations.sum())} frames, F0 {len(f0_hz)}, power {len(log_power)}: align again"
        )
    if len(durations) and int(durations.min()) < 1:
        raise InputError("a phone lasts less than one frame: leave it out")
    starts = np.cumsum(durations) - durations
    is_voiced = np.asarray(f0_hz) > 0
    log_f0 = np.log(np.where(is_voiced, f0_hz, 1.0))  # 0 where unvoiced
    counts = _sums(is_voiced, starts)
    voiced = counts >= np.maximum(1, MIN_VOICED_SHARE * durations)
    values = np.stack(
        [
            np.log(durations * frame_s),
            np.where(voiced, _sums(log_f0, starts) / np.maximum(counts, 1), 0.0),
            _sums(log_power, starts) / np.maximum(durations, 1),
        ],
        axis=-1,
    )
    return Targets(torch.from_numpy(values).float(), torch.from_numpy(voiced))


def _sums(frames: NDArray[Any], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    if not len(starts):
        return np.zeros(0)
    sums: NDArray[np.float64] = np.add.reduceat(np.asarray(frames, dtype=np.float64), starts)
    return sums


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
