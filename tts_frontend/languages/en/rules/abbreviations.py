"""Shortened words: titles, streets, saints, months by themselves, numbers of things, states."""

import re

from tts_frontend.inventory import Match, RuleSet
from tts_frontend.languages.en.lexicon import (
    ABBREVIATIONS,
    BARE_ABBREVIATIONS,
    DIRECTIONS,
    MONTH_OF,
    NEEDS_CAPITAL,
    OLD_STATES,
    STATES,
    STREET_TYPES,
    TITLES,
    WEEKDAY_OF,
)

ABBREVIATED = RuleSet("abbreviation")
SHORTHAND = RuleSet("shorthand", checked=False)

NAME_OR_END = re.compile(r"\.? ?(?:[A-Z]|d['’]|de |von |van )|[\"”’)]*\s*$")
NUMBER_AFTER = re.compile(r"\.?,? ?[:#]? ?(?:\d|[VX][IVX]*\b|I[IVX]+\b)")
SENTENCE_GOES_ON = re.compile(r",?;? [a-z\d(&]|,|;|:|\)")
HOUSE_BEFORE = re.compile(
    r"\b\d+[A-Za-z]? (?:[NSEW]\.? |North |South |East |West )?(?:[A-Z][\w'’]*\.? |\d+(?:st|nd|rd|th) ){1,3}$"
)
NUMBERED_STREET = re.compile(r" \d+(?:st|nd|rd|th) (?:[Ss]t|Street|Ave|Avenue|Rd|Road)\b")
INITIAL_AFTER = re.compile(r" ?[A-Z]\.")
STREET_BEFORE = re.compile(r"(?:[A-Z][a-z'’]+|\d+(?:st|nd|rd|th)) $")
IN_CAPITALS_TOO = frozenset(
    ["mr", "mrs", "vol", "vs", "no", "jan", "feb", "aug", "sept", "oct", "nov", "dec"]
)
NUMBERED = frozenset(["vol", "vols", "ch", "chap", "sec", "fig", "figs", "eq", "ext", "pt", "op"])
ALSO_WORDS = frozenset(
    ["in", "is", "no", "al", "ed", "sun", "sat", "pl", "max", "min", "co", "est", "v", "temp", "sec", "sq",
    "rm", "pt", "ca", "ms", "misc", "cf", "ibid", "viz"]
)  # fmt: skip
SHORT_IN_A_SENTENCE = frozenset(["co", "est", "sq", "sec", "min"])
DATE_ALSO_WORDS = frozenset(["mar", "may", "jun", "sun", "sat", "wed"])


def _stop(m: Match) -> str:
    """The full stop of an abbreviation is also that of the sentence where the text, or a capital, follows."""
    return "." if m.text.endswith(".") and m.precedes(re.compile(r"[\"”’)]*\s*$")) else ""


def _attached(m: Match) -> bool:
    """Whether a digit stands right before: "4rd" is no road."""
    return m.before[-1:].isdigit()


def _abbreviation_score(m: Match) -> float:
    low, dotted = m.text.rstrip(".").lower(), m.text.endswith(".")
    if m.text.isupper() and len(low) > 1 and low not in IN_CAPITALS_TOO:
        return 0.2
    if low in ("no", "nos"):
        return 6.0 if m.precedes(NUMBER_AFTER) and (dotted or m.text[0] == "N") else 0.2
    if low == "mt" or (low == "pvt" and m.precedes(re.compile(r"\.? [Ll]td"))):
        return 5.0
    if low in NEEDS_CAPITAL:
        return 5.0 if m.precedes(NAME_OR_END) and (dotted or low in BARE_ABBREVIATIONS) else 0.3
    goes_on = dotted and m.precedes(SENTENCE_GOES_ON)
    if low in MONTH_OF or low in WEEKDAY_OF:
        return 3.5 if goes_on and low not in DATE_ALSO_WORDS else 0.3
    if low in NUMBERED:
        return 5.0 if m.precedes(NUMBER_AFTER) else 1.5
    if low in TITLES or low in BARE_ABBREVIATIONS:
        return 5.0
    if low in ALSO_WORDS:
        return 2.6 if goes_on and low in SHORT_IN_A_SENTENCE else 0.4
    return 3.0 if dotted else 0.2


@ABBREVIATED.rule(
    r"(?!(?:St|Dr)\b)[A-Za-z]{1,6}\b\.?",
    "a",
    _abbreviation_score,
    cases=[
        ("{Mr.} Smith", "mister"),
        ("{vol.} 3", "volume"),
        ("Ltd", "limited"),
        ("vs", "versus"),
        ("{Gen.} Lee", "general"),
        ("{approx.} ten", "approximately"),
    ],
)
def abbreviation(m: Match) -> str | None:
    """A shortened word with one reading: "vol." is "volume"."""
    spoken = None if _attached(m) else ABBREVIATIONS.get(m.text.rstrip(".").lower())
    return spoken + _stop(m) if spoken else None


def _saint_score(m: Match) -> float:
    if m.text == "st." and m.follows(STREET_BEFORE):
        return 1.0
    if m.precedes(re.compile(r" ?[A-Z][a-z'’]")):
        return (
            4.0
            if m.follows(HOUSE_BEFORE)
            or (
                m.follows(STREET_BEFORE)
                and m.text.endswith(".")
                and not m.precedes(re.compile(r" [A-Z]\w+['’]s|.* (?:[Ss]t|Ave|Rd)\b"))
            )
            else 6.0
        )
    return 1.0


@ABBREVIATED.rule(r"(?:St|st|Ste)\b\.?", "a", _saint_score, cases=[("St.", "saint")])
def saint(m: Match) -> str | None:
    """Before a name: "St. John" is "saint John"."""
    return None if _attached(m) else "saint"


def _street_score(m: Match) -> float:
    if m.follows(HOUSE_BEFORE):
        return 6.5 if not m.precedes(re.compile(r" [A-Z][a-z]+ (?:[Ss]t|Ave|Rd|Dr)\b")) else 3.0
    if m.follows(STREET_BEFORE) and not m.precedes(re.compile(r" ?[A-Z][a-z]+")):
        return 6.2
    return (6.2 if m.text == "st." else 1.2) if m.follows(STREET_BEFORE) else 0.3


@ABBREVIATED.rule(
    r"(?:" + "|".join(f"{s.capitalize()}|{s}" for s in STREET_TYPES) + r")\b\.?",
    "a",
    _street_score,
    cases=[("{St.} and", "street"), ("Ave", "avenue"), ("Oak {Dr.}", "drive."), ("Blvd", "boulevard")],
)
def street(m: Match) -> str | None:
    """Behind the name of a street: "Oak Dr." is "Oak drive"."""
    if _attached(m):
        return None
    return STREET_TYPES[m.text.rstrip(".").lower()] + (
        "." if m.text.endswith(".") and m.precedes(re.compile(r"\s+[A-Z]|\s*$")) else ""
    )


def _doctor_score(m: Match) -> float:
    if m.text == "DR" or not m.precedes(re.compile(r" ?[A-Z]")):
        return 1.1 if m.text.endswith(".") else 0.3
    return 6.4 if m.precedes(INITIAL_AFTER) else 5.0


@ABBREVIATED.rule(
    r"(?:Dr|dr|DR)\b\.?",
    "a",
    _doctor_score,
    cases=[("Dr.", "doctor")],
)
def doctor(m: Match) -> str:
    """Before a name: "Dr. Smith" is "doctor Smith"."""
    return "doctor"


@ABBREVIATED.rule(
    r"(?:" + "|".join(STATES) + r")\b(?!\.\w)",
    "a",
    lambda m: (
        4.5
        if m.follows(re.compile(r"[a-z], ?$")) and m.precedes(re.compile(r",? \d{5}\b|[.\"”)]*\s*$|, "))
        else 0.2
    ),
    cases=[("CA", "California"), ("NY", "New York")],
)
def state(m: Match) -> str:
    """The short form of a state behind a place: "Santa Clara, CA" is "Santa Clara, California"."""
    return STATES[m.text]


@ABBREVIATED.rule(
    r"(?:" + "|".join(OLD_STATES) + r")\.",
    "a",
    lambda m: 5.5 if m.follows(re.compile(r"[A-Za-z], $")) else 0.4,
    cases=[("{Va.} and", "Virginia"), ("Memphis, {Tenn.}, in", "Tennessee")],
)
def state_old(m: Match) -> str:
    """The older short form of a state: "Richmond, Va." is "Richmond, Virginia"."""
    return OLD_STATES[m.text.rstrip(".")] + _stop(m)


@ABBREVIATED.rule(
    r"(?:NE|NW|SE|SW|[NSEW])\b\.?",
    "a",
    lambda m: (
        9.0
        if m.follows(re.compile(r"\b\d+ $")) and m.precedes(NUMBERED_STREET)
        else 5.0
        if m.follows(re.compile(r"\b\d+ $"))
        and m.precedes(re.compile(r" (?:[A-Z][a-z]+|\d+(?:st|nd|rd|th)) ?\w*"))
        else 3.5
        if m.precedes(re.compile(r" [A-Z][a-z]+ (?:St|Ave|Avenue|Street|Rd|Road|Blvd|Dr)\b"))
        else 0.2
    ),
    cases=[("N.", "North"), ("SW", "Southwest")],
)
def direction(m: Match) -> str:
    """A direction in an address: "708 N 1st St" has "North"."""
    return DIRECTIONS[m.text.rstrip(".").lower()]


@ABBREVIATED.rule(
    r"(?:Mon|Tues?|Wed|Thurs?|Fri|Sat|Sun|Tu|Th)\b\.?",
    "a",
    lambda m: (
        4.0
        if m.precedes(re.compile(r" ?\(?\d|[,-] ?(?:\d|[A-Z][a-z]{2}\b)|[–-](?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"))
        or (m.follows(re.compile(r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\.?[–-]$")) and m.text != "Tu")
        else 0.2
    ),
    cases=[("Tues.", "Tuesday"), ("Fri", "Friday")],
)
def weekday(m: Match) -> str:
    """A shortened day of the week: "Fri" is "Friday"."""
    return WEEKDAY_OF[m.text.rstrip(".").lower()]


@ABBREVIATED.rule(
    r"NO\b\.?", "a", lambda m: 5.0 if m.precedes(re.compile(r" ?\d")) else 0.3, cases=[("NO", "number")]
)
def number_capitals(m: Match) -> str:
    """For example, "NO 14" is "number fourteen" before digits."""
    return "number"


@SHORTHAND.rule(
    r"(?:[Ww]/o|[Ww]/|[Bb]/c)(?![A-Za-z])",
    "a",
    5.0,
    cases=[("w/o", "without"), ("w/", "with"), ("b/c", "because")],
)
def with_without(m: Match) -> str:
    """Shorthand with a slash: "w/o" is "without"."""
    return {"w/o": "without", "w/": "with", "b/c": "because"}[m.text.lower()]


@ABBREVIATED.rule(
    r"&c\b\.?",
    "&",
    lambda m: 6.0 if m.follows(re.compile(r"(?:^|[\s,])$")) else 0.5,
    cases=[("{&c.} as", "et cetera")],
)
def and_so_on(m: Match) -> str:
    """The old "&c." is "et cetera"."""
    return "et cetera" + _stop(m)
