"""Letters said one by one, acronyms, initials, and words as they stand."""

import re
import unicodedata

from tts_frontend.inventory import Match, RuleSet
from tts_frontend.languages.en.lexicon import ACRONYM_WORDS, GREEK, LETTER_WORDS
from tts_frontend.text_tokens import NO_LETTER

LETTERS = RuleSet("letters")

CAPS_NEAR = re.compile(r"(?:^|[\s\"“(])[A-Z]{4,}[\s,.:;!?\"”)-]*$")
CAPS_AFTER = re.compile(r"[\s,.:;!?\"”)-]*[A-Z]{4,}\b")
SHORT_WORDS = frozenset(
    [
        "A",
        "I",
        "AN",
        "AND",
        "ARE",
        "AS",
        "AT",
        "BE",
        "BUT",
        "BY",
        "CAN",
        "DID",
        "DO",
        "FOR",
        "FROM",
        "GO",
        "HAD",
        "HAS",
        "HE",
        "HER",
        "HIM",
        "HIS",
        "HOW",
        "IF",
        "IN",
        "INTO",
        "IS",
        "IT",
        "ITS",
        "LET",
        "MAN",
        "MAY",
        "ME",
        "MEN",
        "MORE",
        "MY",
        "NEW",
        "NO",
        "NOT",
        "NOW",
        "OF",
        "OFF",
        "OLD",
        "ON",
        "ONE",
        "OR",
        "OUR",
        "OUT",
        "OWN",
        "SAY",
        "SEE",
        "SHE",
        "SO",
        "THE",
        "TO",
        "TOO",
        "TWO",
        "UP",
        "WAS",
        "WAY",
        "WE",
        "WHO",
        "WHY",
        "YES",
        "YET",
        "YOU",
        "BOY",
        "GIRL",
        "DAY",
        "END",
        "FUN",
        "BIG",
        "BAD",
    ]
)
UNSAYABLE = re.compile(r"[^AEIOUY]{4,}|^[^AEIOUY]+$|^[BCDFGJKMNPQTVXZ][BCDFGJKMNPQTVXZ]", re.IGNORECASE)


def spell(text: str) -> str:
    """Letters one by one; marks on letters stay with them."""
    out: list[str] = []
    for char in text:
        if unicodedata.combining(char) and out:
            out[-1] += char
        elif char.isalpha():
            out.append(char)
    return " ".join(out)


def _letters_score(m: Match) -> float:
    text = m.text
    if text in ACRONYM_WORDS or text in ("ST", "DR", "SR", "JR"):
        return 0.5  # the last ones are also titles: how to say them is left to the pronunciation
    if text.lower() in LETTER_WORDS and text.isupper():
        return 4.0
    if len(text) == 1:
        return 0.5
    if m.before.endswith("&") or m.after.startswith("&"):
        return 4.0
    shouted = m.follows(CAPS_NEAR) or m.precedes(CAPS_AFTER)
    if shouted or text in SHORT_WORDS:
        return 3.0 if UNSAYABLE.search(text) and len(text) < 6 else 0.6
    if len(text) <= 3:
        return 3.0
    return 3.0 if UNSAYABLE.search(text) and len(text) < 7 else 0.9


@LETTERS.rule(r"[A-Z]{1,12}(?![a-z])", "a", _letters_score, cases=[("UK", "U K"), ("FBI", "F B I")])
def letters(m: Match) -> str:
    """Capitals one by one: "UK" is "U K"."""
    return spell(m.text)


@LETTERS.rule(r"[A-Z]{2,6}s\b", "a", 4.0, cases=[("TVs", "T V's"), ("CDs", "C D's")])
def letters_plural(m: Match) -> str:
    """Several of an acronym: "TVs" is "T V's"."""
    return spell(m.text[:-1]) + "'s"


@LETTERS.rule(
    r"(?:[A-Za-z]\.){2,}(?:[A-Za-z](?![A-Za-z]))?|[A-Z]\.(?: [A-Z]\.)+",
    "a",
    4.5,
    cases=[("{U.S.} Army", "U S"), ("F.B.I.", "F B I."), ("{C. S.} Lewis", "C S"), ("{e.g.} this", "e g")],
)
def letters_dotted(m: Match) -> str:
    """Letters with full stops: "U.S." is "U S"; the last stop stays where the text ends."""
    return spell(m.text) + ("." if m.text.endswith(".") and m.precedes(re.compile(r"\s*$")) else "")


@LETTERS.rule(r"[A-Z]\.(?= ?[A-Z][a-z'’])", "a", 3.0, cases=[("{J.} Smith", "J")])
def initial(m: Match) -> str:
    """The initial of a name, without the pause of a full stop: "J. Smith"."""
    return m.text[0]


def _spell_score(m: Match) -> float:
    low = m.text.lower()
    if low in LETTER_WORDS:
        return (
            3.0
            if m.text in ("tv", "dvd", "html", "http", "https", "www", "url", "pdf", "mp3", "usa", "ceo")
            else 0.9
        )
    if m.text in ("PhD", "BSc", "MSc", "pH", "DoD", "GmbH", "DNAs", "PhDs", "LLB", "MPhil", "IPv", "iOS"):
        return 4.0 if m.text != "iOS" else 0.5
    return 0.3 if UNSAYABLE.search(low) and not m.text.isupper() else 0.05


@LETTERS.rule(
    rf"[^{NO_LETTER}]{{1,16}}(?![^{NO_LETTER}])",
    "a",
    _spell_score,
    cases=[("PhD", "P h D"), ("html", "h t m l")],
)
def spelled(m: Match) -> str:
    """Any word letter by letter: "html" is "h t m l"."""
    return spell(m.text)


def _keep_score(m: Match) -> float:
    return 1.0


@LETTERS.rule(
    rf"[^{NO_LETTER}]+(?:[^{NO_LETTER}]|[\u0300-\u036f])*",
    "a",
    _keep_score,
    cases=[("word", "word"), ("Élan", "Élan")],
)
def keep(m: Match) -> str:
    """A word as it stands."""
    return m.text


@LETTERS.rule(r"[" + "".join(GREEK) + r"](?![^\W\d_])", "a", 2.0, cases=[("α", "alpha"), ("Ω", "omega")])
def greek(m: Match) -> str:
    """A Greek letter by its name: "α" is "alpha"."""
    return GREEK[m.text]


@LETTERS.rule(r"['’]s\b", "'’", 0.5, cases=[("Tom{'s}", "'s")])
def possessive(m: Match) -> str:
    """The ending of a possessive, which belongs to what was said before."""
    return "'s"
