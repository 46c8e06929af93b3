"""What the user says, written while it is said: only grows, and ends as the transcript of the turn.

Words are told when two results in a row agree on them (local agreement, Liu et al., arXiv 2005.11185), the
newest one held back, since more sound may change it. The transcript of the whole turn is then put behind what
was told, so that the pieces joined are the transcript.
"""

from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import takewhile

FIRST_MS = 800  # of a turn before it is recognized the first time, ...
_GROWTH = 1.25  # ... and how much longer it is each time after: all results cost a few times the last one
_LEAST_MS = 600
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
