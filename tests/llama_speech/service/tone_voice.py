"""A voice that says a tone for each word: synthesis without weights, with exact word times."""

import re
import time
from collections.abc import Iterator

import numpy as np

from llama_speech.service.models.products import Sound, SpokenMark
from speech_core.events import TokenEvent
from tests.fakes import tone

_PACE_S = 0.03  # a word: a long answer lasts long enough to be interrupted


class ToneVoice:
    """See llama_speech.service.models.speaking.Voice."""

    names = ("tone",)
    rate = 24_000
    word_s = 0.2
    word_samples = round(rate * word_s)

    def start(self, name: str, speed: float) -> "ToneStream":
        """A stream; the speed is not heard."""
        return ToneStream()


class ToneStream:
    """A word is said as soon as the space behind it is known."""

    def __init__(self) -> None:
        self._text, self._said, self._samples = "", 0, 0

    def push(self, event: TokenEvent) -> list[Sound]:
        """Sound of the words that are now complete."""
        self._text += event.text
        return self._say(self._text.rfind(" "))

    def flush(self) -> list[Sound]:
        """Sound of the last word."""
        return self._say(len(self._text))

    def say(self, text: str) -> Iterator[Sound]:
        """Sound of a whole text."""
        yield from [*self.push(TokenEvent(0, text)), *self.flush()]

    def _say(self, end: int) -> list[Sound]:
        found = [
            word for word in re.finditer(r"\S+", self._text[: max(end, 0)]) if word.start() >= self._said
        ]
        sounds = []
        for word in found:
            begin, self._samples = self._samples, self._samples + ToneVoice.word_samples
            audio = np.asarray(tone(330, ToneVoice.word_s, ToneVoice.rate))
            sounds.append(Sound(audio, ToneVoice.rate, (SpokenMark(begin, self._samples, word.end()),)))
            self._said = word.end()
        return sounds


class PacedVoice:
    """The voice of tones at about the pace of a real one."""

    names = ToneVoice.names

    def start(self, name: str, speed: float) -> "PacedStream":
        """See llama_speech.service.models.speaking.Voice."""
        return PacedStream()


class PacedStream(ToneStream):
    """Takes its time for each word."""

    def push(self, event: TokenEvent) -> list[Sound]:
        """See ToneStream."""
        sounds = super().push(event)
        time.sleep(_PACE_S * len(sounds))
        return sounds
