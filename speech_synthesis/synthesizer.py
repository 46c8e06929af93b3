"""Tokens in, sound out, while they still come: front end, prosody, acoustic model and vocoder in a row."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from prosody.model import ProsodyModel
from prosody.predictor import ProsodyOptions, ProsodyStream
from speech_core.errors import StreamClosedError
from speech_core.events import AudioChunk, Phone, PhoneGroup, ProsodyEvent, SpokenWord, TokenEvent
from speech_synthesis.acoustic import AcousticModel, AcousticStream
from speech_synthesis.vocoder import Vocoder, VocoderStream
from tts_frontend.frontend import FrontendStream
from tts_frontend.languages.en.phones import SILENCE

EDGE_S = 0.05  # of silence before the first phone
TAIL_S = 0.15  # and after the last, where no pause ends the text
SILENT_LOG_POWER = -20.0


@dataclass(frozen=True)
class WordTime:
    """Which samples say a word: start to end (exclusive), of the whole output."""

    word: SpokenWord
    start_sample: int
    end_sample: int


@dataclass(frozen=True)
class PhoneTime:
    """A phone as it was asked for, and its place in the output."""

    event: ProsodyEvent
    start_sample: int
    end_sample: int


@dataclass(frozen=True)
class SynthesizerParts:
    """What speaks. frontend: makes a new front end for one text."""

    frontend: Callable[[], FrontendStream]
    prosody: ProsodyModel
    acoustic: AcousticModel
    vocoder: Vocoder

    @property
    def sample_rate(self) -> int:
        """Hz of the sound."""
        return self.vocoder.config.frames.sample_rate


@dataclass
class _Timeline:
    """Words and phones that have been placed."""

    words: list[SpokenWord] = field(default_factory=list)
    spans: dict[int, tuple[int, int]] = field(default_factory=dict)  # word number -> samples
    phones: list[PhoneTime] = field(default_factory=list)

    def place(self, event: ProsodyEvent, start: int, end: int) -> None:
        self.phones.append(PhoneTime(event, start, end))
        number = event.phone.word
        if number >= 0:
            self.spans[number] = (self.spans.get(number, (start, end))[0], end)


class SpeechStream:
    """Stream of TokenEvents (or of text, by `push_text`) to AudioChunks.

    keep_phones: whether `phones` is kept, for plots and tests; without it only word times grow.
    """

    def __init__(
        self, parts: SynthesizerParts, options: ProsodyOptions | None = None, keep_phones: bool = False
    ) -> None:
        options = options or ProsodyOptions()
        self._frontend = parts.frontend()
        self._prosody = ProsodyStream(parts.prosody, options)
        self._acoustic = AcousticStream(parts.acoustic)
        self._vocoder = VocoderStream(parts.vocoder, options.seed)
        self._hop = parts.vocoder.config.frames.hop_samples
        self._timeline = _Timeline()
        self._keep_phones = keep_phones
        self._last: Phone | None = None
        self._closed = False
        self.num_samples = 0  # given out

    @property
    def word_times(self) -> list[WordTime]:
        """Words whose phones are placed, in order; the last one may still grow."""
        words, spans = self._timeline.words, self._timeline.spans
        return [WordTime(words[number], *spans[number]) for number in sorted(spans) if number < len(words)]

    @property
    def phones(self) -> list[PhoneTime]:
        """Phones that are placed, if they are kept."""
        return list(self._timeline.phones)

    def push(self, events: TokenEvent | Sequence[TokenEvent]) -> list[AudioChunk]:
        """Sound that is now final. Raises StreamClosedError after `flush` or `cancel`."""
        return list(self.chunks(events))

    def chunks(self, events: TokenEvent | Sequence[TokenEvent]) -> Iterator[AudioChunk]:
        """`push` chunk by chunk, each as soon as it is made; to be read to its end before the next call."""
        self._check_open()
        yield from self._say(self._frontend.push(events))

    def push_text(self, text: str) -> list[AudioChunk]:
        """`push` of text that comes without tokens."""
        self._check_open()
        return list(self._say(self._frontend.push_text(text)))

    def flush(self) -> list[AudioChunk]:
        """The rest of the sound; nothing if nothing was to be said. The stream is then closed."""
        if self._closed:
            return []
        chunks = list(self._say(self._frontend.flush()))
        self._closed = True
        chunks += self._sound(self._prosody.flush())
        if self._last is None:
            return chunks
        if self._last.symbol != SILENCE:
            chunks += self._sound([_pause(TAIL_S)])
        frames = self._acoustic.flush()
        return (
            chunks
            + self._count([chunk for part in frames for chunk in self._vocoder.push(part)])
            + (self._count(self._vocoder.flush()))
        )

    def cancel(self) -> None:
        """Say no more: what has not come out is dropped. What was said stays in `word_times`."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise StreamClosedError("the speech stream was flushed or cancelled: make a new one")

    def _say(self, groups: Sequence[PhoneGroup]) -> Iterator[AudioChunk]:
        for group in groups:
            self._timeline.words.extend(word for word in group.words if word.text)
            yield from self._sound(self._prosody.push(group))

    def _sound(self, events: Sequence[ProsodyEvent]) -> Iterator[AudioChunk]:
        """Sound that is final with these phones."""
        for event in events:
            if self._last is None and event.phone.symbol != SILENCE:
                yield from self._sound_of(_pause(EDGE_S))
            yield from self._sound_of(event)

    def _sound_of(self, event: ProsodyEvent) -> list[AudioChunk]:
        self._last = event.phone
        start = self._acoustic.num_frames * self._hop
        frames = self._acoustic.push(event)
        self._timeline.place(event, start, self._acoustic.num_frames * self._hop)
        if not self._keep_phones:
            self._timeline.phones.clear()
        return self._count([chunk for part in frames for chunk in self._vocoder.push(part)])

    def _count(self, chunks: list[AudioChunk]) -> list[AudioChunk]:
        self.num_samples += sum(chunk.samples.shape[0] for chunk in chunks)
        return chunks


def _pause(seconds: float) -> ProsodyEvent:
    return ProsodyEvent(Phone(SILENCE), math.log(seconds), None, SILENT_LOG_POWER)
