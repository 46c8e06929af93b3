"""Many recordings through one recognizer: read, cut, compute features, recognize in batches, put together.

Pieces of different recordings share batches. At any moment only one window of pieces is in memory, whatever
the length and the number of the recordings; one that cannot be read does not stop the others.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from llama_speech.languages import Language
from llama_speech.results import Segment, Transcription
from llama_speech.segments import AudioPiece, SegmentConfig, iter_pieces
from llama_speech.voice_activity import SAMPLE_RATE, load_voice_activity
from llama_speech.words import Decode, Recognized, to_segments
from speech_core.errors import ConfigError, SpeechError
from speech_core.pcm import Audio
from speech_encoder.features import log_mel

if TYPE_CHECKING:
    from speech_encoder.config import FeatureConfig

MODES = ("llama", "ctc")
_BATCHES_PER_WINDOW = 4  # pieces of like length are batched together within a window

Progress = Callable[[float], None]
Opener = Callable[[], Iterable[Audio]]


@dataclass(frozen=True)
class TranscribeOptions:
    """How recordings are transcribed."""

    language: Language
    word_timestamps: bool = False
    vad: bool = True
    batch_size: int = 8
    mode: str = "llama"  # "llama": what the Llama writes; "ctc": the draft it is given, without the Llama
    segments: SegmentConfig = field(default_factory=SegmentConfig)

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ConfigError(f"batch size is {self.batch_size}: it must be at least 1")
        if self.mode not in MODES:
            raise ConfigError(f"mode is {self.mode!r}: use one of {', '.join(MODES)}")


class PieceRecognizer(Protocol):
    """What the pipeline needs of speech_adapter.recognizer.SpeechRecognizer."""

    def transcribe(self, features: list[Tensor], language: str, mode: str) -> Sequence[Recognized]:
        """One result for each piece, from unnormalised log-mel features (frames, mels)."""


@dataclass
class _Job:
    """One recording on its way."""

    samples: int = 0
    results: list[Recognized | None] = field(default_factory=list)  # one for each piece, None while waiting
    bounds_s: list[tuple[float, float]] = field(default_factory=list)
    reported_s: float = 0.0
    read: bool = False
    error: SpeechError | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing is missing."""
        return self.read and (self.error is not None or None not in self.results)

    def counted(self, blocks: Iterable[Audio]) -> Iterator[Audio]:
        """The same blocks, their samples counted."""
        for block in blocks:
            self.samples += block.size
            yield block


@dataclass(frozen=True)
class _Waiting:
    """A piece that waits for its batch."""

    job: _Job
    place: int
    features: Tensor  # (frames, mels)


class Pipeline:
    """Transcribes recordings in order with one set of options."""

    def __init__(
        self,
        recognizer: PieceRecognizer,
        decode: Decode,
        features: "FeatureConfig",
        options: TranscribeOptions,
    ) -> None:
        self._recognizer, self._decode = recognizer, decode
        self._features, self._options = features, options
        self._voice = load_voice_activity() if options.vad else None
        self._waiting: list[_Waiting] = []
        self._progress: Progress = _no_progress

    def run(
        self, openers: Iterable[Opener], progress: Progress | None = None
    ) -> Iterator[Transcription | SpeechError]:
        """Yield one outcome for each recording, in order: its transcription, or why there is none.

        openers: each opens one recording as blocks of 16 kHz audio; it and the blocks may raise SpeechError.
        progress: called with the seconds of audio that are done since the last call.
        """
        self._progress = progress or _no_progress
        jobs: list[_Job] = []
        for opener in openers:
            job = _Job()
            jobs.append(job)
            self._read(job, opener)
            while jobs and jobs[0].finished:
                yield self._outcome(jobs.pop(0))
        self._recognize()
        yield from (self._outcome(job) for job in jobs)

    def _read(self, job: _Job, opener: Opener) -> None:
        """Cut one recording and queue its pieces; full windows are recognized on the way."""
        try:
            for piece in iter_pieces(job.counted(opener()), self._options.segments, self._voice):
                self._queue(job, piece)
        except SpeechError as error:
            job.error = error
            self._waiting = [waiting for waiting in self._waiting if waiting.job is not job]
        job.read = True

    def _queue(self, job: _Job, piece: AudioPiece) -> None:
        features = log_mel(torch.from_numpy(piece.audio), self._features)
        if features.shape[0] == 0:
            return
        self._waiting.append(_Waiting(job, len(job.results), features))
        job.results.append(None)
        job.bounds_s.append((piece.start_s, piece.end_s))
        if len(self._waiting) >= self._options.batch_size * _BATCHES_PER_WINDOW:
            self._recognize()

    def _recognize(self) -> None:
        """Recognize all waiting pieces, those of like length together."""
        waiting = sorted(self._waiting, key=lambda one: one.features.shape[0])
        self._waiting = []
        size = self._options.batch_size
        for batch in (waiting[start : start + size] for start in range(0, len(waiting), size)):
            features = [one.features for one in batch]
            results = self._recognizer.transcribe(features, self._options.language.name, self._options.mode)
            for one, result in zip(batch, results, strict=True):
                one.job.results[one.place] = result
                start_s, end_s = one.job.bounds_s[one.place]
                self._report(one.job, end_s - start_s)

    def _report(self, job: _Job, done_s: float) -> None:
        job.reported_s += done_s
        self._progress(done_s)

    def _outcome(self, job: _Job) -> Transcription | SpeechError:
        """Put the pieces of a recording together."""
        self._report(job, max(job.samples / SAMPLE_RATE - job.reported_s, 0.0))  # pauses
        if job.error is not None:
            return job.error
        segments: list[Segment] = []
        for result, bounds_s in zip(job.results, job.bounds_s, strict=True):
            if result is not None:
                segments += to_segments(result, bounds_s, self._decode, len(segments))
        timed = self._options.word_timestamps
        segments = [replace(segment, words=segment.words or () if timed else None) for segment in segments]
        text = " ".join(segment.text for segment in segments)
        return Transcription(text, self._options.language.code, job.samples / SAMPLE_RATE, tuple(segments))


def _no_progress(done_s: float) -> None:
    """Nobody is watching."""
