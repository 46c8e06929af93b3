"""Written text cut into TN tokens by Unicode category, whole or as a stream; every character is in exactly
one token.

Source: arXiv 2407.21783, 8.2 (tokens cut at changes of Unicode category; the grouping of categories is ours):
letters with their marks form runs, decimal digits form runs, white space forms runs that a line end closes,
and every other character stands alone, except that an emoji keeps its modifiers. A run longer than
MAX_TOKEN_CHARS is cut, so that no token, and therefore no work on a token, depends on the length of the text.
"""

import unicodedata
from functools import lru_cache
from typing import Literal, NamedTuple

from speech_core.errors import StreamClosedError

Kind = Literal["letters", "digits", "space", "mark", "symbol"]

MAX_TOKEN_CHARS = 64

NO_LETTER = r"\W\d_\u00b2\u00b3\u00b9\u2070-\u209c\u00bc-\u00be\u2150-\u218b\u2460-\u249b"
"""What a letter is not, for use in a character class: `[^{NO_LETTER}]` (raised digits and fractions are
words to `re`).
"""

_JOINER = "\u200d"
_MODIFIERS = frozenset("\ufe0e\ufe0f\u20e3" + _JOINER) | {chr(c) for c in range(0x1F3FB, 0x1F400)}
_FLAG_LETTERS = frozenset(chr(c) for c in range(0x1F1E6, 0x1F200))
_RUNS = frozenset(("letters", "digits", "space"))


class Token(NamedTuple):
    """One TN token: its text, the offset of its first character in the whole text, and its kind."""

    text: str
    start: int
    kind: Kind

    @property
    def end(self) -> int:
        """Offset behind the last character."""
        return self.start + len(self.text)


@lru_cache(maxsize=4096)
def kind_of(char: str) -> Kind | Literal["combining"]:
    """The token kind of one character; `combining` joins the token before it where that is letters or a
    symbol.
    """
    category = unicodedata.category(char)
    if category[0] == "L":
        return "letters"
    if category == "Nd":
        return "digits"
    if category[0] == "Z" or char in "\t\n\r\v\f\x1c\x1d\x1e\x1f\x85":
        return "space"
    if category[0] == "M":
        return "combining"
    return "mark" if category[0] == "P" else "symbol"


def _joins(text: str, kind: Kind, char: str) -> Kind | None:
    """The kind of the token `text` (of `kind`) with `char` added, or None when `char` starts a new token."""
    if len(text) >= MAX_TOKEN_CHARS:
        return None
    char_kind = kind_of(char)
    if char_kind == kind and kind in _RUNS:
        return kind
    if char_kind == "combining" and kind in ("letters", "symbol"):
        return kind
    if kind == "symbol" and (char in _MODIFIERS or (text[-1] == _JOINER and char_kind == "symbol")):
        return kind
    if char in _FLAG_LETTERS and len(text) == 1 and text in _FLAG_LETTERS:
        return kind
    return None


class TokenStream:
    """Cuts text that arrives in pieces; a token comes out as soon as the next character shows that it has
    ended.
    """

    def __init__(self) -> None:
        self._text = ""
        self._kind: Kind = "space"
        self._start = 0
        self._closed = False

    def push(self, chunk: str) -> list[Token]:
        """Tokens that are now final. Raises StreamClosedError after `flush`."""
        if self._closed:
            raise StreamClosedError(
                "text was pushed into a token stream that had been flushed: make a new one"
            )
        out: list[Token] = []
        for char in chunk:
            joined = _joins(self._text, self._kind, char) if self._text else None
            if joined is not None:
                self._text += char
            else:
                if self._text:
                    out.append(self._take())
                self._text, kind = char, kind_of(char)
                self._kind = "symbol" if kind == "combining" else kind
            if char == "\n":
                out.append(self._take())
        return out

    @property
    def pending(self) -> str | None:
        """The kind of the token that has begun but not ended, or None."""
        return self._kind if self._text else None

    def flush(self) -> list[Token]:
        """The last token, if there is one; afterwards the stream is closed."""
        self._closed = True
        return [self._take()] if self._text else []

    def _take(self) -> Token:
        token = Token(self._text, self._start, self._kind)
        self._start, self._text = token.end, ""
        return token


def cut(text: str) -> list[Token]:
    """All TN tokens of `text`; their texts joined are `text`.

    >>> [token.text for token in cut("5km at $2.50")]
    ['5', 'km', ' ', 'at', ' ', '$', '2', '.', '50']
    """
    stream = TokenStream()
    return stream.push(text) + stream.flush()
