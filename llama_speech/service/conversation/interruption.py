"""Somebody speaks into an answer: it is held back, words are looked for, and it goes on or stops.

Holding takes little, since what is only a sound then makes a short silence; stopping takes words.
"""

import re

from llama_speech.service.conversation.answering import Answers

CHECK_PREFIX_MS = 100  # more silence before a hum makes it "the" (test_interruption.py)
_SURE = (
    1.0  # results that begin alike add up to it and make an interruption: by their most letters in a row, ...
)
_WEIGHTS = ((3, 0.5), (2, 0.34))  # ... two with three letters, three with two, ...
_MANY_LETTERS = 6  # ... or one with so many letters in all
# Sounds of a listener, each letter once: "Hmmm" is "hm".
_SOUNDS = frozenset(
    ["ah", "aha", "eh", "ehm", "er", "hm", "huh", "m", "mh", "mhm", "oh", "uh", "uhm", "um", "wh"]
)


class Interruption:
    """What may become one. `job` is the result of the recognizer that is waited for."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._check = WordCheck()
        self.job: int | None = None

    def suspected(self) -> None:
        """Somebody speaks: nothing more of the answer is told for now."""
        self._check, self.job = WordCheck(), None
        if self._answers.current is not None:
            self._answers.current.hold()

    def let_go(self) -> None:
        """Whatever held the answer back is over, or nothing more is heard of it."""
        if self._answers.current is not None:
            self._answers.current.release()

    def answered(self, text: str) -> bool:
        """The result that was waited for; whether words are certain now."""
        self.job = None
        return self._check.answered(text)


class WordCheck:
    """Are there words in what may be only a sound? Yes, when results in a row begin alike, or one has many.

    A hum or a cough gives single letters, or short words that the next results do not confirm.
    """

    def __init__(self) -> None:
        self._found, self._first = 0.0, ""

    def answered(self, text: str) -> bool:
        """A result; whether words are certain now."""
        words = _words(text)
        longest = max(map(len, words), default=0)
        weight = next((weight for letters, weight in _WEIGHTS if longest >= letters), 0.0)
        if weight and sum(map(str.isalpha, text)) >= _MANY_LETTERS:
            weight = _SURE
        first = words[0] if words else ""
        alike = first.startswith(self._first) or self._first.startswith(first)
        self._found = weight + (self._found if alike and first else 0.0)
        self._first = first
        return self._found >= _SURE


def _words(text: str) -> list[str]:
    """Words of two letters or more, and numbers, that are no sounds of a listener."""
    words = re.findall(r"[^\W\d_]{2,}|\d+", text.lower())
    return [word for word in words if re.sub(r"(.)\1+", r"\1", word) not in _SOUNDS]
