"""Spanish money, percent and measures."""

import re

from tts_frontend.inventory import Match, RuleSet
from tts_frontend.languages.es import numbers as n
from tts_frontend.languages.es.lexicon import CURRENCIES, PER_UNITS, POWERS, UNITS
from tts_frontend.languages.es.rules.numbers import AMOUNT, amount_words

MEASURES = RuleSet("measure")

UNIT = "|".join(sorted((re.escape(unit) for unit in UNITS), key=len, reverse=True))
PER = "|".join(sorted(PER_UNITS, key=len, reverse=True))
SIGN = "|".join(sorted((re.escape(sign) for sign in CURRENCIES), key=len, reverse=True))
QUANTITY = rf"(?P<amount>\d+\.\d{{1,2}}(?!\d)|{AMOUNT})"


def _number(text: str) -> str:
    if re.fullmatch(r"\d+\.\d{1,2}", text):
        whole, _, fraction = text.partition(".")
        return n.decimal(whole, fraction, ".")
    return amount_words(text)


@MEASURES.rule(
    rf"{QUANTITY}[ \u00a0]?(?P<unit>{UNIT})(?P<power>[²³]|[23](?!\d))?"
    rf"(?:/(?P<per>{PER})(?P<per_power>[²³2])?)?(?![^\W_])",
    "0",
    lambda m: 5.0 if len(m["unit"]) > 1 or not m["unit"].isalpha() or m["per"] or m["power"] else 3.0,
    cases=[
        ("95%", "noventa y cinco por ciento"),
        ("6 %", "seis por ciento"),
        ("48 min", "cuarenta y ocho minutos"),
        ("1 km", "un kilómetro"),
        ("21 kg", "veintiún kilogramos"),
        ("90 km/h", "noventa kilómetros por hora"),
        ("30 km²", "treinta kilómetros cuadrados"),
        ("2,5 GHz", "dos coma cinco gigahercios"),
    ],
)
def measure(m: Match) -> str | None:
    """A number with a unit: "90 km/h" is "noventa kilómetros por hora"."""
    if m["per_power"]:
        return None
    one = m["amount"] == "1"
    name = UNITS[m["unit"]][0 if one else 1]
    words = _number(m["amount"])
    if m["unit"] != "%":
        words = n.before_noun(words)
    power = f" {POWERS[m['power']]}{'s' * (not one)}" if m["power"] else ""
    per = f" por {PER_UNITS[m['per']]}" if m["per"] else ""
    return f"{words} {name}{power}{per}"


@MEASURES.rule(
    rf"(?P<sign>{SIGN}) ?{QUANTITY}(?: (?P<scale>mil millones|millones|millón|billones|mil))?",
    "a" + "".join(sign[0] for sign in CURRENCIES),
    6.0,
    cases=[
        ("$5", "cinco dólares"),
        ("$1", "un dólar"),
        ("€3 millones", "tres millones de euros"),
        ("$2,50", "dos coma cincuenta dólares"),
    ],
)
def money(m: Match) -> str:
    """A currency sign before an amount: "$5" is "cinco dólares"."""
    return _money(m, m["scale"])


@MEASURES.rule(
    rf"{QUANTITY}(?: (?P<scale>mil millones|millones|millón|billones|mil))? ?(?P<sign>[€$£])",
    "0",
    6.0,
    cases=[("20 €", "veinte euros"), ("5 millones €", "cinco millones de euros")],
)
def money_behind(m: Match) -> str:
    """A currency sign behind an amount: "20 €" is "veinte euros"."""
    return _money(m, m["scale"])


def _money(m: Match, scale: str) -> str:
    one, many, _, _ = CURRENCIES[m["sign"]]
    words = n.before_noun(_number(m["amount"]))
    if scale:
        return f"{words} {scale}{' de' if scale != 'mil' else ''} {many}"
    return f"{words} {one if m['amount'] == '1' else many}"
