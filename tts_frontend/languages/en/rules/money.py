"""Money: signs and codes before or behind the amount, cents, magnitudes, rates and ranges."""

import re

from tts_frontend.inventory import Match, RuleSet
from tts_frontend.languages.en import numbers as n
from tts_frontend.languages.en.rules.numbers import AMOUNT, amount_words
from tts_frontend.languages.en.units import CURRENCIES, CURRENCY_CODES, CURRENCY_SIGNS, MAGNITUDES, PER_UNITS

MONEY = RuleSet("money")

SIGN = "(?P<sign>" + "|".join(re.escape(c) for c in CURRENCY_SIGNS) + ")"
CODE = "(?P<code>" + "|".join(CURRENCY_CODES) + r")\b"
MAGNITUDE = (
    r"(?: ?-?(?P<word>hundred|thousand|million|billion|trillion)\b|(?: (?=b\b|bn\b|mn\b))?(?P<short>bn|"
    r"mn|tn|[kKmMbBtT])\b)"
)
PER = r"(?:/(?P<per>" + "|".join(sorted(PER_UNITS, key=len, reverse=True)) + r")\b)"
VALUE = rf"(?P<amount>{AMOUNT})(?:{MAGNITUDE})?"


def money_words(amount: str, scale: str, currency: str, m: Match) -> str:
    """An amount of money: whole units and hundredths, or a decimal when there is a scale or not just two
    digits.
    """
    one, many, cent, cents = CURRENCIES[currency]
    use_and, zero = m.options.number_and, m.options.zero
    if scale:
        return f"{amount_words(amount, use_and, zero)} {scale} {many}"
    whole, _, fraction = amount.replace(",", "").partition(".")
    whole = whole.lstrip("0") or "0"
    fraction = fraction.rstrip("0").ljust(2, "0") if fraction.strip("0") else ""
    if len(fraction) > 2:
        return f"{amount_words(amount, use_and, zero)} {many}"
    parts = []
    if whole != "0" or not fraction:
        parts.append(f"{n.cardinal(whole, use_and)} {one if whole == '1' else many}")
    if fraction:
        parts.append(f"{n.cardinal(str(int(fraction)))} {cent if int(fraction) == 1 else cents}")
    return " ".join(parts)


def _scale(m: Match) -> str:
    return m["word"] or MAGNITUDES.get(m["short"], "")


def _per(m: Match) -> str:
    return f" per {PER_UNITS[m['per']]}" if m["per"] else ""


@MONEY.rule(
    rf"{SIGN} ?{VALUE}{PER}?",
    "a" + "".join({c[0] for c in CURRENCY_SIGNS}),
    8.0,
    cases=[
        ("$5", "five dollars"),
        ("$1", "one dollar"),
        ("$5.20", "five dollars twenty cents"),
        ("$5.2 million", "five point two million dollars"),
        ("£1.01", "one pound one penny"),
        ("$0.05", "five cents"),
        ("$20/mo", "twenty dollars per month"),
        ("€3bn", "three billion euros"),
        ("US$5", "five US dollars"),
    ],
)
def money(m: Match) -> str | None:
    """A currency sign before an amount: "$5.2 million" is "five point two million dollars"."""
    if m["sign"][0].isalpha() and m.follows(re.compile(r"\w$")):
        return None
    return money_words(m["amount"], _scale(m), m["sign"], m) + _per(m)


@MONEY.rule(
    rf"{SIGN}(?P<low>{AMOUNT}) ?[-–] ?(?P<again>(?P=sign))?{VALUE}{PER}?",
    "a" + "".join({c[0] for c in CURRENCY_SIGNS}),
    8.5,
    cases=[
        ("$5-10", "five to ten dollars"),
        ("$5-$10 million", "five to ten million dollars"),
        ("$250-$300", "two hundred fifty dollars to three hundred dollars"),
    ],
)
def money_range(m: Match) -> str | None:
    """A range of money, the unit said once: "$5-10" is "five to ten dollars"."""
    if m["sign"][0].isalpha() and m.follows(re.compile(r"\w$")):
        return None
    low, high = m["low"], m["amount"]
    if ("." in low + high or m["again"]) and not _scale(m):
        first = money_words(low, "", m["sign"], m)
        return f"{first} to {money_words(high, '', m['sign'], m)}{_per(m)}"
    return (
        f"{amount_words(low, m.options.number_and)} to {money_words(high, _scale(m), m['sign'], m)}{_per(m)}"
    )


@MONEY.rule(
    rf"{VALUE} ?(?:{CODE}|(?P<sign>[€£¥₩₹₽])){PER}?",
    "0.",
    7.0,
    cases=[
        ("5 USD", "five US dollars"),
        ("20€", "twenty euros"),
        ("1000 JPY", "one thousand yen"),
    ],
)
def money_behind(m: Match) -> str:
    """A currency behind the amount: "20€" is "twenty euros"."""
    return money_words(m["amount"], _scale(m), m["code"] or m["sign"], m) + _per(m)


@MONEY.rule(
    rf"{CODE} ?{VALUE}{PER}?",
    "a",
    7.0,
    cases=[("USD 5.50", "five US dollars fifty cents"), ("EUR 3 million", "three million euros")],
)
def money_code(m: Match) -> str:
    """A currency code before the amount: "USD 5.50" is "five US dollars fifty cents"."""
    return money_words(m["amount"], _scale(m), m["code"], m) + _per(m)


@MONEY.rule(r"(\d+) ?¢", "0", 7.0, cases=[("50¢", "fifty cents"), ("1¢", "one cent")])
def cents(m: Match) -> str:
    """Cents: "50¢" is "fifty cents"."""
    return f"{n.cardinal(str(int(m[1])))} {'cent' if int(m[1]) == 1 else 'cents'}"


@MONEY.rule(
    r"£(\d+)[ .:](\d+)s\.?[ .:]?(?:(\d+)d\b\.?)?",
    "£",
    9.0,
    cases=[("£5 10s. 6d.", "five pounds ten shillings and sixpence"), ("£2 4s", "two pounds four shillings")],
)
def pounds_shillings(m: Match) -> str:
    """Old money: "£5 10s. 6d." is "five pounds ten shillings and sixpence"."""
    words = f"{n.cardinal(m[1])} pound{'s' * (m[1] != '1')} {n.cardinal(m[2])} shilling{'s' * (m[2] != '1')}"
    if not m[3]:
        return words
    pence = (
        "one penny"
        if m[3] == "1"
        else f"{n.cardinal(m[3])}pence"
        if int(m[3]) <= 12
        else f"{n.cardinal(m[3])} pence"
    )
    return f"{words} and {pence}"
