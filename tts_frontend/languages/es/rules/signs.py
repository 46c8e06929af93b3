"""Spanish signs: dashes, arithmetic, names of the rest."""

import re
import unicodedata

from tts_frontend.inventory import Match, RuleSet
from tts_frontend.languages.common.chunks import in_electronic
from tts_frontend.languages.es.lexicon import SYMBOLS

SIGNS = RuleSet("sign")

DIGIT_BEFORE = re.compile(r"\d ?$")
MEASURED = re.compile(
    r" ?\d+(?:,\d+)? ?(?:%|°|(?:km|m|cm|mm|kg|g|años|días|horas|meses|semanas|minutos|veces)\b)"
)
DIGIT_AFTER = re.compile(r" ?\d")


@SIGNS.rule(
    r"[-–—]",
    "-–—",
    lambda m: 3.0 if m.follows(DIGIT_BEFORE) and m.precedes(MEASURED) else 0.9,
    cases=[("10{-}15", "a"), ("10{-}15 km", "a")],
)
def to(m: Match) -> str | None:
    """A dash between numbers: "10-15" is "diez a quince"."""
    return "a" if m.follows(DIGIT_BEFORE) and m.precedes(DIGIT_AFTER) else None


@SIGNS.rule(
    r"[-−]",
    "-−",
    lambda m: 5.0 if m.follows(re.compile(r"(?:^|[\s(=])$")) and not m.follows(re.compile(r"\d $")) else 0.3,
    cases=[("{-}5", "menos")],
)
def minus(m: Match) -> str | None:
    """The sign of a number: "-5" is "menos cinco"."""
    return "menos" if m.precedes(DIGIT_AFTER) else None


@SIGNS.rule(r"/", "/", lambda m: 0.0 if in_electronic(m) else 1.5, cases=[("y{/}o", "")])
def slash_silent(m: Match) -> str | None:
    """Between words: "y/o" is "y o"."""
    return "" if m.follows(re.compile(r"[^\W\d_]$")) or m.precedes(re.compile(r"[^\W\d_]")) else None


@SIGNS.rule(
    r"[^\w\s]|_",
    "." + "".join(SYMBOLS),
    lambda m: (
        6.0
        if in_electronic(m)
        else 4.0
        if m.text in "%&=+©®™±×÷→"
        else 1.0
        if m.text not in ".,:;-–—*_`~|{}"
        else 0.3
    ),
    cases=[("%", "por ciento"), ("&", "y"), ("@", "arroba"), ("→", "implica")],
)
def symbol(m: Match) -> str | None:
    """Any sign by its name: "&" is "y", "@" is "arroba"."""
    if unicodedata.category(m.text)[0] in "MC":
        return None
    return SYMBOLS.get(m.text)


@SIGNS.rule(r"[\s\S]", ".", 0.01, cases=[("\ufffe", "")])
def unsayable(m: Match) -> str:
    """A character without a Spanish name, as an emoji or a control: nothing is said."""
    return ""
