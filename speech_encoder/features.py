"""Log-mel features, for whole audio and for a stream; both give the same frames.

The definition is torchaudio's `MelSpectrogram` (HTK scale, no filter normalisation, power 2) and librosa's
`melspectrogram(htk=True, norm=None)`, without reflection: the audio is thought between zeros, so that a frame
never depends on samples further away than its window, and there are exactly samples // hop frames.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

from speech_core.errors import InputError, StreamClosedError
from speech_encoder.config import FeatureConfig


def _hz_to_mel(frequency_hz: float) -> float:
    return 2595.0 * math.log10(1.0 + frequency_hz / 700.0)


def mel_edges(config: FeatureConfig) -> Tensor:
    """Where the bands begin, peak and end, in Hz, even on the HTK mel scale: (num_mels + 2,), float64."""
    low, high = _hz_to_mel(config.low_hz), _hz_to_mel(config.high_hz)
    mels = torch.linspace(low, high, config.num_mels + 2, dtype=torch.float64)
    return 700.0 * (10.0 ** (mels / 2595.0) - 1.0)


@lru_cache(maxsize=8)
@torch.inference_mode(False)  # kept for training too, whoever asks first
def mel_filters(config: FeatureConfig) -> Tensor:
    """Triangular filters on the HTK mel scale: (num_fft // 2 + 1, num_mels), float32."""
    bins_hz = torch.linspace(0, config.sample_rate / 2, config.num_fft // 2 + 1, dtype=torch.float64)
    edges_hz = mel_edges(config)
    rising = (bins_hz[:, None] - edges_hz[:-2]) / (edges_hz[1:-1] - edges_hz[:-2])
    falling = (edges_hz[2:] - bins_hz[:, None]) / (edges_hz[2:] - edges_hz[1:-1])
    return torch.minimum(rising, falling).clamp(min=0).float()


def _frames_of(padded: Tensor, config: FeatureConfig) -> Tensor:
    """Log-mel frames of all whole FFT windows: (samples,) -> (frames, mels)."""
    if padded.numel() < config.num_fft:
        return padded.new_zeros(0, config.num_mels)
    window = torch.hann_window(config.window_samples, dtype=padded.dtype, device=padded.device)
    spectrum = torch.stft(
        padded,
        config.num_fft,
        hop_length=config.hop_samples,
        win_length=config.window_samples,
        window=window,
        center=False,
        return_complex=True,
    )
    power = torch.view_as_real(spectrum).square().sum(-1)  # (bins, frames)
    mel_power = power.T @ mel_filters(config).to(padded.device)  # (frames, mels)
    return mel_power.clamp(min=config.floor).log()


def log_mel(audio: Tensor, config: FeatureConfig) -> Tensor:
    """Natural-log mel power of one recording, not normalised: (samples,) -> (samples // hop, mels).

    audio: float32 in [-1, 1] at `config.sample_rate`. Raises InputError if it is not one-dimensional.
    """
    edge = config.edge_samples  # on both sides: samples // hop frames fit
    return _frames_of(torch.nn.functional.pad(_one_channel(audio), (edge, edge)), config)


def _one_channel(audio: Tensor) -> Tensor:
    if audio.dim() != 1:
        raise InputError(
            f"audio has shape {tuple(audio.shape)}, one channel (samples,) is needed: mix it down"
        )
    return audio.float()


class LogMelStream:
    """Log-mel frames while audio arrives; joined they equal `log_mel` of the whole.

    `delay_samples` is how much audio after a frame's own hop must have come before the frame is final.
    """

    def __init__(self, config: FeatureConfig) -> None:
        self.config = config
        self.delay_samples = config.edge_samples
        self._buffer = torch.zeros(config.edge_samples)  # samples of the next window so far
        self._closed = False

    def push(self, audio: Tensor) -> Tensor:
        """Frames that are now final: (samples,) -> (frames, mels), possibly none.

        Raises InputError if the audio is not one-dimensional, StreamClosedError after `flush`.
        """
        if self._closed:
            raise StreamClosedError("push after flush: make a new LogMelStream")
        return self._emit(_one_channel(audio))

    def flush(self) -> Tensor:
        """The remaining frames; afterwards the stream is closed."""
        if self._closed:
            return torch.zeros(0, self.config.num_mels)
        self._closed = True
        return self._emit(torch.zeros(self.config.edge_samples))

    def _emit(self, samples: Tensor) -> Tensor:
        buffer = torch.cat([self._buffer, samples])
        frames = _frames_of(buffer, self.config)
        self._buffer = buffer[frames.shape[0] * self.config.hop_samples :].clone()  # frees what was used
        return frames
