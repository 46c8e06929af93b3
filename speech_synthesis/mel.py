"""The spectral frames that the acoustic model and the vocoder share.

The sound is thought as harmonics plus noise, each with a smooth power density over frequency. A frame holds
the natural logarithm of their sum in mel bands, that of the noise's share in wider bands (0 where there is
only noise), and the pitch in hertz (0 where there is none). Densities are power of a hertz relative to full
scale, so that they do not change with the pitch.
"""

import functools

import torch
from torch import Tensor

from speech_synthesis.config import FrameConfig

LEAST_SHARE = 1e-4  # of noise in a band


def _mel(hz: Tensor) -> Tensor:
    return 2595.0 * torch.log10(1.0 + hz / 700.0)


def band_centres(num_bands: int, config: FrameConfig) -> Tensor:
    """Centres in mel of bands that lie evenly on the mel scale: (num_bands,), float64."""
    top = _mel(torch.tensor(config.sample_rate / 2, dtype=torch.float64))
    return torch.linspace(0.0, 1.0, num_bands + 2, dtype=torch.float64)[1:-1] * top


def _bin_mels(config: FrameConfig) -> Tensor:
    hz = torch.linspace(0.0, config.sample_rate / 2, config.num_bins, dtype=torch.float64)
    return _mel(hz)


@functools.lru_cache(maxsize=16)
@torch.inference_mode(False)  # kept for training too, whoever asks first
def averaging(num_bands: int, config: FrameConfig) -> Tensor:
    """Weights of the triangular mean over each band: (num_bins, num_bands), columns sum to 1, float32."""
    centres, bins = band_centres(num_bands, config), _bin_mels(config)
    width = centres[0]
    weights = (1.0 - (bins[:, None] - centres[None]).abs() / width).clamp(min=0.0)
    nearest = (bins[:, None] - centres[None]).abs().argmin(0)
    weights[nearest, torch.arange(num_bands)] += 1e-3  # the lowest bands are narrower than a bin
    return (weights / weights.sum(0)).float()


@functools.lru_cache(maxsize=16)
@torch.inference_mode(False)  # kept for training too, whoever asks first
def interpolation(num_bands: int, config: FrameConfig) -> Tensor:
    """Weights that draw lines between band centres, level beyond the ends: (num_bands, num_bins), float32."""
    centres, bins = band_centres(num_bands, config), _bin_mels(config)
    place = ((bins - centres[0]) / centres[0]).clamp(0.0, num_bands - 1.0)
    below = place.floor().long().clamp(max=num_bands - 2)
    share = place - below
    weights = torch.zeros(num_bands, config.num_bins, dtype=torch.float64)
    column = torch.arange(config.num_bins)
    weights[below, column] += 1.0 - share
    weights[below + 1, column] += share
    return weights.float()


def pack_frames(harmonic: Tensor, noise: Tensor, f0_hz: Tensor, config: FrameConfig) -> Tensor:
    """Frames of two power densities: (frames, num_bins) twice and (frames,) -> (frames, num_channels + 1)."""
    harmonic = torch.where(f0_hz[:, None] > 0, harmonic, 0.0)
    total = harmonic + noise
    log_mel = (total @ averaging(config.num_mels, config)).clamp(min=config.floor).log()
    bands = averaging(config.num_bands, config)
    share = (noise @ bands).clamp(min=config.floor) / (total @ bands).clamp(min=config.floor)
    return torch.cat([log_mel, share.clamp(LEAST_SHARE, 1.0).log(), f0_hz[:, None]], 1)


def split_frames(frames: Tensor, config: FrameConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Mel bands, shares of noise and pitch of frames: (..., num_mels), (..., num_bands), (..., 1)."""
    mels, channels = config.num_mels, config.num_channels
    return frames[..., :mels], frames[..., mels:channels], frames[..., channels:]


def unpack_frames(frames: Tensor, config: FrameConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Logarithms of both power densities and the pitch of frames: the opposite of `pack_frames`, smoothed.

    (frames, num_channels + 1) -> (frames, num_bins) twice, (frames,). Unvoiced frames are all noise.
    """
    log_mel, log_share, f0_hz = split_frames(frames, config)
    total = log_mel @ interpolation(config.num_mels, config)
    share = (log_share.clamp(max=0.0) @ interpolation(config.num_bands, config)).exp()
    share = torch.where(f0_hz > 0, share.clamp(LEAST_SHARE, 1.0), 1.0)
    harmonic = total + (1.0 - share).clamp(min=LEAST_SHARE).log()
    return harmonic, total + share.log(), f0_hz[:, 0]


def frame_log_power(audio: Tensor, config: FrameConfig) -> Tensor:
    """Natural logarithm of the power around each frame: (samples,) -> (samples // hop,).

    Frame k is centred at sample k * hop, with a Hann window of four hops; -23 (1e-10) at least.
    """
    hop = config.hop_samples
    window = torch.hann_window(4 * hop, dtype=audio.dtype, device=audio.device)
    padded = torch.nn.functional.pad(audio, (2 * hop, 2 * hop))
    pieces = padded.unfold(0, 4 * hop, hop)[: audio.shape[0] // hop]
    return (pieces.square() @ window / window.sum()).clamp(min=1e-10).log()
