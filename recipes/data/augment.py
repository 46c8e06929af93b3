"""Augmentation of waveforms and of features.

Each waveform function is pure: sound and settings in, sound of the same rate out. `Augmenter` draws the
settings from a generator and says in words what it did, so that a view can be made again. Warped bands and
SpecAugment work on log-mel inside the training loop.
Source: speed perturbation, Ko et al. 2015; warped bands, Jaitly and Hinton 2013 (VTLP); SpecAugment, arXiv
1904.08779, adaptive sizes arXiv 1912.05533.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recipes.data.codecs import CODECS, mu_law, through_codec
from recipes.data.waveforms import SAMPLE_RATE, Waveform, active_rms, limit_peak, read_audio, resample
from speech_core.errors import ConfigError, InputError
from speech_encoder.config import FeatureConfig
from speech_encoder.features import mel_edges


def change_speed(audio: Waveform, factor: float) -> Waveform:
    """Play faster (factor > 1) or slower, pitch and formants too: (samples,) -> (samples / factor,)."""
    if not 0.25 <= factor <= 4.0:
        raise InputError(f"speed factor is {factor}, it must be in [0.25, 4]")
    return resample(audio, SAMPLE_RATE * factor, SAMPLE_RATE)


def change_volume(audio: Waveform, gain_db: float) -> Waveform:
    """Louder or softer by `gain_db`, never above full scale."""
    return limit_peak((audio * 10.0 ** (gain_db / 20.0)).astype(np.float32))


def add_noise(audio: Waveform, noise: Waveform, snr_db: float, start: int = 0) -> Waveform:
    """Add noise, repeated from sample `start` on, `snr_db` below the active speech level."""
    if noise.size == 0:
        raise InputError("the noise holds no samples")
    piece = np.take(noise, np.arange(start, start + audio.size), mode="wrap")
    noise_rms = float(np.sqrt(np.mean(np.square(piece, dtype=np.float64)))) if piece.size else 0.0
    speech_rms = active_rms(audio)
    if noise_rms <= 1e-7 or speech_rms <= 1e-7:
        return audio
    scale = speech_rms / noise_rms * 10.0 ** (-snr_db / 20.0)
    return limit_peak((audio + piece * scale).astype(np.float32))


def reverberate(audio: Waveform, response: Waveform) -> Waveform:
    """Play in a room: convolve, align with the direct sound, keep length and level."""
    from scipy.signal import oaconvolve

    direct = int(np.abs(response).argmax())
    wet = oaconvolve(audio, response[direct:])[: audio.size].astype(np.float32)
    level = active_rms(wet)
    return limit_peak((wet * (active_rms(audio) / level)).astype(np.float32)) if level > 1e-7 else audio


def limit_band(audio: Waveform, low_hz: float, high_hz: float, order: int = 6) -> Waveform:
    """Keep the band between two frequencies (Butterworth); 0 or Nyquist leave that side open."""
    from scipy.signal import butter, sosfilt

    nyquist = SAMPLE_RATE / 2
    if not 0 <= low_hz < high_hz <= nyquist:
        raise InputError(f"band {low_hz} to {high_hz} Hz: need 0 <= low < high <= {nyquist:.0f}")
    filtered = audio
    if low_hz > 0:
        filtered = sosfilt(butter(order // 2, low_hz, "highpass", fs=SAMPLE_RATE, output="sos"), filtered)
    if high_hz < nyquist:
        filtered = sosfilt(butter(order, high_hz, "lowpass", fs=SAMPLE_RATE, output="sos"), filtered)
    return limit_peak(np.asarray(filtered, dtype=np.float32))


def quantize(audio: Waveform, bits: int) -> Waveform:
    """Round to `bits` bits of the peak, as old sampled sound was stored."""
    peak = float(np.abs(audio).max(initial=0.0))
    if peak <= 1e-7:
        return audio
    step = peak / 2 ** (bits - 1)
    return np.asarray(np.round(audio / step) * step, dtype=np.float32)


def decaying_noise_response(rng: np.random.Generator, reverberation_s: float) -> Waveform:
    """A made-up room: direct sound, then noise falling by 60 dB in `reverberation_s`: (samples,)."""
    time_s = np.arange(max(2, round(reverberation_s * SAMPLE_RATE))) / SAMPLE_RATE
    tail = rng.standard_normal(time_s.size) * np.exp(-6.9 * time_s / reverberation_s)
    response = (tail * rng.uniform(0.02, 0.12)).astype(np.float32)
    response[: round(rng.uniform(0.001, 0.008) * SAMPLE_RATE)] = 0.0  # first reflection comes later
    response[0] = 1.0
    return np.asarray(response, dtype=np.float32)


@dataclass(frozen=True)
class AugmentConfig:
    """Chance of each step; drawn one by one, in the order speaker, room, noise, channel, level."""

    speed: float = 0.6
    reverberation: float = 0.3
    noise: float = 0.45
    band: float = 0.25
    codec: float = 0.25
    volume: float = 0.7
    speed_range: tuple[float, float] = (0.9, 1.1)
    snr_range_db: tuple[float, float] = (3.0, 30.0)
    gain_range_db: tuple[float, float] = (-15.0, 6.0)

    def __post_init__(self) -> None:
        chances = (self.speed, self.reverberation, self.noise, self.band, self.codec, self.volume)
        if not all(0.0 <= chance <= 1.0 for chance in chances):
            raise ConfigError(f"chances of augmentation must be in [0, 1], got {chances}")


@dataclass
class Augmenter:
    """Draws and applies augmentation; holds the noises and room responses in memory."""

    noises: dict[str, Waveform] = field(default_factory=dict)
    responses: dict[str, Waveform] = field(default_factory=dict)
    config: AugmentConfig = field(default_factory=AugmentConfig)

    def __call__(self, audio: Waveform, rng: np.random.Generator) -> tuple[Waveform, list[str]]:
        """Augmented sound and what was done, in order: (samples,) -> (samples',), words."""
        done: list[str] = []
        for chance, step in (
            (self.config.speed, self.speed),
            (self.config.reverberation, self.reverberation),
            (self.config.noise, self.noise),
            (self.config.band, self.band),
            (self.config.codec, self.codec),
            (self.config.volume, self.volume),
        ):
            if rng.random() < chance:
                audio, words = step(audio, rng)
                done.append(words)
        return audio, done

    def speed(self, audio: Waveform, rng: np.random.Generator) -> tuple[Waveform, str]:
        """Random speed."""
        factor = round(float(rng.uniform(*self.config.speed_range)), 3)
        return change_speed(audio, factor), f"speed {factor}"

    def volume(self, audio: Waveform, rng: np.random.Generator) -> tuple[Waveform, str]:
        """Random level."""
        gain_db = round(float(rng.uniform(*self.config.gain_range_db)), 1)
        return change_volume(audio, gain_db), f"volume {gain_db} dB"

    def noise(self, audio: Waveform, rng: np.random.Generator) -> tuple[Waveform, str]:
        """A recorded noise, or white noise where none was loaded, at a random distance below the speech."""
        snr_db = round(float(rng.uniform(*self.config.snr_range_db)), 1)
        if not self.noises:
            return add_noise(
                audio, rng.standard_normal(audio.size + 1).astype(np.float32), snr_db
            ), f"white {snr_db} dB"
        name = str(rng.choice(sorted(self.noises)))
        start = int(rng.integers(self.noises[name].size))
        return add_noise(audio, self.noises[name], snr_db, start), f"noise {name} {snr_db} dB"

    def reverberation(self, audio: Waveform, rng: np.random.Generator) -> tuple[Waveform, str]:
        """A recorded room response, made drier at random, or a made-up one."""
        if self.responses and rng.random() < 0.5:
            name = str(rng.choice(sorted(self.responses)))
            decay_s = float(rng.uniform(0.05, 0.5))
            response = self.responses[name]
            dry = response * np.exp(-np.arange(response.size) / (decay_s * SAMPLE_RATE))
            return reverberate(audio, dry.astype(np.float32)), f"room {name} {decay_s:.2f} s"
        reverberation_s = float(rng.uniform(0.1, 0.7))
        return reverberate(
            audio, decaying_noise_response(rng, reverberation_s)
        ), f"room {reverberation_s:.2f} s"

    def band(self, audio: Waveform, rng: np.random.Generator) -> tuple[Waveform, str]:
        """Telephone band, or the low rates of old recordings, the latter sometimes with 8 bits."""
        if rng.random() < 0.35:
            low_hz, high_hz = round(rng.uniform(150, 350)), round(rng.uniform(3000, 3800))
            return limit_band(audio, low_hz, high_hz), f"band {low_hz}-{high_hz} Hz"
        rate_hz = int(rng.choice([8000, 11025, 11025, 12000]))
        narrow = limit_peak(resample(resample(audio, SAMPLE_RATE, rate_hz), rate_hz, SAMPLE_RATE))
        if rng.random() < 0.4:
            return quantize(narrow, 8), f"rate {rate_hz} Hz, 8 bits"
        return narrow, f"rate {rate_hz} Hz"

    def codec(self, audio: Waveform, rng: np.random.Generator) -> tuple[Waveform, str]:
        """Telephone mu-law, or a lossy codec at a low bit rate."""
        name = str(rng.choice(["mu-law", *sorted(CODECS)]))
        if name == "mu-law":
            return mu_law(audio), name
        kbps = int(rng.choice(CODECS[name].kbps))
        return limit_peak(through_codec(audio, name, kbps)), f"{name} {kbps} kbit/s"


def load_augmenter(noise_dir: Path, config: AugmentConfig | None = None) -> Augmenter:
    """An augmenter with the sounds of `noise_dir`: background/, noises/ and rooms/ (music/ is never used)."""
    noises = {
        path.stem: read_audio(path)
        for folder in ("background", "noises")
        for path in sorted((noise_dir / folder).glob("*"))
        if not path.stem.startswith("rir")
    }
    responses = {path.stem: read_audio(path) for path in sorted((noise_dir / "rooms").glob("*"))}
    if not noises or not responses:
        raise InputError(f"{noise_dir} holds no noises or no rooms: it needs background/, noises/ and rooms/")
    return Augmenter(noises, responses, config or AugmentConfig())


def warp_bands(
    features: Tensor, size: float, config: FeatureConfig, generator: torch.Generator | None = None
) -> Tensor:
    """Log-mel as of longer and shorter vocal tracts: frequencies of each item times 1 - size to 1 + size.

    features (batch, frames, mels) -> same, values between bands interpolated. Raises ConfigError.
    """
    if not 0.0 <= size < 1.0:
        raise ConfigError(f"the size of the warp is {size}, it must be at least 0 and below 1")
    factors = 1 + size * (2 * torch.rand(len(features), generator=generator).numpy() - 1)
    centres_hz = mel_edges(config)[1:-1].numpy()
    bands = np.arange(len(centres_hz))
    places = np.stack([np.interp(centres_hz * factor, centres_hz, bands) for factor in factors])
    weights = np.maximum(1 - np.abs(bands[:, None] - places[:, None, :]), 0)  # (batch, from, to)
    with torch.autocast(features.device.type, enabled=False):
        return features @ torch.from_numpy(weights).to(features)


@dataclass(frozen=True)
class SpecAugmentConfig:
    """Masks of SpecAugment, in mel bins, frames and shares of an item."""

    num_mel_masks: int = 2
    max_mels: int = 27
    time_masks_per_s: float = 0.4  # more masks for longer items
    max_time_masks: int = 20
    max_time_frames: int = 40
    max_time_share: float = 0.05  # of the item, per mask

    def __post_init__(self) -> None:
        if min(self.num_mel_masks, self.max_mels, self.max_time_masks, self.max_time_frames) < 0:
            raise ConfigError("sizes of SpecAugment must not be negative")
        if not 0.0 <= self.max_time_share <= 1.0:
            raise ConfigError(f"max_time_share is {self.max_time_share}, it must be in [0, 1]")

    @classmethod
    def of_size(cls, size: float) -> "SpecAugmentConfig":
        """The usual masks, at most so many times as wide: for short runs, which full ones only slow."""
        if not 0.0 <= size <= 1.0:
            raise ConfigError(f"the size of the masks is {size}, it must be in [0, 1]")
        usual = cls()
        return replace(
            usual, max_mels=round(usual.max_mels * size), max_time_share=usual.max_time_share * size
        )


def spec_augment(
    features: Tensor,
    lengths: Tensor,
    config: SpecAugmentConfig,
    generator: torch.Generator | None = None,
    frame_rate_hz: float = 100.0,
) -> Tensor:
    """Set random mel bands and time spans of each item to zero, the mean of normalised features.

    features (batch, frames, mels), lengths (batch,) -> (batch, frames, mels), a new tensor.
    """
    batch, frames, mels = features.shape
    if config.num_mel_masks == 0 and config.max_time_masks == 0:
        return features.clone()
    item_frames = lengths.to(features.device, torch.float32)[:, None]

    def uniform(count: int) -> Tensor:
        return torch.rand(batch, count, generator=generator).to(features.device)

    widths = uniform(config.num_mel_masks) * min(config.max_mels, mels)
    starts = uniform(config.num_mel_masks) * (mels - widths)
    hidden_mels = _spans(starts, widths, mels)  # (batch, mels)
    longest = (item_frames * config.max_time_share).clamp(max=config.max_time_frames)
    widths = uniform(config.max_time_masks) * longest
    starts = uniform(config.max_time_masks) * (item_frames - widths)
    wanted = (item_frames / frame_rate_hz * config.time_masks_per_s).ceil()
    widths = torch.where(torch.arange(config.max_time_masks, device=features.device) < wanted, widths, 0.0)
    hidden_frames = _spans(starts, widths, frames)  # (batch, frames)
    return features.masked_fill(hidden_mels[:, None, :] | hidden_frames[:, :, None], 0.0)


def _spans(starts: Tensor, widths: Tensor, size: int) -> Tensor:
    """Union of spans as a mask, True inside: (batch, spans) twice -> (batch, size)."""
    first = starts.floor()[..., None]
    after = (starts + widths).floor()[..., None]
    places = torch.arange(size, device=starts.device)
    return ((places >= first) & (places < after)).any(dim=1)
