"""Web and mail addresses, paths, file names, hashtags, handles and versions: read piece by piece, signs by
name.
"""

import re

from tts_frontend.inventory import Match, RuleSet
from tts_frontend.languages.common.chunks import in_electronic
from tts_frontend.languages.en import numbers as n
from tts_frontend.languages.en.rules.letters import UNSAYABLE, spell

ELECTRONIC = RuleSet("electronic")

DOTTED_DATE = re.compile(r"[0-3]?\d\.[0-3]?\d\.(?:19|20)\d\d")


@ELECTRONIC.rule(
    r"\d+", "0", lambda m: 6.0 if in_electronic(m) else 0.0, cases=[("mail@a{123}.com", "one two three")]
)
def digits_in_address(m: Match) -> str | None:
    """Digits of an address one by one, short round numbers whole: "rtx-6000" has "six thousand"."""
    if not in_electronic(m):
        return None
    if len(m.text) == 4 and m.text.endswith("000") and m.text[0] != "0":
        return n.cardinal(m.text)
    return n.digits(m.text)


def _spell_score(m: Match) -> float:
    low = m.text.lower()
    if low in ("http", "https", "www", "html", "ftp", "url", "pdf", "cv", "rtx", "cuda", "dgx", "csv", "ssh"):
        return 6.5
    dotted = m.follows(re.compile(r"\.$"))
    if len(low) == 2 and (dotted or m.follows(re.compile(r"[/-]$"))):
        return 6.5
    return 6.5 if UNSAYABLE.search(low) and len(low) <= 5 and low not in ("src", "jpg", "dr") else 0.0


@ELECTRONIC.rule(r"[A-Za-z]+", "a", _spell_score, cases=[("{www}.test.com", "w w w")])
def letters_in_address(m: Match) -> str | None:
    """A part of an address letter by letter: "www" is "w w w"."""
    return spell(m.text) if in_electronic(m) else None


@ELECTRONIC.rule(r"(?i:jpe?g)\b", "a", lambda m: 7.0 if in_electronic(m) else 0.1, cases=[("jpg", "jpeg")])
def jpeg(m: Match) -> str:
    """The file ending "jpg" is "jpeg"."""
    return "jpeg"


@ELECTRONIC.rule(
    r"(?:[A-Z]?[a-z]+)(?:[A-Z][a-z]+)+",
    "a",
    lambda m: 1.4 if in_electronic(m) else 0.2,
    cases=[("getUserName", "get User Name"), ("JavaScript", "Java Script")],
)
def camel_case(m: Match) -> str:
    """Words joined by capitals: "getUserName" is "get User Name"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", m.text)


@ELECTRONIC.rule(
    r"\d+(?:\.\d+){2,}",
    "0",
    lambda m: 3.0 if DOTTED_DATE.fullmatch(m.text) else 6.5,
    cases=[("2.0.1", "two point zero point one"), ("10.15.7", "ten point fifteen point seven")],
)
def version(m: Match) -> str | None:
    """A version: "2.0.1" is "two point zero point one"."""
    parts = m.text.split(".")
    if any(len(p) > 4 for p in parts):
        return None
    return " point ".join(n.digits(p) if p[0] == "0" else n.cardinal(p) for p in parts)


@ELECTRONIC.rule(
    r"#(?=[A-Za-z])", "#", lambda m: 6.5 if in_electronic(m) else 1.0, cases=[("{#}mytext", "hash")]
)
def hashtag(m: Match) -> str:
    """The sign of a hashtag: "#mytext" is "hash mytext"."""
    return "hash"
