"""What the tagger sees of a TN token: its characters in overlapping pieces, and its shape, as table rows.

Open vocabulary: no list of words; pieces are hashed into a fixed number of rows, shapes have rows of their
own. White space is no token here but a property of the token behind it.
"""

import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from tts_frontend.text_tokens import Token

Spacing = Literal["none", "space", "line", "start"]

SHAPE_ROWS = 64
_KINDS = ("letters", "digits", "mark", "symbol")
_SPACINGS = ("none", "space", "line", "start")
_CASES = ("none", "lower", "title", "upper", "mixed")
_MOST_CHARS = 16
_SPACING_AT, _CASE_AT, _LENGTH_AT, _VALUE_AT = 4, 8, 13, 30
_VALUES = ((0, 0), (1, 12), (13, 31), (32, 59), (60, 99), (100, 999), (1000, 1599), (1600, 2099))


class SeenToken(NamedTuple):
    """A token as the tagger sees it: rows of its table, and where the token starts and ends in the text."""

    rows: tuple[int, ...]
    start: int
    end: int


class TokenWatcher:
    """TN tokens in, seen tokens out, with the white space before them."""

    def __init__(self, num_rows: int) -> None:
        self._num_rows = num_rows
        self._spacing: Spacing = "start"

    def push(self, tokens: Sequence[Token]) -> Iterator[SeenToken]:
        """One seen token for each token that is not white space."""
        for token in tokens:
            if token.kind == "space":
                line = "\n" in token.text or self._spacing == "line"
                self._spacing = "line" if line else "space"
                continue
            yield SeenToken(
                token_rows(token.text, token.kind, self._spacing, self._num_rows), token.start, token.end
            )
            self._spacing = "none"


@lru_cache(maxsize=65536)
def token_rows(text: str, kind: str, spacing: Spacing, num_rows: int) -> tuple[int, ...]:
    """Rows of the table that describe a token; the first SHAPE_ROWS are shapes, the others hashed pieces."""
    hashed = num_rows - SHAPE_ROWS
    pieces = dict.fromkeys(_pieces(text, kind))
    rows = [SHAPE_ROWS + zlib.crc32(piece.encode("utf-8", "replace")) % hashed for piece in pieces]
    return (*_shape_rows(text, kind, spacing), *rows)


def _pieces(text: str, kind: str) -> Iterator[str]:
    """The whole token, with and without case; runs of one to three characters with the token's edges."""
    yield "=" + text[:64]
    yield "~" + text[:64].lower()
    if len(text) > _MOST_CHARS:
        text = text[: _MOST_CHARS - 4] + "\u2026" + text[-4:]
    marked = f"<{text}>"
    sizes = (1, 2, 3) if kind != "letters" or len(text) < 3 else (3,)
    for size in sizes:
        for at in range(len(marked) - size + 1):
            yield marked[at : at + size]
    if kind == "letters":
        yield "^" + text[:2]
        yield "$" + text[-2:]


def _shape_rows(text: str, kind: str, spacing: Spacing) -> tuple[int, ...]:
    rows = [_KINDS.index(kind), _SPACING_AT + _SPACINGS.index(spacing), _CASE_AT + _CASES.index(_case(text))]
    rows.append(_LENGTH_AT + min(len(text), 16) - 1)
    if kind == "digits":
        value = int(text) if len(text) <= 4 and text.isascii() else -1
        rows += [_VALUE_AT + n for n, (low, high) in enumerate(_VALUES) if low <= value <= high]
        if text[0] == "0" and len(text) > 1:
            rows.append(_VALUE_AT + len(_VALUES))
    return tuple(rows)


def _case(text: str) -> str:
    if not any(c.isalpha() for c in text):
        return "none"
    if text.islower():
        return "lower"
    if text.isupper():
        return "upper"
    return "title" if text.istitle() else "mixed"
