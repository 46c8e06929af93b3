"""Pitch and power of a sound, measured: to compare with what was asked of a synthesis."""

import numpy as np
from numpy.typing import NDArray

from speech_core.errors import InputError

LOWEST_HZ, HIGHEST_HZ = 60.0, 500.0
_WINDOW_S = 0.05  # three periods of the lowest pitch
_CANDIDATES = 6  # peaks of the autocorrelation that are looked at in a frame
_LEAST_PERIODIC = 0.45  # strength of an unvoiced frame
_SILENCE = 0.03  # of the loudest frame: the quieter, the less it is voiced
_OCTAVE_COST = 0.01  # of a pitch, for each octave below the highest
_JUMP_COST = 0.28  # of an octave between two frames
_VOICING_COST = 0.11  # of a change between voiced and unvoiced

Array = NDArray[np.float64]


def measure_f0(audio: NDArray[np.float32], sample_rate: int, hop_samples: int) -> Array:
    """Pitch in Hz around samples 0, hop, 2 hop ...: (samples,) -> (samples // hop,), 0 where unvoiced.

    The best path through peaks of the normalised autocorrelation, each refined by a parabola; costs are by
    Boersma (1993), "Accurate short-term analysis of the fundamental frequency".
    """
    if sample_rate < 4 * HIGHEST_HZ or hop_samples < 1:
        raise InputError(f"pitch needs a rate of at least {4 * HIGHEST_HZ} Hz, got {sample_rate}")
    count = len(audio) // hop_samples
    if count == 0:
        return np.zeros(0)
    longest, size = int(sample_rate / LOWEST_HZ) + 1, round(_WINDOW_S * sample_rate)
    padded = np.pad(audio.astype(np.float64), (size // 2, size + longest))
    pieces = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop_samples][:count]
    pieces = pieces - pieces.mean(1, keepdims=True)
    window = np.hanning(size)
    ratio, own = (_autocorrelation(some, longest + 2) for some in (pieces * window, window[None]))
    f0_hz, strengths = _candidates(ratio / own, sample_rate)
    loudness = np.abs(pieces).max(1) / max(float(np.abs(audio).max()), 1e-9)
    unvoiced = _LEAST_PERIODIC + np.maximum(0, 2 - loudness * (1 + _LEAST_PERIODIC) / _SILENCE)
    return _best_path(f0_hz, np.concatenate([unvoiced[:, None], strengths], 1))


def _autocorrelation(pieces: Array, lags: int) -> Array:
    """(pieces, samples) -> (pieces, lags), 1 at lag 0."""
    size = 1 << int(np.ceil(np.log2(2 * pieces.shape[1])))
    found = np.fft.irfft(np.abs(np.fft.rfft(pieces, size)) ** 2)[:, :lags]
    return np.asarray(found / np.maximum(found[:, :1], 1e-12))


def _candidates(ratio: Array, sample_rate: int) -> tuple[Array, Array]:
    """Unvoiced (0 Hz) and the strongest pitches of each frame: (frames, lags) -> (frames, candidates + 1).

    Also the strengths of the pitches, (frames, candidates), -inf where a frame has fewer.
    """
    shortest = int(sample_rate / HIGHEST_HZ)
    left, here, right = (ratio[:, shortest + step : ratio.shape[1] - 1 + step] for step in (-1, 0, 1))
    curve = left - 2 * here + right
    shift = np.clip(0.5 * (left - right) / np.where(curve == 0, -1.0, curve), -0.5, 0.5)
    f0_hz = sample_rate / (np.arange(here.shape[1]) + shortest + shift)
    height = here - 0.25 * (left - right) * shift
    strength = np.minimum(height, 2 - height) - _OCTAVE_COST * np.log2(HIGHEST_HZ / f0_hz)
    is_peak = (here >= left) & (here > right) & (here > 0)
    strength = np.where(is_peak, strength, -np.inf)
    best = np.argsort(-strength, axis=1)[:, :_CANDIDATES]
    pitches = np.take_along_axis(f0_hz, best, 1)
    return np.pad(pitches, ((0, 0), (1, 0))), np.take_along_axis(strength, best, 1)


def _best_path(f0_hz: Array, strengths: Array) -> Array:
    """Pitches of greatest strength less the costs between frames: (frames, choices) twice -> (frames,)."""
    octaves = np.log2(np.where(f0_hz > 0, f0_hz, 1.0))
    total, back = strengths[0], np.zeros(f0_hz.shape, dtype=np.int64)
    for frame in range(1, len(f0_hz)):
        jump = _JUMP_COST * np.abs(octaves[frame][:, None] - octaves[frame - 1])
        voiced = f0_hz[frame][:, None] > 0, f0_hz[frame - 1] > 0
        cost = np.where(voiced[0] & voiced[1], jump, _VOICING_COST * (voiced[0] != voiced[1]))
        back[frame] = (total - cost).argmax(1)
        total = (total - cost).max(1) + strengths[frame]
    path = np.zeros(len(f0_hz), dtype=np.int64)
    path[-1] = total.argmax()
    for frame in range(len(f0_hz) - 1, 0, -1):
        path[frame - 1] = back[frame, path[frame]]
    return np.asarray(f0_hz[np.arange(len(f0_hz)), path])
