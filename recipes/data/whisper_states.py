"""States of Whisper's encoder for cached features, without the sound: a teacher that every cache can have.

Whisper's log-mel (Slaney bands, 400-point transform, base 10) is a fixed mixture of our mel powers to a good
approximation, so its encoder can hear a feature cache. On 25 clips of LibriSpeech the transcripts of tiny.en
have the same error rate from sound and from a cache (8.2 and 8.5 %). Items are packed into windows of 10 s:
the encoder is two to three times faster there than on the 30 s it pads everything to.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech_encoder.config import FeatureConfig

STATE_FRAMES = 4  # mel frames of one state: two of Whisper's (20 ms each) are averaged
WINDOW_FRAMES = 1000  # packed windows; an item that is longer gets one of its own
MAX_WINDOW_FRAMES = 3000  # the most Whisper hears at once; longer items are cut
GAP_FRAMES = 40  # silence between packed items
_PEAK, _RANGE = 1.5, 8.0  # loudest band of an item and what is kept below it, both in powers of ten

States = NDArray[np.float32]  # (states, d_teacher)
LogMel = NDArray[np.float32]  # (frames, mels)


@lru_cache(maxsize=2)
def band_mixture(config: FeatureConfig) -> NDArray[np.float64]:
    """Our mel powers to Whisper's: (mels, 80), not negative, the closest in the space of filters."""
    from faster_whisper.feature_extractor import FeatureExtractor
    from scipy.optimize import nnls

    from speech_encoder.features import mel_filters

    ours = mel_filters(config).numpy().astype(np.float64)  # (bins, mels)
    whisper = FeatureExtractor().mel_filters  # (80, 201), bins of a 400-point transform
    bins_hz = np.linspace(0, config.sample_rate / 2, ours.shape[0])
    whisper_hz = np.linspace(0, config.sample_rate / 2, whisper.shape[1])
    wanted = [np.interp(bins_hz, whisper_hz, band) * len(whisper_hz) / len(bins_hz) for band in whisper]
    return np.stack([nnls(ours, band)[0] for band in wanted], axis=1)


def whisper_features(features: NDArray[np.floating], config: FeatureConfig) -> LogMel:
    """Natural-log mel (frames, mels) as Whisper's input (frames, 80), at one loudness for all items.

    Whisper's frames lie half a hop before ours, so each is the mean of two.
    """
    power = np.exp(features.astype(np.float32))
    power = 0.5 * (power + np.concatenate([power[:1], power[:-1]]))
    bands = np.log10(np.maximum(power @ band_mixture(config), 1e-10))
    levelled = bands - bands.max(initial=-10.0) + _PEAK
    return np.asarray((np.maximum(levelled, _PEAK - _RANGE) + 4.0) / 4.0, dtype=np.float32)


def quiet_level() -> float:
    """Silence in Whisper's input."""
    return (_PEAK - _RANGE + 4.0) / 4.0


def pack_windows(lengths: Sequence[int]) -> Iterator[list[tuple[int, int]]]:
    """Items, in order, put into windows: lists of (item, first frame), each start a whole state.

    lengths (items,) in frames, none above MAX_WINDOW_FRAMES.
    """
    window: list[tuple[int, int]] = []
    filled = 0
    for item, length in enumerate(lengths):
        if window and filled + length > WINDOW_FRAMES:
            yield window
            window, filled = [], 0
        window.append((item, filled))
        filled += -(-(length + GAP_FRAMES) // STATE_FRAMES) * STATE_FRAMES
    if window:
        yield window


class WhisperEncoder:
    """The encoder of a Whisper model for faster-whisper, int8 on one thread."""

    def __init__(self, model: Path | str, config: FeatureConfig) -> None:
        from ctranslate2.models import Whisper

        self._model = Whisper(str(model), device="cpu", compute_type="int8", intra_threads=1)
        self._config = config

    def states(self, items: Sequence[NDArray[np.floating]]) -> list[States]:
        """Items (frames, mels) of our log-mel -> their states (ceil(frames / STATE_FRAMES), d_teacher)."""
        pieces = [piece for item in items for piece in _cut(whisper_features(item, self._config))]
        found: list[States] = []
        for window in pack_windows([len(piece) for piece in pieces]):
            found += self._encode([pieces[number] for number, _ in window], [start for _, start in window])
        counts = [len(_cut(item)) for item in items]
        ends = np.cumsum(counts)
        return [
            np.concatenate(found[end - count : end]) for count, end in zip(counts, ends.tolist(), strict=True)
        ]

    def _encode(self, pieces: Sequence[LogMel], starts: Sequence[int]) -> list[States]:
        import ctranslate2

        total = max(WINDOW_FRAMES, -(-(starts[-1] + len(pieces[-1])) // STATE_FRAMES) * STATE_FRAMES)
        window = np.full((1, pieces[0].shape[1], total), quiet_level(), dtype=np.float32)
        for piece, start in zip(pieces, starts, strict=True):
            window[0, :, start : start + len(piece)] = piece.T
        output = self._model.encode(ctranslate2.StorageView.from_array(window), to_cpu=True)
        states = np.array(output)[0].astype(np.float32)  # (total / 2, d_teacher)
        pairs = states.reshape(-1, STATE_FRAMES // 2, states.shape[1]).mean(axis=1)
        firsts = [start // STATE_FRAMES for start in starts]
        return [
            pairs[first : first - (-len(piece) // STATE_FRAMES)]
            for first, piece in zip(firsts, pieces, strict=True)
        ]


def _cut(item: NDArray[np.floating]) -> list[NDArray[np.floating]]:
    """Pieces a window can hold; an empty item is one empty piece."""
    return [item[start : start + MAX_WINDOW_FRAMES] for start in range(0, len(item), MAX_WINDOW_FRAMES)] or [
        item
    ]
