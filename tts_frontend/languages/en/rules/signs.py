"""Single characters between numbers and words: dashes, plus and minus, equals, slashes, number signs, emoji,
rest.
"""

import re
import unicodedata

from tts_frontend.inventory import Match, RuleSet
from tts_frontend.languages.common.basic import WIDE
from tts_frontend.languages.common.chunks import in_electronic
from tts_frontend.languages.en.lexicon import POWERS, SYMBOLS

SIGNS = RuleSet("sign")

DASHES = "-–—−‑"
NUMBER_BEFORE = re.compile(
    r"(?:['’]\d\d|\d[%°]?|\d(?:st|nd|rd|th)|\d ?(?:[AaPp]\.?[Mm]\.?|[a-z]{1,3})|\d['’]?s|"
    r"[$£€]\d[\d.,]*[kmbMB]?|\b(?:I|II|III|IV|VI|VII|VIII|IX)) ?$"
)
NUMBER_AFTER = re.compile(r" ?(?:[$£€]?\.?\d|['’]\d|[IVXLC]+\b)")
MATH_NEAR = re.compile(
    r"(?i:\b(?:solve|equation|equals?|calculate|compute|sum|minus|what is|what's|math)\b|=)"
)
YEAR_END, YEAR_START = re.compile(r"\b(?:1[5-9]|20)\d\d$"), re.compile(r"(?:1[5-9]|20)\d\d(?![\d/])")
CLAUSE = re.compile(r"[,;?!]|\. ")


def _between_numbers(m: Match) -> bool:
    return m.follows(NUMBER_BEFORE) and m.precedes(NUMBER_AFTER)


def _is_math(m: Match) -> bool:
    return bool(MATH_NEAR.search(CLAUSE.split(m.before[-40:])[-1]) or re.match(r"[ \d.+*/x-]*=", m.after))


def _to_score(m: Match) -> float:
    if not (m.follows(re.compile(r"\d ?$")) and m.precedes(re.compile(r" ?[$£€]?\.?\d"))):
        if _between_numbers(m) and not m.follows(re.compile(r"[A-Za-z]-?$")):
            return 4.0
        if m.follows(
            re.compile(
                r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\w*\.?$"
            )
        ) and m.precedes(re.compile(r"[A-Z][a-z]{2}")):
            return 4.0
        return (
            2.5
            if _between_numbers(m)
            and m.follows(
                re.compile(
                    r"\d ?(?:[ap]\.?m\.?|th|st|nd|rd|s|km|kg|m|cm|mm|mi|ft|lbs?|oz|h|hrs?|min|k|[Mb])$"
                )
            )
            else 0.0
        )
    if _is_math(m):
        return 1.0
    return 4.0 if m.follows(re.compile(r"(?<![A-Za-z\d.-])[$£€]?[\d.,]+ ?$")) else 1.0


@SIGNS.rule(r"--?|[–—‑−]", DASHES, _to_score, cases=[("10{-}15", "to"), ("10 {–} 15", "to")])
def to(m: Match) -> str | None:
    """A dash between numbers or days: "10-15" is "ten to fifteen"."""
    return (
        "to" if m.follows(re.compile(r"[\w.%°'’)] ?$")) and m.precedes(re.compile(r" ?[\w$£€.'’(]")) else None
    )


@SIGNS.rule(
    r":",
    ":",
    lambda m: 1.5 if m.follows(re.compile(r"\d ?$")) and m.precedes(re.compile(r" ?\d")) else 0.0,
    cases=[("3{:}1", "to")],
)
def ratio_to(m: Match) -> str | None:
    """A colon between numbers: "3:1" is "three to one"."""
    return "to" if m.follows(re.compile(r"\d ?$")) and m.precedes(re.compile(r" ?\d")) else None


@SIGNS.rule(
    rf"[{DASHES}](?=[ ]?[$£€]?\.?[\d\w(])",
    DASHES,
    lambda m: (
        5.0
        if m.text in "-−–"
        and m.precedes(re.compile(r"[$£€]?\.?\d"))
        and m.follows(re.compile(r"(?:^|[\s(\[=?*/+,<>]|\bis )$"))
        and not m.follows(re.compile(r"[\d)%] $"))
        else 4.5
        if m.text == "−" or (_is_math(m) and m.follows(re.compile(r"[\w)] ?$")))
        else 0.0
    ),
    cases=[("{-}5", "minus"), ("{−}3", "minus")],
)
def minus(m: Match) -> str | None:
    """A sign or a subtraction: "-5" is "minus five"."""
    return "minus"


@SIGNS.rule(r"\+", "+", 3.0, cases=[("+", "plus")])
def plus(m: Match) -> str:
    """An addition or a sign: "1+1" is "one plus one"."""
    return "plus"


@SIGNS.rule(
    r"[*×⋅]",
    "*×⋅",
    lambda m: (
        4.0
        if m.follows(re.compile(r"[\w)] ?$"))
        and m.precedes(re.compile(r" ?[\w(]"))
        and not m.precedes(re.compile(r"[a-z]{2}"))
        and bool(re.search(r"\d", m.before[-3:] + m.after[:3]))
        else 0.5
    ),
    cases=[("×", "times")],
)
def times(m: Match) -> str:
    """A multiplication: "2*8" is "two times eight"."""
    return "times"


@SIGNS.rule(
    r"/",
    "/",
    lambda m: (
        3.0
        if _is_math(m) and m.follows(re.compile(r"[\d)] ?$")) and m.precedes(re.compile(r" ?[\d(]"))
        else 0.2
    ),
    cases=[("/", "divided by")],
)
def divided_by(m: Match) -> str:
    """A division in a formula: "8 / 2 =" is "eight divided by two equals"."""
    return "divided by"


@SIGNS.rule(r"\^(?=-?[\w({])", "^", 4.0, cases=[("x{^}2", "to the power of")])
def power(m: Match) -> str:
    """A power: "x^2" is "x to the power of two"."""
    return "to the power of"


@SIGNS.rule(
    "[" + "".join(POWERS) + "]",
    "".join(POWERS),
    lambda m: 4.0 if m.follows(re.compile(r"[\w)]$")) else 1.0,
    cases=[("²", "squared"), ("³", "cubed")],
)
def raised(m: Match) -> str:
    """A raised digit: "x²" is "x squared"."""
    return POWERS[m.text]


@SIGNS.rule(
    r"#",
    "#",
    lambda m: (
        5.0
        if m.precedes(re.compile(r" ?\d")) and not m.follows(re.compile(r"\w$"))
        else 1.5
        if m.follows(re.compile(r"[a-zA-Z] $")) and m.precedes(re.compile(r"[.,)\s]|$"))
        else 0.4
    ),
    cases=[("{#}5", "number")],
)
def number_sign(m: Match) -> str:
    """Before digits: "#5" is "number five"."""
    return "number"


@SIGNS.rule(r"~(?= ?[$£€]?\d)", "~", 4.0, cases=[("{~}5", "about")])
def about(m: Match) -> str:
    """A tilde before a number: "~5" is "about five"."""
    return "about"


@SIGNS.rule(r"/", "/", lambda m: 1.5 if not in_electronic(m) else 0.0, cases=[("and{/}or", "")])
def slash_silent(m: Match) -> str | None:
    """Between words: "and/or" is "and or"."""
    return (
        ""
        if (m.follows(YEAR_END) and m.precedes(YEAR_START))
        or m.follows(re.compile(r"[^\W\d_][\"'’”.):]* ?$"))
        or m.precedes(re.compile(r" ?[\"'“‘(-]*[^\W\d_]"))
        else None
    )


def _name_score(m: Match) -> float:
    if in_electronic(m):
        return 6.0
    if m.view.fenced and m.text not in ".,:;-'\"()":
        return 5.0
    if m.text in "%&=©®™§°±÷≈≠≤≥∞√№→←":
        return 4.0
    return 1.0 if m.text not in ".,;:!?'\"()[]{}|*_`~-–—" else 0.3


@SIGNS.rule(
    r"[^\w\s]|_",
    "." + "".join(SYMBOLS),
    _name_score,
    cases=[
        ("%", "percent"),
        ("&", "and"),
        ("@", "at"),
        ("=", "equals"),
        ("$", "dollar"),
        ("©", "copyright"),
        ("☃", "snowman"),
    ],
)
def symbol(m: Match) -> str | None:
    """Any sign by its name: "&" is "and", "@" is "at"."""
    name = SYMBOLS.get(m.text) or unicodedata.name(m.text, "").lower().replace("-", " ")
    if not name or m.text in WIDE or unicodedata.category(m.text)[0] in "MC":
        return None
    return re.sub(r"[^a-z ]", "", name) or None


@SIGNS.rule(r"[^\w\s]+", ".", lambda m: 3.0, cases=[("😀", "grinning face"), ("👍🏽", "thumbs up sign")])
def emoji(m: Match) -> str | None:
    """An emoji by its name, its modifiers left out: "👍🏽" is "thumbs up sign"."""
    chars = [c for c in m.text if unicodedata.category(c) == "So"]
    if not chars or len(chars) != sum(
        unicodedata.category(c)[0] not in "MC"
        and c not in "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
        for c in m.text
    ):
        return None
    if m.options.emoji == "skip":
        return ""
    flag = "".join(chr(ord(c) - 0x1F1E6 + 65) for c in chars if 0x1F1E6 <= ord(c) <= 0x1F1FF)
    if flag:
        return "flag " + " ".join(flag)
    names = [unicodedata.name(c, "symbol").lower().replace("-", " ") for c in chars]
    return re.sub(r"[^a-z ]", "", " ".join(names))


@SIGNS.rule(
    r"\.",
    ".",
    lambda m: 1.2 if m.follows(re.compile(r"\d$")) and m.precedes(re.compile(r"\d")) else 0.0,
    cases=[("5{.}5.", "point")],
)
def point(m: Match) -> str | None:
    """A full stop before digits, where no rule joins them: "point"."""
    return "point" if m.precedes(re.compile(r" ?\d")) else None


@SIGNS.rule(r"[\s\S]", ".", 0.01, cases=[("\ufffe", "")])
def unsayable(m: Match) -> str:
    """A character that has no name, as a control or private one: nothing is said."""
    return ""
