"""Numbers by themselves: cardinals, ordinals, digit strings, pairs, decimals, magnitudes."""

import re

from tts_frontend.inventory import Match, RuleSet
from tts_frontend.languages.en import numbers as n
from tts_frontend.languages.en.units import MAGNITUDES

NUMBERS = RuleSet("number")

GROUPED = r"\d{1,3}(?:,\d{3})+(?!\d)"
PLAIN = r"\d+"
AMOUNT = rf"(?:{GROUPED}|\d+)(?:\.\d+)?|\.\d+"
"""A number with optional thousands groups and decimals."""

SERVICE_AFTER = re.compile(r" (?:train|flight|bus|zip)\b")
ZIP_BEFORE = re.compile(r"[A-Za-z.], ?(?:[A-Z]{2}|[A-Z][a-z]+),? $")
BEFORE_DIGITS = re.compile(
    r"(?i:\b(?:pin|code|otp|pnr|zip|password|passcode|extension|ext\.?|serial|account|card|ending "
    r"in|isbn|issn|phone|"
    r"number is|dial|box|flight|train|call|press|room|fm|id|serial no\.|serial number))[:#]? ?$"
)
BEFORE_PAIRS = re.compile(r"(?i:\b(?:exhibit|exhibit no\.|room|flight|apartment|suite|boeing|frame)) ?$")
SERIAL_BEFORE = re.compile(r"(?i:serial (?:no\.|number) [A-Z]{0,3} ?)$")
SPACED_UNIT = re.compile(
    r" ?(?:%|/sq|per\b|people per\b|- (?:mile|foot|inch|metre|meter|year)|percent\b|per cent\b|"
    r"(?:million|billion|trillion|miles?|kilomet\w+|met(?:er|re)s?|feet|foot|inch(?:es)?|acres|"
    r"hectares|square|cubic|km|m|ft|mi|in|"
    r"mm|cm|kg|lbs?|tons?|tonnes|pounds|seconds|minutes|hours|days|years|degrees|points|rebounds|"
    r"assists|yards|litres|liters|innings|ERA|males)\b)"
)
STREET_AFTER = re.compile(
    r" (?:[NSEW]\.? |North |South |East |West )?(?:[A-Z][a-z]+ |\d+(?:st|nd|rd|th) ){1,3}(?:St|st|"
    r"Ave|Rd|Dr|Ln|Blvd|Ct|Pl|Expy|Hwy|hwy|Pkwy|Street|"
    r"Avenue|Road|Drive|Lane|Boulevard|Court|Way|Parkway|Highway|Expressway)\b"
)
HOUSE_LETTER = re.compile(r"[A-Z]?" + STREET_AFTER.pattern)
LETTER_BEFORE = re.compile(r"[A-Za-z]-?$")


def amount_words(text: str, use_and: bool = False, zero: str = "zero") -> str:
    """A number as matched by AMOUNT, with or without decimals, in words."""
    whole, point, fraction = text.replace(",", "").partition(".")
    if not point:
        return n.cardinal(whole, use_and)
    if fraction.strip("0"):
        head = f"{n.cardinal(whole, use_and)} " if whole else ""
        return f"{head}point {n.digits(fraction, zero)}"
    return n.decimal(whole, fraction, use_and)


def _cardinal_score(m: Match) -> float:
    if "," in m.text:
        return 3.0
    if m.text[0] == "0" and len(m.text) > 1:
        return 0.2
    if m.follows(BEFORE_DIGITS) and len(m.text) > 3:
        return 1.0
    return 2.0 if len(m.text) < 13 else 0.5


@NUMBERS.rule(
    rf"{GROUPED}|{PLAIN}",
    "0",
    _cardinal_score,
    cases=[("7", "seven"), ("123", "one hundred twenty three"), ("12,000", "twelve thousand"), ("0", "zero")],
)
def cardinal(m: Match) -> str | None:
    """A whole number. Not for leading zeros, which would be lost.

    "12,000" is "twelve thousand".
    """
    text = m.text.replace(",", "")
    if (len(text) > 1 and text[0] == "0") or len(text) > n.MAX_CARDINAL_DIGITS:
        return None
    return n.cardinal(text, m.options.number_and)


def _digits_score(m: Match) -> float:
    if (m.follows(BEFORE_DIGITS) and len(m.text) > 3) or (
        len(m.text) == 5 and (m.follows(ZIP_BEFORE) or m.precedes(SERVICE_AFTER))
    ):
        return 2.6
    if m.text[0] == "0" and len(m.text) > 1:
        return 2.5
    if len(m.text) >= 5 and m.follows(LETTER_BEFORE):
        return 2.6
    return 2.5 if len(m.text) >= 13 else 0.6


@NUMBERS.rule(
    PLAIN,
    "0",
    _digits_score,
    cases=[
        ("0063", "zero zero six three"),
        ("1234567890123", "one two three four five six seven eight nine zero one two three"),
    ],
)
def digit_string(m: Match) -> str:
    """Digits one by one, every zero said: "0063" is "zero zero six three"."""
    return n.digits(m.text)


def _digits_o_score(m: Match) -> float:
    if m.text[0] == "0" and m.text.strip("0"):
        return 2.4 if m.follows(BEFORE_DIGITS) else 2.7
    attached = (m.follows(re.compile(r"[A-Za-z]$")) and not m.follows(re.compile(r"[a-z]{3}$"))) or m.follows(
        SERIAL_BEFORE
    )
    return 2.6 if attached and 3 <= len(m.text) <= 7 and not m.text.endswith("00") else 0.3


@NUMBERS.rule(PLAIN, "0", _digits_o_score, cases=[("05", "o five"), ("2766", "two seven six six")])
def digit_string_o(m: Match) -> str | None:
    """Digits one by one with the locale's short zero: "05" is "o five"."""
    return (
        n.digits(m.text, m.options.zero) if ("0" in m.text and m.text.strip("0")) or len(m.text) > 2 else None
    )


def _pairs_score(m: Match) -> float:
    return 2.4 if m.follows(BEFORE_PAIRS) or m.precedes(HOUSE_LETTER) else 0.5


@NUMBERS.rule(
    r"[1-9]\d{2,3}",
    "0",
    _pairs_score,
    cases=[("1428", "fourteen twenty eight"), ("708", "seven o eight"), ("133", "one thirty three")],
)
def pairs(m: Match) -> str:
    """Two and two digits, as in house, room and exhibit numbers: "1428" is "fourteen twenty eight"."""
    return n.pairs(m.text, m.options.zero)


@NUMBERS.rule(
    r"(\d{1,3}(?:,\d{3})+|\d+)(?:(st|nd|rd|th|ST|ND|RD|TH)\b|[ºª](?=[ .,;]|$))",
    "0",
    5.0,
    cases=[("1st", "first"), ("23rd", "twenty third"), ("1,000th", "one thousandth"), ("11th", "eleventh")],
)
def ordinal(m: Match) -> str | None:
    """A number with its ordinal ending, if that is the right ending: "23rd" is "twenty third", "2th" is not
    one.
    """
    text = m[1].replace(",", "")
    tens, ones = text[-2:-1], text[-1]
    right = "th" if tens == "1" else {"1": "st", "2": "nd", "3": "rd"}.get(ones, "th")
    if (
        (m[2] and right != m[2].lower())
        or len(text) > n.MAX_CARDINAL_DIGITS
        or (len(text) > 1 and text[0] == "0")
    ):
        return None
    return n.ordinal(text, m.options.number_and) if text.strip("0") else "zeroth"


@NUMBERS.rule(
    rf"(?:{GROUPED}|\d+)?\.\d+(?![\d.]*\.\d)",
    "0.",
    lambda m: 0.5 if m.text[0] == "." and m.follows(re.compile(r"[\w)\]\"'”’.]$")) else 4.0,
    cases=[
        ("3.14", "three point one four"),
        (".5", "point five"),
        ("2.0", "two point zero"),
        ("1,234.5", "one thousand two hundred thirty four point five"),
    ],
)
def decimal(m: Match) -> str | None:
    """A decimal number, its fraction digit by digit: "3.14" is "three point one four"."""
    whole = m.text.split(".")[0].replace(",", "")
    if len(whole) > n.MAX_CARDINAL_DIGITS or (len(whole) > 1 and whole[0] == "0"):
        return None
    return amount_words(m.text, m.options.number_and, m.options.zero)


def _spaced_score(m: Match) -> float:
    if m.text.endswith(". 0") and len(m.text) < 6:
        return 4.0
    if m.text[0] == "." and not m.follows(re.compile(r"[(]$")):
        return 0.2
    if m.precedes(SPACED_UNIT) and not re.match(r"(?:1[1-9]|20)\d\d\.", m.text):
        return 4.0
    return 4.0 if re.match(r"0?\. ", m.text) and (m.text[0] == "0" or m.follows(re.compile(r"[(]$"))) else 0.4


@NUMBERS.rule(
    r"\d*\. \d+(?![\d./,])",
    "0.",
    _spaced_score,
    cases=[("49. 22", "forty nine point two two"), ("0. 76", "zero point seven six")],
)
def decimal_spaced(m: Match) -> str | None:
    """A decimal number torn apart by a tokenizer: "49. 22" is "forty nine point two two"."""
    whole, _, fraction = m.text.partition(". ")
    if len(whole) > n.MAX_CARDINAL_DIGITS or (len(whole) > 1 and whole[0] == "0"):
        return None
    return amount_words(f"{whole}.{fraction}", m.options.number_and, m.options.zero)


@NUMBERS.rule(
    r"\.(\d\d) (cal(?:\.|iber|ibre)|Special|Magnum|ACP)\b",
    ".",
    5.0,
    cases=[(".38 Special", "thirty eight Special")],
)
def calibre(m: Match) -> str | None:
    """The calibre of a gun: ".38 Special" is "thirty eight Special"."""
    if m[1][0] == "0":
        return None
    return f"{n.cardinal(m[1])} {'caliber' if m[2] == 'cal.' else m[2]}"


def _magnitude_score(m: Match) -> float:
    if m[2] in ("bn", "mn", "tn"):
        return 5.0
    return 4.5 if m[2] in "kKMB" and "." in m[1] else 2.8 if m[2] in "kKMB" else 0.5


@NUMBERS.rule(
    rf"({AMOUNT})(k|K|m|M|mn|bn|B|T|tn)\b(?!-)",
    "0.",
    _magnitude_score,
    cases=[("5k", "five thousand"), ("1.2M", "one point two million"), ("3bn", "three billion")],
)
def magnitude(m: Match) -> str | None:
    """A number with a short magnitude: "1.2M" is "one point two million"."""
    if m[1].isdecimal() and m.precedes(STREET_AFTER):
        return None  # a house: "221B Baker St."
    return f"{amount_words(m[1], m.options.number_and, m.options.zero)} {MAGNITUDES[m[2]]}"


@NUMBERS.rule(r"(\d{1,3})s\b", "0", 2.6, cases=[("747s", "seven forty sevens"), ("7s", "sevens")])
def plural_number(m: Match) -> str:
    """More than one of a number: "747s" is "seven forty sevens"."""
    return n.plural(n.pairs(m[1]) if len(m[1]) == 3 else n.cardinal(m[1]) if m[1] != "0" else "zero")


@NUMBERS.rule(
    r"(\d*[23])d\b(?! ?/)",
    "0",
    lambda m: 5.0 if m.text[-3:-2] != "1" else 0.3,
    cases=[("22d", "twenty second"), ("3d", "third")],
)
def ordinal_short(m: Match) -> str:
    """An ordinal in the older short form: "22d" is "twenty second"."""
    return n.ordinal(str(int(m[1])))


@NUMBERS.rule(r"24/7\b(?!/)", "0", 7.0, cases=[("24/7", "twenty four seven")])
def all_day(m: Match) -> str:
    """The set phrase "24/7" is "twenty four seven"."""
    return "twenty four seven"


@NUMBERS.rule(
    r"(?:(9)/(11)|(50)/(50)|(20)/(20))\b(?!/)",
    "0",
    lambda m: 7.0 if m.text != "9/11" or m.view.chunk.startswith("9/11") else 1.0,
    cases=[("50/50", "fifty fifty"), ("9/11", "nine eleven")],
)
def number_pair(m: Match) -> str:
    """Set phrases of two numbers: "50/50" is "fifty fifty"."""
    first, _, second = m.text.partition("/")
    return f"{n.cardinal(first)} {n.cardinal(second)}"


@NUMBERS.rule(
    r"(40[13]|457|529)\((k|b|c)\)", "0", 8.0, cases=[("401(k)", "four o one k"), ("403(b)", "four o three b")]
)
def tax_section(m: Match) -> str:
    """Names of savings plans: "401(k)" is "four o one k"."""
    return f"{n.pairs(m[1], m.options.zero)} {m[2]}"
