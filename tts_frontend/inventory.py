"""Reading rules and what they see: a rule is a pattern at a token, a reading of what it matches, and a score.

A rule looks at one stretch of text that starts at a token and ends at the end of a token, and at a bounded
stretch before and behind it. It returns what is said for the stretch, or None where it has no reading; so
whatever picks a rule, only readings that the written form allows can come out. The score says how well the
rule fits the place without any model: 0 is possible, each step up is a clear preference. Rules may join
tokens by matching several.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tts_frontend.config import ReadingOptions
from tts_frontend.text_tokens import kind_of

CONTINUED = "digit_string"
"""The rule for the rest of a run of digits that was cut because of its length."""

LEFT_CHARS = 160
"""How far before its place a rule may look."""


class Reading(NamedTuple):
    """One way to say a stretch of text. `end` is exclusive; `spoken` is empty when nothing is said."""

    rule: str
    start: int
    end: int
    spoken: str
    score: float


@dataclass(frozen=True)
class View:
    """The text around a place: `text[start:limit]` may be matched, and LEFT_CHARS before `start` looked at.

    ends: offsets in `text` where a token ends; chunk_start and chunk_end: the unspaced run of text around
    `start`; fenced: whether the place lies in a Markdown code block; offset: position of text[0] in the
    whole text.
    """

    text: str
    start: int
    limit: int
    ends: frozenset[int]
    chunk_start: int
    chunk_end: int
    options: ReadingOptions
    fenced: bool = False
    offset: int = 0

    @property
    def before(self) -> str:
        """The text left of the place, at most LEFT_CHARS."""
        return self.text[max(0, self.start - LEFT_CHARS) : self.start]

    @property
    def chunk(self) -> str:
        """The unspaced run of text around the place."""
        return self.text[self.chunk_start : self.chunk_end]

    @property
    def at_line_start(self) -> bool:
        """Whether only white space lies between the place and the start of its line."""
        before = self.before.rstrip(" \t")
        return before.endswith("\n") or (not before and self.offset == 0)


class Match:
    """A rule's pattern matched at a place: groups, and what stands before and behind."""

    __slots__ = ("_m", "view")

    def __init__(self, m: re.Match[str], view: View) -> None:
        self._m = m
        self.view = view

    def __getitem__(self, group: int | str) -> str:
        return self._m[group] or ""

    def __len__(self) -> int:
        return self._m.end() - self._m.start()

    @property
    def text(self) -> str:
        """What the pattern matched."""
        return self._m[0]

    @property
    def options(self) -> ReadingOptions:
        """Locale choices."""
        return self.view.options

    @property
    def before(self) -> str:
        """What stands before the match, at most LEFT_CHARS."""
        return self.view.before

    @property
    def after(self) -> str:
        """What stands behind the match, as far as the lookahead shows it."""
        return self.view.text[self._m.end() : self.view.limit]

    def follows(self, pattern: re.Pattern[str]) -> bool:
        """Whether `pattern`, which should end in $, is found right before the match."""
        return pattern.search(self.before) is not None

    def precedes(self, pattern: re.Pattern[str]) -> bool:
        """Whether `pattern` matches right behind the match."""
        return pattern.match(self.view.text, self._m.end(), self.view.limit) is not None


Say = Callable[[Match], str | None]
Score = Callable[[Match], float]


@dataclass(frozen=True)
class Rule:
    """One reading rule: `say` gives the words, `score` how well they fit here, `cases` are (written, spoken)
    pairs.

    starts: which tokens it may start at: "0" digits, "a" letters, " " white space, "." any other character,
    and any other character for itself; checked: whether the reading is parsed back and compared (marks of
    layout are not).
    """

    name: str
    kind: str
    starts: str
    pattern: re.Pattern[str]
    say: Say
    score: Score
    cases: tuple[tuple[str, str], ...]
    checked: bool = True

    def read(self, view: View) -> Reading | None:
        """The reading of this rule at the place of `view`, or None."""
        m = self.pattern.match(view.text, view.start, view.limit)
        if m is None or m.end() == m.start() or m.end() not in view.ends:
            return None
        match = Match(m, view)
        spoken = self.say(match)
        if spoken is None:
            return None
        return Reading(self.name, m.start(), m.end(), spoken, self.score(match))


@dataclass
class RuleSet:
    """Collects the rules of one file; `rule` is the decorator that adds one."""

    kind: str
    checked: bool = True
    rules: list[Rule] = field(default_factory=list)

    def rule(
        self,
        pattern: str,
        starts: str,
        score: float | Score = 1.0,
        cases: Sequence[tuple[str, str]] = (),
        flags: int = 0,
    ) -> Callable[[Say], Say]:
        """Add the decorated function as a rule named after it."""
        score_of: Score = score if callable(score) else _constant(score)

        def add(say: Say) -> Say:
            name = say.__name__.rstrip("_")
            compiled = re.compile(pattern, flags)
            self.rules.append(
                Rule(name, self.kind, starts, compiled, say, score_of, tuple(cases), self.checked)
            )
            return say

        return add


def _constant(value: float) -> Score:
    return lambda _: value


class Inventory:
    """All rules of a language, found quickly by the character that a token starts with."""

    def __init__(self, rule_sets: Iterable[RuleSet]) -> None:
        self.rules: tuple[Rule, ...] = tuple(rule for rules in rule_sets for rule in rules.rules)
        self.by_name: dict[str, Rule] = {rule.name: rule for rule in self.rules}
        self.index: dict[str, int] = {rule.name: i for i, rule in enumerate(self.rules)}
        if len(self.by_name) != len(self.rules):
            raise ValueError("two reading rules have the same name")
        self._by_start: dict[str, tuple[Rule, ...]] = {}

    def starting_with(self, char: str) -> tuple[Rule, ...]:
        """Rules that may start at a token whose first character is `char`."""
        found = self._by_start.get(char)
        if found is None:
            key = {"digits": "0", "letters": "a", "space": " "}.get(kind_of(char), ".")
            found = tuple(r for r in self.rules if key in r.starts or (key == "." and char in r.starts))
            if len(self._by_start) < 4096:
                self._by_start[char] = found
        return found

    def readings(self, view: View) -> list[Reading]:
        """Every reading that starts at the place of `view`, in the order of the inventory."""
        rules = self.starting_with(view.text[view.start])
        if view.start and view.text[view.start].isdecimal() and view.text[view.start - 1].isdecimal():
            rules = tuple(
                rule for rule in rules if rule.name == CONTINUED
            )  # the rest of a run of digits too long for one token
        return [reading for rule in rules if (reading := rule.read(view)) is not None]


def best_reading(readings: Sequence[Reading]) -> Reading:
    """The reading with the highest score; of equal ones the longest, then the first."""
    return max(readings, key=lambda reading: (reading.score, reading.end))
