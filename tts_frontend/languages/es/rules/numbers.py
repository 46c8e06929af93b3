"""Spanish numbers by themselves: cardinals, decimals, ordinals, digits, fractions."""

import re

from tts_frontend.inventory import Match, RuleSet
from tts_frontend.languages.es import numbers as n
from tts_frontend.languages.es.lexicon import VULGAR

NUMBERS = RuleSet("number")

GROUPED = r"\d{1,3}(?:(?:[.\u00a0 ]\d{3})+|(?:,000)+)(?!\d)"
AMOUNT = rf"(?:{GROUPED}|\d+)(?:,\d+)?"
"""A number with thousands groups (points or thin spaces) and a decimal comma."""
BEFORE_CODE = re.compile(r"(?i:\b(?:código|pin|clave|teléfono|tel\.|contraseña|extensión)(?: es)?:? ?)$")


def amount_words(text: str) -> str:
    """A number as matched by AMOUNT in words."""
    if re.fullmatch(GROUPED, text):
        return n.cardinal(re.sub(r"\D", "", text))
    whole, comma, fraction = text.partition(",")
    whole = re.sub(r"\D", "", whole)
    return n.decimal(whole, fraction, ",") if comma else n.cardinal(whole)


@NUMBERS.rule(
    rf"{GROUPED}|\d+",
    "0",
    lambda m: 3.0 if len(m.text) > 4 and not m.text.isdigit() else 2.0,
    cases=[
        ("7", "siete"),
        ("100", "cien"),
        ("1995", "mil novecientos noventa y cinco"),
        ("9.217", "nueve mil doscientos diecisiete"),
        ("21.000", "veintiún mil"),
        ("1000000", "un millón"),
    ],
)
def cardinal(m: Match) -> str | None:
    """A whole number, years too: "1995" is "mil novecientos noventa y cinco"."""
    text = re.sub(r"\D", "", m.text)
    if (len(text) > 1 and text[0] == "0") or len(text) > n.MAX_CARDINAL_DIGITS:
        return None
    return n.cardinal(text)


@NUMBERS.rule(
    r"\d+",
    "0",
    lambda m: (
        2.5 if m.follows(BEFORE_CODE) or (m.text[0] == "0" and len(m.text) > 1) or len(m.text) > 12 else 0.5
    ),
    cases=[("007", "cero cero siete")],
)
def digit_string(m: Match) -> str:
    """Digits one by one: "007" is "cero cero siete"."""
    return n.digits(m.text)


@NUMBERS.rule(
    r"(\d+)([.,])(\d+)(?![.,]?\d)",
    "0",
    lambda m: 1.5 if m[3] == "000" else 4.0 if m[2] == "," or len(m[3]) != 3 else 2.0,
    cases=[
        ("7.11", "siete punto once"),
        ("0,98", "cero coma noventa y ocho"),
        ("2.05", "dos punto cero cinco"),
    ],
)
def decimal(m: Match) -> str | None:
    """A decimal with comma or point: "7.11" is "siete punto once"."""
    if (len(m[1]) > 1 and m[1][0] == "0") or len(m[1]) > n.MAX_CARDINAL_DIGITS:
        return None
    return n.decimal(m[1], m[3], m[2])


@NUMBERS.rule(
    r"\d+(?:\.\d+){2,}",
    "0",
    lambda m: 2.5,
    cases=[("2.4.18", "dos punto cuatro punto dieciocho")],
)
def version(m: Match) -> str | None:
    """A version: "2.4.18" is "dos punto cuatro punto dieciocho"."""
    parts = m.text.split(".")
    if any(len(part) > 6 for part in parts):
        return None
    return " punto ".join(n.digits(p) if p[0] == "0" and len(p) > 1 else n.cardinal(p) for p in parts)


@NUMBERS.rule(
    r"(\d{1,2})\.?([ºª])",
    "0",
    5.0,
    cases=[("1º", "primero"), ("2ª", "segunda"), ("3.º", "tercero")],
)
def ordinal(m: Match) -> str | None:
    """An ordinal up to twenty: "2ª" is "segunda"."""
    return n.ordinal(m[1], m[2] == "ª")


@NUMBERS.rule(
    r"(\d+)/(\d+)(?![\d/])",
    "0",
    lambda m: 3.0 if m.text in ("1/2", "1/3", "2/3", "1/4", "3/4") else 1.5,
    cases=[("1/2", "un medio"), ("3/4", "tres cuartos"), ("2/3", "dos tercios"), ("5/8", "cinco octavos")],
)
def fraction(m: Match) -> str | None:
    """A fraction with a small denominator: "3/4" is "tres cuartos"."""
    names = ("medio", "tercio", "cuarto", "quinto", "sexto", "séptimo", "octavo", "noveno", "décimo")
    top, bottom = m[1].lstrip("0"), m[2]
    if (
        not top
        or len(top) > 3
        or len(bottom) > 2
        or not 2 <= int(bottom) <= 10
        or m.text[0] == "0"
        or bottom[0] == "0"
    ):
        return None
    name = names[int(bottom) - 2]
    return f"{n.before_noun(n.cardinal(top))} {name}{'s' * (top != '1')}"


@NUMBERS.rule(
    "[" + "".join(VULGAR) + "]", "".join(VULGAR), 5.0, cases=[("½", "un medio"), ("¾", "tres cuartos")]
)
def fraction_character(m: Match) -> str:
    """A fraction written as one character: "½" is "un medio"."""
    top, bottom = VULGAR[m.text]
    name = {2: "medio", 3: "tercio", 4: "cuarto"}[bottom]
    return f"{n.before_noun(n.cardinal(str(top)))} {name}{'s' * (top != 1)}"
