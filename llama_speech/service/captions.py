"""What the user says, written while it is said: only grows, and ends as the transcript of the turn.

Words are told when two results in a row agree on them (local agreement, Liu et al., arXiv 2005.11185), the
newest one held back, since more sound may change it. The transcript of the whole turn is then put behind what
was told, so that the pieces joined are the transcript.
"""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import takewhile

FIRST_MS = 800  # of a turn before it is recognized the first time, ...
_GROWTH = 1.25  # ... and how much longer it is each time after: all results cost a few times the last one
_LEAST_MS = 600
_SURE = 1.0  # results add up to it that make an interruption: by their most letters in a row, ...
_WEIGHTS = ((3, 0.5), (2, 0.34))  # ... two with three letters, three with two, ...
_MANY_LETTERS = 6  # ... or one with so many letters in all
_SOUNDS = frozenset(
    ("ah", "aha", "eh", "ehm", "er", "hm", "hmm", "huh", "mh", "mhm", "mm", "mmm", "oh", "uh", "uhm", "um")
)
_HELD_BACK = 1  # words at the end of what agrees


class Captions:
    """The words of one turn. `told` is what the client knows."""

    def __init__(self) -> None:
        self.told = ""
        self.next_ms = FIRST_MS  # length of the turn at which another result is wanted
        self._last: list[str] = []

    def wanted(self, turn_ms: int) -> bool:
        """Whether a result for the turn so far is due; it is then taken to be asked for."""
        if turn_ms < self.next_ms:
            return False
        self.next_ms = max(turn_ms + _LEAST_MS, round(turn_ms * _GROWTH))
        return True

    def heard(self, text: str) -> str:
        """A result for the turn so far; what can be told now."""
        words = text.split()
        agreed, self._last = words[: common_length(self._last, words)], words
        stable = agreed[: max(len(agreed) - _HELD_BACK, 0)]
        return self._tell(_continued(self.told.split(), stable))

    def finish(self, text: str) -> str:
        """The transcript of the whole turn, which begins with what was told."""
        if not self.told:
            return text
        return " ".join(_continued(self.told.split(), text.split()))

    def _tell(self, words: Sequence[str]) -> str:
        delta = " ".join(words)[len(self.told) :]
        self.told += delta
        return delta


class WordCheck:
    """Are there words in what may be only a sound? Yes, when some results in a row have them, or one many.

    A hum or a cough gives single letters, or now and then a short word that the next results do not confirm.
    """

    def __init__(self) -> None:
        self.job: int | None = None  # of the result that is waited for
        self._found = 0.0

    def answered(self, text: str) -> bool:
        """A result; whether words are certain now."""
        self.job = None
        longest = max(map(len, _words(text)), default=0)
        weight = next((weight for letters, weight in _WEIGHTS if longest >= letters), 0.0)
        if weight and sum(map(str.isalpha, text)) >= _MANY_LETTERS:
            weight = _SURE
        self._found = self._found + weight if weight else 0.0
        return self._found >= _SURE


def has_words(text: str) -> bool:
    """Whether something is said: more than letters and the sounds of a listener."""
    return bool(_words(text))


def _words(text: str) -> list[str]:
    """Words of two letters or more, and numbers, that are no sounds of a listener."""
    return [word for word in re.findall(r"[^\W\d_]{2,}|\d+", text.lower()) if word not in _SOUNDS]


def common_length(one: Sequence[object], other: Sequence[object]) -> int:
    """How many items two sequences begin with alike."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _continued(told: list[str], words: Sequence[str]) -> list[str]:
    """`told`, and the words that come behind it in another version of the same speech."""
    blocks = SequenceMatcher(None, told, words, autojunk=False).get_matching_blocks()
    place, told_place = 0, 0
    for block in blocks[:-1]:
        place, told_place = block.b + block.size, block.a + block.size
    return [*told, *words[place + len(told) - told_place :]]
