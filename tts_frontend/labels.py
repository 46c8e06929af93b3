"""Training labels for the tagger: which rules turn a written text into its spoken form.

Dynamic programming over what the rules can produce: a state is a TN token and a place in the spoken text; a
step is a reading that starts at the token and whose words stand at the place. Of all sequences the cheapest
is taken, where a reading costs by how much the rules' own choice is preferred to it. What cannot
be solved is left out.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tts_frontend.config import ReadingOptions
from tts_frontend.inventory import LEFT_CHARS, Reading, View
from tts_frontend.languages import Language
from tts_frontend.text_tokens import Token, cut

STYLES = (
    ReadingOptions(),
    ReadingOptions(date_style="day_month", zero="zero"),
    ReadingOptions(date_style="month_day", zero="oh"),
)
"""Locale choices under which a rule's reading is tried: the label names the rule, not the style."""
WINDOW_TOKENS = 96
_STEP_COST = 0.01
_MAX_STATES = 64

Fold = Callable[[str], str]


@dataclass(frozen=True)
class Label:
    """A rule used from token `start` up to token `end` (exclusive)."""

    rule: str
    start: int
    end: int


@dataclass(frozen=True)
class Labelled:
    """A solved pair: TN tokens and the rules over them, which cover every token once."""

    tokens: tuple[Token, ...]
    labels: tuple[Label, ...]
    cost: float


@dataclass(frozen=True)
class Unsolved:
    """A pair no sequence of rules explains; `token` is the furthest token that could be reached."""

    token: Token | None
    kind: str


@lru_cache(maxsize=65536)
def fold(text: str) -> str:
    """Words of `text` without case and punctuation, "oh" as "o", "and" in numbers and British endings
    folded.
    """
    text = unicodedata.normalize("NFKC", text).lower().replace("'", "").replace("\u2019", "")
    words = "".join(c if c.isalnum() else " " for c in text).split()
    return " ".join(_fold_word(word) for i, word in enumerate(words) if not _is_filler(words, i))


_SCALES = frozenset(["hundred", "thousand", "million", "billion", "trillion"])
_TITLES = {"mr": "mister", "mrs": "missus", "misses": "missus", "dr": "doctor", "oh": "o"}
_BRITISH = (
    (re.compile(r"isation(s?)$"), r"ization\1"),
    (re.compile(r"is(e|es|ed|ing)$"), r"iz\1"),
    (re.compile(r"our(s|ed|ing|ite|able|al|)$"), r"or\1"),
    (re.compile(r"tre(s?)$"), r"ter\1"),
    (re.compile(r"ogue(s?)$"), r"og\1"),
    (re.compile(r"ll(ed|ing|er|ers)$"), r"l\1"),
    (re.compile(r"nce$"), "nse"),
)


def _is_filler(words: Sequence[str], index: int) -> bool:
    return words[index] == "and" and 0 < index < len(words) - 1 and words[index - 1] in _SCALES


@lru_cache(maxsize=65536)
def _fold_word(word: str) -> str:
    word = _TITLES.get(word, word)
    for pattern, new in _BRITISH:
        word = pattern.sub(new, word)
    return word


def fold_closed(text: str) -> str:
    """`fold` without spaces, so that spelled and unspelled letters are the same."""
    return fold(text).replace(" ", "")


def _views(text: str, tokens: Sequence[Token]) -> Iterable[View]:
    """One view per token, with the whole of a text of usual length in sight."""
    ends = [token.end for token in tokens]
    chunk_start = 0
    chunk_ends = _chunk_ends(tokens)
    for index, token in enumerate(tokens):
        if index and tokens[index - 1].kind == "space":
            chunk_start = token.start
        last = min(len(tokens), index + WINDOW_TOKENS)
        yield View(
            text=text,
            start=token.start,
            limit=ends[last - 1],
            ends=frozenset(ends[index:last]),
            chunk_start=max(chunk_start, token.start - LEFT_CHARS),
            chunk_end=chunk_ends[index],
            options=STYLES[0],
        )


def _chunk_ends(tokens: Sequence[Token]) -> list[int]:
    out = [0] * len(tokens)
    end = tokens[-1].end if tokens else 0
    for index in range(len(tokens) - 1, -1, -1):
        if tokens[index].kind == "space":
            end = tokens[index].start
            out[index] = tokens[index].end
        else:
            out[index] = end
    return out


def candidates(language: Language, view: View) -> list[tuple[Reading, tuple[str, ...]]]:
    """Readings at a place, each with what it says under every style and the language's variants of it."""
    by_rule: dict[tuple[str, int], tuple[Reading, list[str]]] = {}
    for options in STYLES:
        styled = View(**{**view.__dict__, "options": options})
        for reading in language.inventory.readings(styled):
            key = (reading.rule, reading.end)
            _, said = by_rule.setdefault(key, (reading, []))
            said += [
                s for s in (reading.spoken, *language.variants(reading.rule, reading.spoken)) if s not in said
            ]
    return [(reading, tuple(said)) for reading, said in by_rule.values()]


def infer(written: str, spoken: str, language: Language) -> Labelled | Unsolved:
    """The rules that read `written` as `spoken`, or where that failed.

    Words are compared one by one first, then without spaces (letters spelled or not).
    """
    tokens = tuple(cut(written))
    steps = [candidates(language, view) for view in _views(written, tokens)]
    found = _solve(tokens, steps, fold(spoken), fold)
    if isinstance(found, Unsolved):
        closed = _solve(tokens, steps, fold_closed(spoken), fold_closed)
        found = closed if isinstance(closed, Labelled) else found
    return found


Steps = Sequence[Sequence[tuple[Reading, tuple[str, ...]]]]


def _solve(tokens: tuple[Token, ...], steps: Steps, target: str, folded: Fold) -> Labelled | Unsolved:
    """Shortest path from (first token, 0) to (behind the last token, behind the last word)."""
    index_of = {token.start: i for i, token in enumerate(tokens)} | {
        tokens[-1].end if tokens else 0: len(tokens)
    }
    best: list[dict[int, tuple[float, int, int, str]]] = [{} for _ in range(len(tokens) + 1)]
    best[0][0] = (0.0, -1, -1, "")
    furthest = 0
    for index, step in enumerate(steps):
        if not best[index] or not step:
            continue
        furthest = index
        top = max(reading.score for reading, _ in step)
        states = sorted(best[index].items(), key=lambda item: item[1][0])[:_MAX_STATES]
        for reading, said in step:
            end = index_of[reading.end]
            for text in {folded(s) for s in said}:
                for place, (cost, *_) in states:
                    arrived = _advance(target, place, text)
                    if arrived is None:
                        continue
                    total = cost + top - reading.score + _STEP_COST
                    if arrived not in best[end] or total < best[end][arrived][0]:
                        best[end][arrived] = (total, index, place, reading.rule)
    goal = [place for place in best[-1] if not target[place:].strip()]
    if not goal:
        kind = _kind(steps[furthest]) if furthest < len(steps) else "end"
        return Unsolved(tokens[furthest] if tokens else None, kind)
    place = min(goal, key=lambda p: best[-1][p][0])
    return Labelled(tokens, tuple(_trace(best, place)), best[-1][place][0])


def _advance(target: str, place: int, text: str) -> int | None:
    """Place behind `text` in `target` from `place`, over one space if there is one; None when it does not
    stand there.
    """
    if not text:
        return place
    if place < len(target) and target[place] == " ":
        place += 1
    return place + len(text) if target.startswith(text, place) else None


def _trace(best: Sequence[dict[int, tuple[float, int, int, str]]], place: int) -> list[Label]:
    out: list[Label] = []
    index = len(best) - 1
    while index > 0:
        _, before, before_place, rule = best[index][place]
        out.append(Label(rule, before, index))
        index, place = before, before_place
    return out[::-1]


def _kind(step: Sequence[tuple[Reading, tuple[str, ...]]]) -> str:
    return max(step, key=lambda item: item[0].score)[0].rule if step else "none"
