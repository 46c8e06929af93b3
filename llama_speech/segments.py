"""Cutting audio of any length into pieces the recognizer takes, while it arrives and in bounded memory.

With voice activity: pieces hold the speech, end in pauses, and never overlap; the longer a piece already is,
the shorter the pause that ends it. Without: pieces tile the audio, cut where it is quietest. Every stream
follows the contract push / flush, and its pieces do not depend on how the audio was chunked.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from llama_speech.voice_activity import SAMPLE_RATE, WINDOW_SAMPLES, VoiceActivity
from speech_core.errors import ConfigError, StreamClosedError
from speech_core.pcm import Audio

LONGEST_PIECE_S = 60.0  # the encoder was trained on at most 6,000 frames


@dataclass(frozen=True)
class SegmentConfig:
    """Where to cut. Times in seconds, thresholds are probabilities of speech."""

    target_s: float = 20.0  # from here on the shortest pause ends a piece
    max_s: float = 30.0  # a piece is cut at its weakest place at the latest here
    long_pause_s: float = 2.0  # ends a piece however short it is
    short_pause_s: float = 0.15  # ends a piece of target length
    pad_s: float = 0.6  # kept before and after the speech of a piece: less costs words at the edges
    min_speech_s: float = 0.1  # less speech than this in a piece is taken for noise
    enter: float = 0.5  # speech begins at this probability
    leave: float = 0.35  # and ends below this one

    def __post_init__(self) -> None:
        if not 0 < self.target_s <= self.max_s <= LONGEST_PIECE_S:
            raise ConfigError(
                f"need 0 < target_s <= max_s <= {LONGEST_PIECE_S:g}: {self.target_s}, {self.max_s}"
            )
        if not 0 < self.short_pause_s <= self.long_pause_s or self.pad_s < 0 or self.min_speech_s < 0:
            raise ConfigError("need 0 < short_pause_s <= long_pause_s, pad_s >= 0 and min_speech_s >= 0")
        if not 0 < self.leave <= self.enter < 1:
            raise ConfigError(f"need 0 < leave <= enter < 1: {self.leave}, {self.enter}")

    def ending_pause_s(self, length_s: float) -> float:
        """The pause that ends a piece of this length: falls from long to short up to the target length."""
        share = min(length_s / self.target_s, 1.0)
        return self.long_pause_s + share * (self.short_pause_s - self.long_pause_s)


@dataclass(frozen=True)
class AudioPiece:
    """Part of a recording: audio (samples,) float32 at 16 kHz, and the place of its first sample."""

    start_samples: int
    audio: Audio = field(repr=False)

    @property
    def start_s(self) -> float:
        """Seconds from the start of the recording."""
        return self.start_samples / SAMPLE_RATE

    @property
    def end_s(self) -> float:
        """Seconds from the start of the recording to the end of the piece."""
        return (self.start_samples + self.audio.size) / SAMPLE_RATE


class Segmenter(Protocol):
    """A stream from audio to pieces."""

    def push(self, audio: Audio) -> list[AudioPiece]:
        """Pieces that are now final."""

    def flush(self) -> list[AudioPiece]:
        """The rest; afterwards the stream is closed."""


def make_segmenter(config: SegmentConfig, voice: VoiceActivity | None) -> Segmenter:
    """Cut at pauses with a voice activity model, at quiet places without."""
    return QuietSegmenter(config) if voice is None else PauseSegmenter(config, voice)


def iter_pieces(
    blocks: Iterable[Audio], config: SegmentConfig, voice: VoiceActivity | None
) -> Iterator[AudioPiece]:
    """Yield the pieces of a recording that comes in blocks of 16 kHz audio."""
    segmenter = make_segmenter(config, voice)
    for block in blocks:
        yield from segmenter.push(block)
    yield from segmenter.flush()


class AudioBuffer:
    """The part of a stream that is still needed, addressed by absolute sample numbers."""

    def __init__(self) -> None:
        self.start = 0
        self.end = 0
        self._blocks: list[Audio] = []

    def append(self, audio: Audio) -> None:
        """Add what came next."""
        if audio.size:
            self._blocks.append(np.asarray(audio, dtype=np.float32))
            self.end += audio.size

    def read(self, start: int, end: int) -> Audio:
        """A copy of the samples from `start` to `end`, both within the buffer."""
        self._join()
        return self._blocks[0][start - self.start : end - self.start].copy() if end > start else _EMPTY

    def drop_before(self, start: int) -> None:
        """Forget everything before a sample."""
        while self._blocks and self.start + self._blocks[0].size <= start:
            self.start += self._blocks.pop(0).size
        if self._blocks and start > self.start:
            self._blocks[0] = self._blocks[0][start - self.start :].copy()
            self.start = start

    def _join(self) -> None:
        if len(self._blocks) > 1:
            self._blocks = [np.concatenate(self._blocks)]


_EMPTY = np.zeros(0, dtype=np.float32)
_WINDOWS_PER_STEP = 512  # 16 s: bounds the memory of the network


class PauseSegmenter:
    """Pieces of speech that end in pauses.

    Holds at most one piece and one block of audio; gives a piece out once the pause after it is long enough.
    """

    def __init__(self, config: SegmentConfig, voice: VoiceActivity) -> None:
        self._config, self._voice = config, voice
        self._state = voice.init_state()
        self._buffer = AudioBuffer()
        self._windows = 0  # analysed so far
        self._piece: _OpenPiece | None = None
        self._last_end = 0  # where the last piece ended, in samples
        self._closed = False

    def push(self, audio: Audio) -> list[AudioPiece]:
        """(samples,) at 16 kHz -> pieces that are now final."""
        if self._closed:
            raise StreamClosedError("push after flush: make a new PauseSegmenter")
        self._buffer.append(audio)
        return self._analyse(self._buffer.end // WINDOW_SAMPLES)

    def flush(self) -> list[AudioPiece]:
        """The last piece; afterwards the stream is closed."""
        if self._closed:
            return []
        self._closed = True
        length = self._buffer.end
        self._buffer.append(np.zeros(-length % WINDOW_SAMPLES, dtype=np.float32))
        pieces = self._analyse(self._buffer.end // WINDOW_SAMPLES)
        pieces += self._close(length)
        return [_trimmed(piece, length) for piece in pieces]

    def _analyse(self, windows: int) -> list[AudioPiece]:
        """Move along the windows up to number `windows`."""
        pieces: list[AudioPiece] = []
        while self._windows < windows:
            for probability in self._probabilities(min(windows, self._windows + _WINDOWS_PER_STEP)):
                self._windows += 1
                pieces += self._advance(probability, self._windows * WINDOW_SAMPLES)
            open_from = self._piece.start if self._piece else self._windows * WINDOW_SAMPLES - self._pad
            self._buffer.drop_before(max(open_from, self._last_end))
        return pieces

    def _probabilities(self, windows: int) -> list[float]:
        """Probability of speech in the windows after those analysed, up to number `windows`."""
        import torch

        audio = self._buffer.read(self._windows * WINDOW_SAMPLES, windows * WINDOW_SAMPLES)
        probabilities, self._state = self._voice.step(torch.from_numpy(audio)[None], self._state)
        values: list[float] = probabilities[0].tolist()
        return values

    @property
    def _pad(self) -> int:
        return round(self._config.pad_s * SAMPLE_RATE)

    def _advance(self, probability: float, now: int) -> list[AudioPiece]:
        """Take in the window that ends at sample `now`."""
        if self._piece is None:
            if probability < self._config.enter:
                return []
            start = max(now - WINDOW_SAMPLES - self._pad, self._last_end, 0)
            self._piece = _OpenPiece(start)
        piece = self._piece
        piece.hear(probability, now, self._config)
        pause_s = (now - piece.speech_end) / SAMPLE_RATE
        length_s = (piece.speech_end - piece.start) / SAMPLE_RATE
        if not piece.speaking and pause_s >= self._config.ending_pause_s(length_s):
            return self._close(now)
        if now + self._pad - piece.start >= self._config.max_s * SAMPLE_RATE:
            return self._cut(piece, now)
        return []

    def _close(self, now: int) -> list[AudioPiece]:
        """End the open piece; `now` is how much audio there is."""
        piece, self._piece = self._piece, None
        if piece is None:
            return []
        end = min(piece.speech_end + self._pad, now)
        if piece.speech_samples < self._config.min_speech_s * SAMPLE_RATE:
            return []
        self._last_end = end
        return [AudioPiece(piece.start, self._buffer.read(piece.start, end))]

    def _cut(self, piece: "_OpenPiece", now: int) -> list[AudioPiece]:
        """Cut a piece that reached its greatest length where it is weakest; the rest begins the next one."""
        cut = piece.weakest_place()
        self._last_end = cut
        self._piece = piece.rest_after(cut, now)
        return [AudioPiece(piece.start, self._buffer.read(piece.start, cut))]


class _OpenPiece:
    """Speech that has begun and not yet ended."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.speech_end = start
        self.speech_samples = 0
        self.speaking = True
        self._probabilities: list[tuple[int, float]] = []  # (end of the window, probability of speech)

    def hear(self, probability: float, now: int, config: SegmentConfig) -> None:
        """Take in one window that ends at sample `now`."""
        self.speaking = probability >= (config.leave if self.speaking else config.enter)
        self._probabilities.append((now, probability))
        if self.speaking:
            self.speech_end = now
            self.speech_samples += WINDOW_SAMPLES

    def weakest_place(self) -> int:
        """The middle of the three windows of the second half that are least like speech."""
        ends = [end for end, _ in self._probabilities]
        smooth = np.convolve([probability for _, probability in self._probabilities], np.ones(3), mode="same")
        half = len(ends) // 2
        return ends[half + int(np.argmin(smooth[half:-1]))] - WINDOW_SAMPLES // 2

    def rest_after(self, cut: int, now: int) -> "_OpenPiece":
        """What follows the cut, as the beginning of the next piece."""
        rest = _OpenPiece(cut)
        rest.speaking, rest.speech_end = self.speaking, max(self.speech_end, cut)
        rest._probabilities = [(end, p) for end, p in self._probabilities if end > cut]
        rest.speech_samples = max(self.speech_end - cut, 0)
        return rest


def _trimmed(piece: AudioPiece, length: int) -> AudioPiece:
    """Without the zeros that filled the last window."""
    return AudioPiece(piece.start_samples, piece.audio[: max(length - piece.start_samples, 0)])


class QuietSegmenter:
    """Pieces that tile the audio, each cut at the quietest place near the target length."""

    _quiet_samples = 480  # 30 ms: the span whose power counts
    _shortest_s = 1.0  # no piece is left over that is shorter than this

    def __init__(self, config: SegmentConfig) -> None:
        self._buffer = AudioBuffer()
        self._from = round(0.75 * config.target_s * SAMPLE_RATE)
        self._to = round(min(1.25 * config.target_s, config.max_s) * SAMPLE_RATE)
        self._needed = self._to + round(
            min(self._shortest_s, config.max_s - self._to / SAMPLE_RATE) * SAMPLE_RATE
        )
        self._closed = False

    def push(self, audio: Audio) -> list[AudioPiece]:
        """(samples,) at 16 kHz -> pieces that are now final."""
        if self._closed:
            raise StreamClosedError("push after flush: make a new QuietSegmenter")
        self._buffer.append(audio)
        pieces = []
        while self._buffer.end - self._buffer.start > self._needed:
            pieces.append(self._take(self._quietest_place()))
        return pieces

    def flush(self) -> list[AudioPiece]:
        """The last piece; afterwards the stream is closed."""
        if self._closed or self._buffer.end == self._buffer.start:
            self._closed = True
            return []
        self._closed = True
        return [self._take(self._buffer.end)]

    def _take(self, end: int) -> AudioPiece:
        start = self._buffer.start
        piece = AudioPiece(start, self._buffer.read(start, end))
        self._buffer.drop_before(end)
        return piece

    def _quietest_place(self) -> int:
        """The middle of the 30 ms with the least power within the allowed range."""
        start = self._buffer.start
        power = self._buffer.read(start + self._from, start + self._to).astype(np.float64) ** 2
        sums = np.cumsum(np.concatenate([[0.0], power]))
        spans = sums[self._quiet_samples :] - sums[: -self._quiet_samples]
        return start + self._from + int(np.argmin(spans)) + self._quiet_samples // 2
