"""Spoken text cut into words with the punctuation that shapes their melody, piece by piece.

A word ends at white space, at a hyphen, and at punctuation, which is kept as one mark of the word it follows;
punctuation that follows no word directly is a pause of its own. Quotation marks and brackets only divide.
"""

import unicodedata
from dataclasses import dataclass
from typing import NamedTuple

from speech_core.events import SpokenWord
from tts_frontend.normalizer_rules import Spoken

STRENGTH = ("?", "!", "...", ".", ";", ":", ",", "-")
"""Marks a word may carry, the one that decides first."""
_MARKS = {"\u2026": "...", "\u2014": "-", "\u2013": "-", "\u00a1": "", "\u00bf": ""}
_HYPHENS = frozenset("-\u2010\u2011")
_APOSTROPHES = frozenset("'\u2019")


class PlacedWord(NamedTuple):
    """A finished word and `reach`, the end in the written text of its punctuation."""

    word: SpokenWord
    reach: int


@dataclass
class _Open:
    """A word, or a pause, that may still grow. joint: an apostrophe or hyphen that waits for what follows."""

    start: int
    end: int
    text: str = ""
    joint: str = ""
    marks: str = ""
    closed: bool = False


class WordCutter:
    """Spoken pieces in, finished words out."""

    def __init__(self) -> None:
        self._open: _Open | None = None
        self._end = 0
        self._bare = False  # the last finished word carries no mark

    @property
    def settled(self) -> int:
        """Offset in the written text up to which all words are finished."""
        return self._open.start if self._open else self._end

    def add(self, piece: Spoken) -> list[PlacedWord]:
        """Words that are finished with this piece."""
        out: list[PlacedWord] = []
        for char in piece.text:
            out += self._add_char(char, piece)
        self._end = piece.end
        return out

    def flush(self) -> list[PlacedWord]:
        """The last word, if there is one."""
        return self._finish()

    def _add_char(self, char: str, piece: Spoken) -> list[PlacedWord]:
        if char.isalnum() or (unicodedata.category(char)[0] == "M" and self._open and self._open.text):
            return self._add_letter(char, piece)
        if char == "\n":
            return self._add_line_end(piece)
        if char.isspace():
            return [] if self._open and "\n" in self._open.marks else self._finish()
        self._add_mark(char, piece)
        return []

    def _add_letter(self, char: str, piece: Spoken) -> list[PlacedWord]:
        out: list[PlacedWord] = []
        word = self._open
        if word and word.text and not word.closed and (not word.joint or word.joint in _APOSTROPHES):
            word.text += ("'" if word.joint else "") + char
            word.joint, word.end = "", piece.end
            return out
        if word and word.joint in _HYPHENS:
            word.joint = ""  # a hyphen between two words says nothing
        out = self._finish()
        self._open = _Open(piece.start, piece.end, char)
        return out

    def _add_mark(self, char: str, piece: Spoken) -> None:
        word = self._open
        joins = word is not None and word.text != "" and not word.closed and not word.joint
        if word is not None and joins and (char in _APOSTROPHES or char in _HYPHENS):
            word.joint = char
            return
        mark = _MARKS.get(char, "-" if char in _HYPHENS else char)
        if mark in STRENGTH:
            if self._open is None:
                self._open = _Open(piece.start, piece.end, closed=True)
            self._open.marks += mark
        if self._open is not None:
            self._close(self._open, piece)

    def _add_line_end(self, piece: Spoken) -> list[PlacedWord]:
        """A line end is a comma, two are a full stop, where the writer has put no mark."""
        if self._open is None:
            if not self._bare:
                return []
            self._open = _Open(piece.start, piece.end, closed=True)
        self._close(self._open, piece)
        self._open.marks += "\n"
        return []

    @staticmethod
    def _close(word: _Open, piece: Spoken) -> None:
        _settle_joint(word)
        word.closed = True
        if not word.text:
            word.end = piece.end

    def _finish(self) -> list[PlacedWord]:
        word, self._open = self._open, None
        if word is None:
            return []
        _settle_joint(word)
        mark = _strongest(word.marks)
        if not word.text and not mark:
            return []
        self._bare = mark == ""
        return [PlacedWord(SpokenWord(word.text, word.start, word.end, mark), max(word.end, self._end))]


def _settle_joint(word: _Open) -> None:
    """A hyphen that no letter follows is a mark, an apostrophe that none follows is nothing."""
    if word.joint in _HYPHENS:
        word.marks += "-"
    word.joint = ""


def _strongest(marks: str) -> str:
    written = marks.replace("\n", "")
    for mark in STRENGTH:
        if mark in written:
            return mark
    lines = marks.count("\n")
    return "." if lines > 1 else "," if lines else ""
