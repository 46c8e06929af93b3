"""What a transcription gives: text, segments, words. Field names and JSON are those of Whisper."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Word:
    """One spoken word, with the space before it unless it opens a segment."""

    word: str
    start: float  # seconds from the start of the recording
    end: float  # seconds
    probability: float  # geometric mean over its tokens

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "word": self.word,
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "probability": round(self.probability, 4),
        }


@dataclass(frozen=True)
class Segment:
    """A stretch of speech as one subtitle would show it. The words joined are its text."""

    id: int
    start: float  # seconds from the start of the recording
    end: float  # seconds
    text: str
    tokens: tuple[int, ...] = ()  # of the Llama
    avg_logprob: float = 0.0  # natural log, mean over the tokens
    no_speech_prob: float = 0.0
    words: tuple[Word, ...] | None = None  # None unless word times were asked for

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `words` only if there are any to give."""
        values: dict[str, Any] = {
            "id": self.id,
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "text": self.text,
            "tokens": list(self.tokens),
            "avg_logprob": round(self.avg_logprob, 4),
            "no_speech_prob": round(self.no_speech_prob, 4),
        }
        if self.words is not None:
            values["words"] = [word.to_dict() for word in self.words]
        return values


@dataclass(frozen=True)
class Transcription:
    """The text of one recording."""

    text: str
    language: str  # code, ISO 639-1
    duration_s: float  # of the whole recording, pauses included
    segments: tuple[Segment, ...] = ()

    @property
    def words(self) -> list[Word]:
        """All words in order; empty unless word times were asked for."""
        return [word for segment in self.segments for word in segment.words or ()]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: text, language, duration (s), segments."""
        return {
            "text": self.text,
            "language": self.language,
            "duration": round(self.duration_s, 3),
            "segments": [segment.to_dict() for segment in self.segments],
        }
