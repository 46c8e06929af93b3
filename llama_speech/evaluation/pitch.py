"""Pitch and power of a sound, measured: to compare with what was asked of a synthesis."""

import numpy as np
from numpy.typing import NDArray

from speech_core.errors import InputError

LOWEST_HZ, HIGHEST_HZ = 60.0, 500.0
_WINDOW_S = 0.04
_LEAST_PERIODIC = 0.6  # normalised autocorrelation of a voiced frame
_QUIETEST = 1e-7  # power below which nothing is voiced

Array = NDArray[np.float64]


def measure_f0(audio: NDArray[np.float32], sample_rate: int, hop_samples: int) -> Array:
    """Pitch in Hz around samples 0, hop, 2 hop ...: (samples,) -> (samples // hop,), 0 where unvoiced.

    The first strong peak of the normalised autocorrelation (Boersma, 1993), refined by a parabola.
    """
    if sample_rate < 4 * HIGHEST_HZ or hop_samples < 1:
        raise InputError(f"pitch needs a rate of at least {4 * HIGHEST_HZ} Hz, got {sample_rate}")
    shortest, longest = int(sample_rate / HIGHEST_HZ), int(sample_rate / LOWEST_HZ) + 1
    size = round(_WINDOW_S * sample_rate)
    count = len(audio) // hop_samples
    if count == 0:
        return np.zeros(0)
    padded = np.pad(audio.astype(np.float64), (size // 2, size + longest))
    pieces = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop_samples][:count]
    window = np.hanning(size)
    pieces = (pieces - pieces.mean(1, keepdims=True)) * window
    correlation = _autocorrelation(pieces, longest + 1) / _autocorrelation(window[None], longest + 1)
    ratio = correlation / np.maximum(correlation[:, :1], 1e-12)
    inside = ratio[:, shortest : longest + 1]
    best = inside.max(1)
    is_peak = np.zeros_like(inside, bool)
    is_peak[:, 1:-1] = (inside[:, 1:-1] >= inside[:, :-2]) & (inside[:, 1:-1] > inside[:, 2:])
    strong = is_peak & (inside >= 0.9 * best[:, None])
    lag = shortest + strong.argmax(1)
    voiced = strong.any(1) & (best > _LEAST_PERIODIC) & (correlation[:, 0] > _QUIETEST)
    return np.where(voiced, sample_rate / _refined(ratio, lag), 0.0)


def _autocorrelation(pieces: Array, lags: int) -> Array:
    size = 1 << int(np.ceil(np.log2(2 * pieces.shape[1])))
    spectrum = np.abs(np.fft.rfft(pieces, size)) ** 2
    return np.asarray(np.fft.irfft(spectrum)[:, :lags])


def _refined(ratio: Array, lag: NDArray[np.int64]) -> Array:
    """Place of the top of the parabola through three points."""
    row = np.arange(len(lag))
    inside = np.clip(lag, 1, ratio.shape[1] - 2)
    left, here, right = (ratio[row, inside + step] for step in (-1, 0, 1))
    curve = left - 2 * here + right
    shift = np.where(np.abs(curve) > 1e-9, 0.5 * (left - right) / np.where(curve == 0, 1, curve), 0.0)
    return np.asarray(inside + np.clip(shift, -0.5, 0.5))
