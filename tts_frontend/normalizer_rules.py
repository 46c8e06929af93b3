"""Text normalization by rules alone, as a stream: text in, spoken words with their source spans out.

A plain stretch of text is passed on as soon as the white space behind it is seen; anything else waits for
the end of its unspaced chunk and `lookahead_tokens` more tokens (white space does not count, and the last
unspaced chunk is seen whole), or the end of the line. Where a reading
reaches over that chunk ("May 12," may go on), the lookahead counts from the end of the longest one, so that
an open date is waited for and nothing else. What was given out is never taken back, and the result does not
depend on how the text was cut on its way in. Work per token is bounded: a rule sees LEFT_CHARS to the left
and at most CHUNK_TOKENS + 2 SENTENCE_LOOKAHEAD tokens to the right.
"""

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from speech_core.errors import StreamClosedError
from tts_frontend.config import SENTENCE_LOOKAHEAD, NormalizerConfig
from tts_frontend.inventory import LEFT_CHARS, Reading, View, best_reading
from tts_frontend.languages import Language, load_language
from tts_frontend.text_tokens import Token, TokenStream

CHUNK_TOKENS = 48
"""An unspaced chunk is looked at this far; what lies further is read when its turn comes."""
_TRIM_CHARS = 4096
STRAIGHT = {"\u201c": '"', "\u201d": '"', "\u2018": "'", "\u2019": "'"}
"""Quotation marks that become straight."""

Choose = Callable[[View, Sequence[Reading]], Reading]
Watch = Callable[[Sequence[Token]], None]


class Spoken(NamedTuple):
    """What is said for one stretch of the written text.

    text: words and pauses, with a space in front where one is needed to keep words apart; "" when nothing is
    said; start, end: offsets in the whole written text; rule: the rule that was used; considered: all
    readings that were possible, best first, and odds: the probability a tagger gave each rule (only when
    asked for).
    """

    text: str
    start: int
    end: int
    rule: str
    considered: tuple[Reading, ...] = ()
    odds: tuple[tuple[str, float], ...] = ()


def choose_best(view: View, readings: Sequence[Reading]) -> Reading:
    """The rules' own choice."""
    return best_reading(readings)


class RuleNormalizer:
    """A stream of written text to spoken text. `choose` may pick another reading than the best by score;
    `watch` is shown the tokens as they come, before anything is chosen at them; `odds` tells what the last
    choice was made by.
    """

    def __init__(
        self,
        config: NormalizerConfig | None = None,
        choose: Choose = choose_best,
        explain: bool = False,
        watch: Watch | None = None,
        odds: Callable[[], tuple[tuple[str, float], ...]] = tuple,
    ) -> None:
        self._watch, self._odds = watch, odds
        self.config = config or NormalizerConfig()
        self.language: Language = load_language(self.config.language)
        self._choose = choose
        self._explain = explain
        self._cutter = TokenStream()
        self._tokens: list[Token] = []
        self._at = 0  # index in _tokens of the first token not yet read
        self._reach = 0  # tokens from _at on that the longest reading known so far takes
        self._scanned = 0  # tokens from _at on that are known not to end the chunk
        self._text, self._offset = "", 0
        self._chunk_start = 0
        self._fenced = False
        self._last = ""  # the last character given out
        self._ended = False
        self._closed = False

    def push(self, text: str) -> list[Spoken]:
        """What is now certain to be said. Raises StreamClosedError after `flush`."""
        if self._closed:
            raise StreamClosedError("text was pushed into a normalizer that had been flushed: make a new one")
        self._text += text
        self._add(self._cutter.push(text))
        return self._read_all()

    def flush(self) -> list[Spoken]:
        """The rest; afterwards the stream is closed."""
        if self._closed:
            return []
        self._closed = self._ended = True
        self._add(self._cutter.flush())
        return self._read_all()

    def _add(self, tokens: list[Token]) -> None:
        self._tokens += tokens
        if self._watch:
            self._watch(tokens)

    def _read_all(self) -> list[Spoken]:
        out: list[Spoken] = []
        while self._at < len(self._tokens):
            step = self._read_one()
            if step is None:
                break
            out += step
        self._trim()
        return out

    def _read_one(self) -> list[Spoken] | None:
        """Read from the current token on; None when more text must be seen first."""
        token = self._tokens[self._at]
        if token.kind == "space":
            self._advance(1)
            return [
                self._give(
                    "\n" * token.text.count("\n") if "\n" in token.text else " ",
                    token.start,
                    token.end,
                    "space",
                )
            ]
        end = self._chunk_end()
        if end is None:
            return None
        if token.start == self._chunk_start and not self._fenced and self._is_plain(token, end):
            return self._read_plain(end)
        return self._read_by_rule(token, end)

    def _chunk_end(self) -> int | None:
        """Index behind the last token of the chunk, or None while that is not known."""
        tokens, stop = self._tokens, min(len(self._tokens), self._at + CHUNK_TOKENS)
        index = self._at + self._scanned
        while index < stop:
            if tokens[index].kind == "space":
                return index
            index += 1
        self._scanned = index - self._at
        ended = self._ended or self._cutter.pending == "space"
        return index if ended or self._scanned >= CHUNK_TOKENS else None

    def _window_end(self, item_end: int, chunk_end: int) -> int | None:
        """Index behind the last token that rules may see, or None while that has not come.

        White space and characters without width do not count. The last unspaced run of text is seen whole:
        half of "a.m." is no help.
        """
        tokens, index, left = self._tokens, chunk_end, self.config.lookahead_tokens
        stop = chunk_end + 2 * SENTENCE_LOOKAHEAD
        while index < stop and (left > 0 or index < item_end or self._in_word(index)):
            if index >= len(tokens):
                return len(tokens) if self._ended else None
            if tokens[index].text[-1] == "\n":
                return index + 1
            left -= index >= item_end and not _is_blank(tokens[index])
            index += 1
        return index

    def _in_word(self, index: int) -> bool:
        """Whether the unspaced run of text before `index` goes on there, as far as is known."""
        if self._tokens[index - 1].kind == "space":
            return False
        if index < len(self._tokens):
            return self._tokens[index].kind != "space"
        return not self._ended and self._cutter.pending != "space"

    def _is_plain(self, token: Token, end: int) -> bool:
        chunk = self._text[token.start - self._offset : self._tokens[end - 1].end - self._offset]
        return self.language.plain(chunk)

    def _read_plain(self, end: int) -> list[Spoken]:
        out = []
        for token in self._tokens[self._at : end]:
            rule = "keep" if token.kind == "letters" else "punctuation"
            out.append(self._give(STRAIGHT.get(token.text, token.text), token.start, token.end, rule))
        self._advance(end - self._at)
        return out

    def _read_by_rule(self, token: Token, chunk_end: int) -> list[Spoken] | None:
        """The reading chosen at `token`, or None while one of them may go on behind what is known."""
        seen: tuple[int, View, list[Reading]] | None = None
        while True:
            last = self._window_end(max(chunk_end, self._at + self._reach), chunk_end)
            if last is None:
                return None
            if seen and last == seen[0]:
                return [self._choose_reading(token, seen[1], seen[2])]
            view = self._view(token, chunk_end, last)
            readings = self.language.inventory.readings(view)
            end = max((r.end for r in readings), default=0) + self._offset
            self._reach = max(self._reach, self._count_tokens(end))
            seen = (last, view, readings)

    def _view(self, token: Token, chunk_end: int, last: int) -> View:
        window = self._tokens[self._at : last]
        base = self._offset
        return View(
            text=self._text,
            start=token.start - base,
            limit=window[-1].end - base,
            ends=frozenset(t.end - base for t in window),
            chunk_start=max(self._chunk_start, token.start - LEFT_CHARS) - base,
            chunk_end=self._tokens[chunk_end - 1].end - base,
            options=self.config.reading,
            fenced=self._fenced,
            offset=base,
        )

    def _choose_reading(self, token: Token, view: View, readings: Sequence[Reading]) -> Spoken:
        reading = self._checked(self._choose(view, readings), token) if readings else self._literal(token)
        if reading.rule == "fence" and view.at_line_start:
            self._fenced = not self._fenced
        elif self._fenced and self.config.reading.code == "skip":
            reading = reading._replace(spoken="")
        return self._take(reading, readings)

    def _checked(self, reading: Reading, token: Token) -> Reading:
        """`reading` moved to offsets in the whole text, or a literal reading of one token where it loses
        something.
        """
        reading = reading._replace(start=reading.start + self._offset, end=reading.end + self._offset)
        if (
            self.config.verify
            and reading.rule != "keep"
            and self.language.inventory.by_name[reading.rule].checked
        ):
            written = self._text[reading.start - self._offset : reading.end - self._offset]
            if self.language.problems(written, reading.spoken):
                return self._literal(token)
        return reading

    def _literal(self, token: Token) -> Reading:
        return Reading("literal", token.start, token.end, self.language.literal(token.text), 0.0)

    def _take(self, reading: Reading, readings: Sequence[Reading]) -> Spoken:
        self._advance(self._count_tokens(reading.end))
        spoken = self._give(reading.spoken, reading.start, reading.end, reading.rule)
        if self._explain:
            best_first = tuple(sorted(readings, key=lambda r: -r.score))
            spoken = spoken._replace(considered=best_first, odds=self._odds())
        return spoken

    def _count_tokens(self, end: int) -> int:
        """How many tokens from the current one on end at or before `end`."""
        count = 0
        while self._at + count < len(self._tokens) and self._tokens[self._at + count].end <= end:
            count += 1
        return count

    def _advance(self, count: int) -> None:
        for token in self._tokens[self._at : self._at + count]:
            if token.kind == "space":
                self._chunk_start = token.end
        self._at += count
        self._reach = 0
        self._scanned = max(0, self._scanned - count)

    def _give(self, text: str, start: int, end: int, rule: str) -> Spoken:
        """Add a space where two readings would run into one word."""
        if text and self._last.isalnum() and text[0].isalnum():
            text = " " + text
        if text:
            self._last = text[-1]
        return Spoken(text, start, end, rule)

    def _trim(self) -> None:
        """Forget text and tokens that no rule will look at again."""
        start = self._tokens[self._at].start if self._at < len(self._tokens) else self._tokens_end()
        if start - self._offset > _TRIM_CHARS:
            drop = start - LEFT_CHARS - 1 - self._offset
            self._text, self._offset = self._text[drop:], self._offset + drop
        if self._at > 1024:
            del self._tokens[: self._at]
            self._at = 0

    def _tokens_end(self) -> int:
        return self._tokens[-1].end if self._tokens else self._offset


def _is_blank(token: Token) -> bool:
    """Whether a token shows nothing: white space, or a mark of format such as the zero-width space."""
    return token.kind == "space" or unicodedata.category(token.text[0]) == "Cf"


class TextJoiner:
    """Joins what a normalizer gives out into clean text, piece by piece: no double spaces, none at a line's
    ends.
    """

    def __init__(self) -> None:
        self._space = ""
        self._line_empty = True

    def add(self, text: str) -> str:
        """The part of the clean text that is certain once `text` is added."""
        out: list[str] = []
        for char in text:
            if char == "\n":
                out.append(char)
                self._space, self._line_empty = "", True
            elif char.isspace():
                self._space = "" if self._line_empty else " "
            else:
                out.append(self._space + char)
                self._space, self._line_empty = "", False
        return "".join(out)


def spoken_text(pieces: Iterable[Spoken]) -> str:
    """The spoken text as one string: what was given out, joined, with single spaces."""
    joiner = TextJoiner()
    return "".join(joiner.add(piece.text) for piece in pieces)
