"""Numbers with units: lengths, weights, rates, temperatures, percent, feet and inches, products of sizes,
times.
"""

import re

from tts_frontend.inventory import Match, RuleSet
from tts_frontend.languages.en import numbers as n
from tts_frontend.languages.en.lexicon import VULGAR
from tts_frontend.languages.en.rules.fractions import fraction_words
from tts_frontend.languages.en.rules.numbers import AMOUNT, amount_words
from tts_frontend.languages.en.units import CASELESS_UNITS, PER_UNITS, SPACED_UNITS, SQUARED, UNITS

MEASURES = RuleSet("measure")

UNIT_NAME = "|".join(sorted((re.escape(u) for u in UNITS), key=len, reverse=True))
UNIT = rf"(?P<unit>{UNIT_NAME}|[A-Za-z]{{2,4}})(?P<power>[²³]|[23](?!\d))?"
SQUARE_BEFORE = r"(?P<square>sq\.? |cu\.? )?"
PER = (
    r"(?:/(?P<per>"
    + "|".join(sorted(PER_UNITS, key=len, reverse=True))
    + r")(?P<per_power>[²³]|[23](?!\d))?(?![A-Za-z]))?"
)
MIXED = r"(?P<mixed>(?:(?P<whole>\d+)[ -])?(?P<num>\d+)/(?P<den>\d+)|(?P<before>\d*)(?P<vulgar>[½⅓⅔¼¾⅛⅜⅝⅞]))"
QUANTITY = rf"(?:{MIXED}|(?P<amount>{AMOUNT})(?P<scale> (?:million|billion|trillion|thousand|hundred))?)"


def unit_words(unit: str, power: str, one: bool, attached: bool) -> str | None:
    """The name of a unit, squared or cubed; None when there is no such unit."""
    names = UNITS.get(unit) or (CASELESS_UNITS.get(unit.lower()) if attached or unit.isupper() else None)
    if names is None:
        return None
    name = names[0] if one else names[1]
    return f"{SQUARED[power]} {name}" if power else name


def _quantity(m: Match) -> tuple[str, bool]:
    """Words of the number, and whether the unit behind it is in the singular."""
    if m["mixed"]:
        whole, words = m["whole"] or m["before"], ""
        top, bottom = (m["num"], m["den"]) if m["num"] else map(str, VULGAR[m["vulgar"]])
        return fraction_words(whole, top, bottom) or "", not whole and int(top) <= int(bottom)
    words = amount_words(m["amount"], m.options.number_and, m.options.zero) + m["scale"]
    return words, m["amount"] in ("1", "1.0", "1.00") and not m["scale"]


def _measure_score(m: Match) -> float:
    unit = m["unit"]
    if unit == "º" or (m["gap"] and len(unit) == 1 and m.precedes(re.compile(r"\. ?[A-Z]"))):
        return 1.0
    if unit in ("%", "‰", "°C", "°F", "°", "º", "ºC", "ºF") or not m["gap"]:
        if unit == "s" and "." not in m["amount"]:
            return 1.0
        letter = len(unit) == 1 and unit.isalpha() and not m["per"] and not m["power"]
        if letter and unit in "sdtAJNKLah":
            return 1.0 if "." not in m["amount"] else 2.5
        return 6.0
    if unit == "in" and m.precedes(re.compile(r"\.?(?:\)| (?:wide|long|tall|high|thick|deep|diameter)\b)")):
        return 4.0
    if unit in SPACED_UNITS or m["per"] or m["power"] or m["square"]:
        return 6.0
    if unit in ("m", "g", "h") and not m.follows(re.compile(r"[A-Za-z]-?$")):
        return 4.0
    return 1.0


@MEASURES.rule(
    rf"{QUANTITY}(?P<gap>[ -]?){SQUARE_BEFORE}{UNIT}{PER}(?![A-Za-z0-9])(?:\.(?= [a-z(\d]|,))?",
    "0.½⅓⅔¼¾⅛⅜⅝⅞",
    _measure_score,
    cases=[
        ("12kg", "twelve kilograms"),
        ("1 km", "one kilometer"),
        ("294 km²", "two hundred ninety four square kilometers"),
        ("50%", "fifty percent"),
        ("3.5 cm2", "three point five square centimeters"),
        ("90 km/h", "ninety kilometers per hour"),
        ("2°C", "two degrees Celsius"),
        ("4 1/2 lbs", "four and a half pounds"),
        ("100 million kg", "one hundred million kilograms"),
        ("5 sq mi", "five square miles"),
        ("100 hp", "one hundred horsepower"),
        ("12 m/s²", "twelve meters per second squared"),
        ("7.2-mm", "seven point two millimeter"),
    ],
)
def measure(m: Match) -> str | None:
    """A number with a unit, in the plural where the number asks for it: "90 km/h" is "ninety kilometers per
    hour".
    """
    if re.match(r"0\d", m["amount"]):
        return None  # a code, whose zeros would be lost
    words, one = _quantity(m)
    hyphen = m["gap"] == "-"
    unit = unit_words(m["unit"], m["power"], one or hyphen, not m["gap"])
    if unit is None or not words or (m.follows(re.compile(r"[A-Za-z]$")) and not m["gap"]):
        return None
    square = {"s": "square ", "c": "cubic "}.get(m["square"][:1], "")
    per = f" per {PER_UNITS[m['per']]}" if m["per"] else ""
    if m["per_power"]:
        power = SQUARED[m["per_power"]]
        per = (
            f"{per} {'squared' if power == 'square' else 'cubed'}"
            if m["per"] in ("s", "sec")
            else f" per {power} {PER_UNITS[m['per']]}"
        )
    return f"{words} {square}{unit}{per}"


@MEASURES.rule(
    r"/(?P<square>sq\.? )?(?P<unit>km|m|mi|kg|h|s|ft|ha|mile|acre)(?P<power>[²³])?(?![A-Za-z])",
    "/",
    lambda m: 5.0 if m["power"] or m["square"] else 1.5,
    cases=[("/km²", "per square kilometer"), ("/sq mi", "per square mile")],
)
def per_unit(m: Match) -> str:
    """A rate whose number stands elsewhere: "/km²" is "per square kilometer"."""
    name = UNITS[m["unit"]][0] if m["unit"] in UNITS else m["unit"]
    power = SQUARED.get(m["power"], "square" if m["square"] else "")
    return f"per {power + ' ' if power else ''}{name}"


@MEASURES.rule(
    r"(?P<square>sq\.?|cu\.?) (?P<unit>km|mi|ft|m|yd|in|cm)(?![A-Za-z])",
    "a",
    5.0,
    cases=[("sq mi", "square miles"), ("cu ft", "cubic feet")],
)
def square_unit(m: Match) -> str:
    """A squared unit without a number: "sq mi" is "square miles"."""
    return f"{'square' if m['square'][0] == 's' else 'cubic'} {UNITS[m['unit']][1]}"


@MEASURES.rule(
    r"(\d{1,2})['′’] ?(\d{1,2})(?:\"|″|”|'')",
    "0",
    8.0,
    cases=[("5'11\"", "five feet eleven inches"), ("6' 1\"", "six feet one inch")],
)
def feet_inches(m: Match) -> str:
    """A height: 5'11" is "five feet eleven inches"."""
    feet, inches = "foot" if m[1] == "1" else "feet", "inch" if m[2] == "1" else "inches"
    return f"{n.cardinal(str(int(m[1])))} {feet} {n.cardinal(str(int(m[2])))} {inches}"


@MEASURES.rule(
    r"(\d{1,2}) ?ft\.?,? (\d{1,2}(?:\.\d+)?) ?in\b(?:\.(?= [a-z]))?",
    "0",
    8.5,
    cases=[("6 ft 2 in", "six feet two inches"), ("{6 ft. 2 in.} tall", "six feet two inches")],
)
def feet_inches_words(m: Match) -> str:
    """A height with the units written: "6 ft 2 in" is "six feet two inches"."""
    feet, inches = "foot" if m[1] == "1" else "feet", "inch" if m[2] == "1" else "inches"
    return f"{n.cardinal(str(int(m[1])))} {feet} {amount_words(m[2])} {inches}"


@MEASURES.rule(
    rf"({AMOUNT})(\"|″)",
    "0.",
    lambda m: 1.0 if m.view.before.count('"') % 2 else 5.0,
    cases=[('12"', "twelve inches"), ('3.5"', "three point five inches")],
)
def inches(m: Match) -> str:
    """Inches by their sign, where no quotation is open: 12" is "twelve inches"."""
    return f"{amount_words(m[1])} {'inch' if m[1] == '1' else 'inches'}"


@MEASURES.rule(r"(\d+)F\b", "0", 4.0, cases=[("75F", "seventy five degrees Fahrenheit")])
def fahrenheit(m: Match) -> str:
    """A temperature: "75F" is "seventy five degrees Fahrenheit"."""
    return f"{n.cardinal(str(int(m[1])))} degrees Fahrenheit"


@MEASURES.rule(
    rf"({AMOUNT}) ?[x×] ?(?=\d)",
    "0.",
    lambda m: 5.0 if "." in m[1] or not m.text.startswith("0") else 0.5,
    cases=[("{2x}8", "two by"), ("{25 x }7", "twenty five by")],
)
def size_by(m: Match) -> str:
    """A size before another: "2x8" is "two by eight"."""
    return f"{amount_words(m[1], m.options.number_and)} by"


@MEASURES.rule(rf"({AMOUNT})[x×](?= ?[a-z])", "0.", 4.0, cases=[("{2x} faster", "two times")])
def times_faster(m: Match) -> str:
    """A factor before a word: "2x faster" is "two times faster"."""
    return f"{amount_words(m[1])} times"
