"""Fractions: with a bar, mixed, or as one character."""

import re

from tts_frontend.inventory import Match, RuleSet
from tts_frontend.languages.en import numbers as n
from tts_frontend.languages.en.lexicon import VULGAR

FRACTIONS = RuleSet("fraction")

MEASURED = re.compile(
    r"(?:th|rd|nd|TH|RD)?(?: of\b|[ -](?:an? )?(?:inch|mile|cup|teaspoon|tablespoon|ounce|pound|"
    r"pint|hour|degree|minute|acre|"
    r"yard|foot|feet|ton|dozen|full|share|increase|length|size|scale|century|dollar)s?\b)"
)


def fraction_words(whole: str, top: str, bottom: str) -> str | None:
    """With 3 and 4 "three quarters", with 2, 1 and 2 "two and a half"; None where it is not a fraction."""
    if (
        int(bottom) == 0
        or max(len(top), len(bottom)) > 9
        or any(len(x) > 1 and x[0] == "0" for x in (top, bottom, whole))
    ):
        return None
    if bottom == "1":
        words = f"{n.cardinal(top)} over one"
    elif bottom == "2":
        words = (
            "a half" if whole and top == "1" else f"{n.cardinal(top)} {'half' if top == '1' else 'halves'}"
        )
    else:
        name = "quarter" if bottom == "4" else n.ordinal(bottom)
        words = f"{n.cardinal(top)} {name if top == '1' else n.plural(name)}"
    return f"{n.cardinal(whole)} and {words}" if whole else words


def _fraction_score(m: Match) -> float:
    if m.follows(re.compile(r"[\w/-]$")):
        return 0.5
    if m["whole"] or m["suffix"] or m.precedes(MEASURED):
        return 5.5
    return 4.0 if len(m["top"]) < 4 or len(m["top"]) > 4 or " " in m.text else 0.8


@FRACTIONS.rule(
    r"(?:(?P<whole>\d+) )?(?P<top>\d+) ?/ ?(?P<bottom>\d+)(?P<suffix>th|rd|nd|ths|rds|TH|RD)?(?![\d/])",
    "0",
    _fraction_score,
    cases=[
        ("1/2", "one half"),
        ("3/4", "three quarters"),
        ("2 1/2", "two and a half"),
        ("22/3", "twenty two thirds"),
        ("1/4th", "one quarter"),
        ("5 1/4", "five and one quarter"),
    ],
)
def fraction(m: Match) -> str | None:
    """A fraction, mixed or not: "2 1/2" is "two and a half"."""
    return fraction_words(m["whole"], m["top"], m["bottom"])


@FRACTIONS.rule(
    r"(\d*)([" + "".join(VULGAR) + "])",
    "0" + "".join(VULGAR),
    6.0,
    cases=[("½", "one half"), ("3½", "three and a half"), ("¾", "three quarters")],
)
def fraction_character(m: Match) -> str | None:
    """A fraction written as one character: "3½" is "three and a half"."""
    top, bottom = VULGAR[m[2]]
    return fraction_words(m[1], str(top), str(bottom))


@FRACTIONS.rule(
    r"(\d+)/(\d+)(?![\d/])",
    "0",
    0.7,
    cases=[("3/8", "three over eight"), ("2010/2011", "two thousand ten over two thousand eleven")],
)
def over(m: Match) -> str | None:
    """A quotient: "3/8" is "three over eight"."""
    if any((len(x) > 1 and x[0] == "0") or len(x) > n.MAX_CARDINAL_DIGITS for x in (m[1], m[2])):
        return None
    return f"{n.cardinal(m[1])} over {n.cardinal(m[2])}"
