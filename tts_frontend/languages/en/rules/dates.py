"""Years, decades, days, months, numeric dates, quarters and eras."""

import re

from tts_frontend.inventory import Match, RuleSet
from tts_frontend.languages.en import numbers as n
from tts_frontend.languages.en.lexicon import BEFORE_YEAR, COUNTED, MONTH, MONTH_OF, MONTHS

DATES = RuleSet("date")

DAY = r"(?:0?[1-9]|[12]\d|3[01])"
SUFFIX = r"(?:st|nd|rd|th)?"
YEAR_CONTEXT_AFTER = re.compile(r"(?:[)\].,;:'’–-]| (?:and|to|or|was|when|by|–|-) | ?$|s\b)")
MEASURED = re.compile(r" ?[-–] ?\d+ ?(?:kg|km|lbs?|m|ft|mi|cm|mm|°|%)(?![A-Za-z])")
SURE_YEAR = re.compile(
    r"\b(?:January|February|March|April|May|June|July|August|September|October|November|December|"
    r"[Ii]n|[Ss]ince|[Dd]uring|[Ff]rom|[Uu]ntil|[Yy]ear),? $"
)
ERA = r"(A\.D\.?|B\.C\.E\.?|B\.C\.?|C\.E\.?|AD|BCE|BC|CE)(?![A-Za-z])"
EVENT_AFTER = re.compile(
    r" (?:meeting|deadline|show|game|report|appointment|election|attacks?|call|flight)\b"
)
UNUSUAL_FRACTIONS = frozenset({13, 14, 15, 17, 18, 19, 20, 21, 22, 23, 25, 26, 27, 28, 29, 30, 31})
DATE_BEFORE = re.compile(
    r"(?i:\b(?:on|by|due|dated?|until|till|since|from|before|after|beginning|starting|ending|of|for|"
    r"tomorrow|today|next|"
    r"mon|tues?|tu|th|wed|thu|fri|sat|sun|(?:mon|tues|wednes|thurs|fri|satur|sun)day),? ?\(?|~)$"
)


def month_name(text: str) -> str:
    """The whole name of a month written in any way."""
    return MONTH_OF[text.rstrip(".").lower()]


def day_month(day: str, month: str, m: Match, day_first: bool) -> str:
    """A day and a month in the order of the text or of the locale's style."""
    style = m.options.date_style
    first = day_first if style == "written" else style == "day_month"
    spoken = n.ordinal(str(int(day)))
    return f"the {spoken} of {month}" if first else f"{month} {spoken}"


def _year_score(m: Match) -> float:
    value = int(m.text)
    if (
        not 1000 <= value <= 2099
        or m.precedes(MEASURED)
        or (m.precedes(COUNTED) and not m.follows(SURE_YEAR))
    ):
        return 0.8
    score = 2.3 if value >= 1100 else 1.2
    if m.follows(BEFORE_YEAR):
        score += 1.0
    return score + (0.2 if m.precedes(YEAR_CONTEXT_AFTER) else 0.0)


@DATES.rule(
    r"[1-9]\d{3}",
    "0",
    _year_score,
    cases=[
        ("1984", "nineteen eighty four"),
        ("1905", "nineteen o five"),
        ("1900", "nineteen hundred"),
        ("2005", "two thousand five"),
        ("2013", "twenty thirteen"),
    ],
)
def year(m: Match) -> str:
    """A year: "1984" is "nineteen eighty four", "2005" is "two thousand five"."""
    return n.year(m.text, m.options.zero)


@DATES.rule(
    rf"([1-9]\d{{0,3}})(?: ?(?=[AB]\.|C\.E| ?[ABC])){ERA}",
    "0",
    6.0,
    cases=[("340 A.D", "three forty A D"), ("44 BC", "forty four B C"), ("1066 AD", "ten sixty six A D")],
)
def year_era(m: Match) -> str:
    """A year with its era: "340 A.D" is "three forty A D"."""
    words = n.year(m[1], m.options.zero) if len(m[1]) == 4 else n.pairs(m[1], m.options.zero)
    return f"{words} {' '.join(c for c in m[2] if c.isalpha())}"


def _decade(text: str, zero: str) -> str:
    if len(text) == 2:
        return n.plural(n.cardinal(text))
    if text[2:] == "00" and text[1] == "0":
        return n.plural(n.cardinal(text))
    if text[2:] == "00":
        return n.cardinal(text[:2]) + " hundreds"
    if text[1] == "0" and text[0] != "1":
        return n.plural(n.cardinal(text))
    return f"{n.cardinal(text[:2])} {n.plural(n.cardinal(text[2:]))}"


@DATES.rule(
    r"([1-9]\d{2}0|[1-9]0)(?:['’]?s)\b",
    "0",
    5.0,
    cases=[
        ("1990s", "nineteen nineties"),
        ("80s", "eighties"),
        ("2000s", "two thousands"),
        ("1900s", "nineteen hundreds"),
        ("1910s", "nineteen tens"),
    ],
)
def decade(m: Match) -> str:
    """A decade: "1990s" is "nineteen nineties"."""
    return _decade(m[1], m.options.zero)


@DATES.rule(r"['’‘]([1-9]0)(?:['’]?s)\b", "'’‘", 6.0, cases=[("'90s", "nineties"), ("’80's", "eighties")])
def decade_short(m: Match) -> str:
    """A decade without its century: "'90s" is "nineties"."""
    return _decade(m[1], m.options.zero)


@DATES.rule(r"['’‘](\d\d)(?![\d'’\w])", "'’‘", 4.0, cases=[("'89", "eighty nine"), ("'03", "o three")])
def year_short(m: Match) -> str | None:
    """A year without its century: "'89" is "eighty nine"."""
    if m.follows(re.compile(r"\w$")):
        return None
    return n.digits(m[1], m.options.zero) if m[1][0] == "0" else n.cardinal(m[1])


@DATES.rule(
    rf"({DAY}){SUFFIX}(?: of)?[ -]({MONTH})(?![\w])",
    "0",
    6.0,
    cases=[
        ("17 March", "the seventeenth of March"),
        ("25th jul", "the twenty fifth of July"),
        ("4 Sept.", "the fourth of September"),
        ("2nd of May", "the second of May"),
    ],
)
def day_of_month(m: Match) -> str | None:
    """A day before its month: "17 March" is "the seventeenth of March" (the words "the" and "of" are not
    doubled).
    """
    if m.follows(re.compile(r"[\d][.,/:]$")):
        return None
    spoken = day_month(m[1], month_name(m[2]), m, True)
    if m.follows(re.compile(r"\b[Tt]he $")) and spoken.startswith("the "):
        return spoken[4:]
    return spoken


@DATES.rule(
    rf"({MONTH})[ -]({DAY}){SUFFIX}(?:-([12]\d{{3}})\b)?(?![\d])(?!:\d)(?![.,]\d)(?! ?%)",
    "a",
    6.0,
    cases=[
        ("March 17", "March seventeenth"),
        ("Jan. 15", "January fifteenth"),
        ("July 4th", "July fourth"),
        ("SEPT. 15", "September fifteenth"),
    ],
)
def month_day(m: Match) -> str:
    """A day after its month: "March 17" is "March seventeenth"."""
    spoken = day_month(m[2], month_name(m[1]), m, False)
    return f"{spoken} {n.year(m[3], m.options.zero)}" if m[3] else spoken


@DATES.rule(
    rf"({MONTH})(?=,? ?(?:of )?['’]?\d|-\d|[/–-]{MONTH})",
    "a",
    5.0,
    cases=[("{Jan} 2015", "January"), ("{Dec.} 1999", "December")],
)
def month(m: Match) -> str | None:
    """A shortened month before a number: "Dec. 1999" is "December nineteen ninety nine"."""
    return month_name(m[1])


def _valid(month: str, day: str) -> bool:
    return 1 <= int(month) <= 12 and 1 <= int(day) <= 31


def _with_year(spoken: str, year_text: str, zero: str) -> str:
    if len(year_text) == 2:
        return f"{spoken} {n.digits(year_text, zero) if year_text[0] == '0' else n.cardinal(year_text)}"
    return f"{spoken} {n.year(year_text, zero)}"


@DATES.rule(
    r"([12]\d{3})([-/.])(0?[1-9]|1[0-2])\2(0?[1-9]|[12]\d|3[01])(?![\d/-])",
    "0",
    7.0,
    cases=[("2006-08-05", "August fifth two thousand six"), ("2016/07/03", "July third twenty sixteen")],
)
def date_iso(m: Match) -> str:
    """Year, month, day: "2006-08-05" is "August fifth two thousand six"."""
    spoken = day_month(m[4], MONTHS[int(m[3]) - 1], m, m.options.date_order == "dmy")
    return _with_year(spoken, m[1], m.options.zero)


def _numeric_score(m: Match, order: str) -> float:
    full = len(m[4]) == 4 or (len(m[1]) == 2 and len(m[3]) == 2)
    return (
        (6.5 if full else 4.5)
        + (0.3 if m.options.date_order == order else 0.0)
        + (0.2 if order == "dmy" and m[2] in ".-" else 0.0)
    )


@DATES.rule(
    r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?![\d/.-]*\d)",
    "0",
    lambda m: _numeric_score(m, "mdy"),
    cases=[
        ("05/02/2017", "May second twenty seventeen"),
        ("11/17/05", "November seventeenth o five"),
        ("02.15.2017", "February fifteenth twenty seventeen"),
    ],
)
def date_mdy(m: Match) -> str | None:
    """Month, day, year: "05/02/2017" is "May second twenty seventeen"."""
    if not _valid(m[1], m[3]):
        return None
    return _with_year(day_month(m[3], MONTHS[int(m[1]) - 1], m, False), m[4], m.options.zero)


@DATES.rule(
    r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?![\d/.-]*\d)",
    "0",
    lambda m: _numeric_score(m, "dmy"),
    cases=[
        ("15.01.2020", "the fifteenth of January twenty twenty"),
        ("31/12/99", "the thirty first of December ninety nine"),
    ],
)
def date_dmy(m: Match) -> str | None:
    """Day, month, year: "15.01.2020" is "the fifteenth of January twenty twenty"."""
    if not _valid(m[3], m[1]):
        return None
    return _with_year(day_month(m[1], MONTHS[int(m[3]) - 1], m, True), m[4], m.options.zero)


def _short_date_score(m: Match) -> float:
    if m.follows(DATE_BEFORE) or m.precedes(EVENT_AFTER):
        return 5.0
    if int(m[2]) in UNUSUAL_FRACTIONS and m.precedes(re.compile(r"[:)]")):
        return 4.2  # "9/20: news", "(2/22)"
    return 2.0 if len(m[2]) == 2 and int(m[2]) > 12 and len(m[1]) < 3 else 1.0


@DATES.rule(
    r"(\d{1,2})/(\d{1,2})(?![\w/])",
    "0",
    _short_date_score,
    cases=[("2/22", "February twenty second"), ("9/20", "September twentieth")],
)
def date_md(m: Match) -> str | None:
    """Month and day: "2/22" is "February twenty second"."""
    return day_month(m[2], MONTHS[int(m[1]) - 1], m, False) if _valid(m[1], m[2]) else None


@DATES.rule(
    r"(\d{1,2})/(\d{1,2})(?![\w/])",
    "0",
    lambda m: _short_date_score(m) + (0.5 if m.options.date_order == "dmy" else -0.5),
    cases=[("22/2", "the twenty second of February")],
)
def date_dm(m: Match) -> str | None:
    """Day and month: "22/2" is "the twenty second of February"."""
    return day_month(m[1], MONTHS[int(m[2]) - 1], m, True) if _valid(m[2], m[1]) else None


QUARTERS = {"1": "first", "2": "second", "3": "third", "4": "fourth"}


@DATES.rule(
    r"([1-4])(Q|H)(\d\d)\b",
    "0",
    6.0,
    cases=[("2Q22", "the second quarter of twenty two"), ("1H23", "the first half of twenty three")],
)
def quarter(m: Match) -> str | None:
    """A quarter or half of a year: "2Q22" is "the second quarter of twenty two"."""
    if m[2] == "H" and m[1] > "2":
        return None
    tail = n.digits(m[3], m.options.zero) if m[3][0] == "0" else n.cardinal(m[3])
    return f"the {QUARTERS[m[1]]} {'quarter' if m[2] == 'Q' else 'half'} of {tail}"


@DATES.rule(
    r"(\d{4})[-/–](\d\d)(?![\d-])",
    "0",
    lambda m: 4.0 if m[1][2:] < m[2] else 1.5,
    cases=[("1960-80", "nineteen sixty to eighty"), ("2004/05", "two thousand four o five")],
)
def year_range(m: Match) -> str | None:
    """A year and the last two digits of a later one: "1960-80" is "nineteen sixty to eighty"."""
    if not "1000" <= m[1] <= "2100":
        return None
    tail = n.digits(m[2], m.options.zero) if m[2][0] == "0" else n.cardinal(m[2])
    return f"{n.year(m[1], m.options.zero)} {'to ' if m.text[4] != '/' else ''}{tail}"
