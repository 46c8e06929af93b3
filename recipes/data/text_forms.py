"""Random written forms, names and things that fill the templates of generated sentences."""

from collections.abc import Callable
from random import Random

from tts_frontend.languages.en.lexicon import MONTHS

Form = Callable[[Random], str]

NAMES = [
    "Anna",
    "Ben",
    "Clara",
    "David",
    "Elena",
    "Frank",
    "Grace",
    "Henry",
    "Irene",
    "James",
    "Kate",
    "Liam",
    "Maria",
    "Noah",
    "Olga",
    "Paul",
    "Ruth",
    "Sam",
    "Tina",
    "Victor",
]
PLACES = [
    "Boston",
    "Dallas",
    "Denver",
    "Dublin",
    "Leeds",
    "London",
    "Madrid",
    "Miami",
    "Oslo",
    "Paris",
    "Rome",
    "Seattle",
    "Sydney",
    "Vienna",
]
THINGS = [
    "apples",
    "books",
    "cars",
    "chairs",
    "cups",
    "files",
    "houses",
    "letters",
    "people",
    "pages",
    "photos",
    "rooms",
    "seats",
    "steps",
    "tickets",
    "votes",
    "workers",
]


def digits(low: int, high: int) -> Form:
    """A number between two bounds."""
    return lambda draw: str(draw.randint(low, high))


def one_of(*choices: str) -> Form:
    """One of some words."""
    return lambda draw: draw.choice(choices)


def year(draw: Random) -> str:
    """A year from 1066 on."""
    return str(draw.choice((draw.randint(1066, 1899), draw.randint(1900, 2035))))


def small_fraction(draw: Random) -> str:
    """A fraction below one, or twelfths and simpler."""
    bottom = draw.randint(2, 12)
    return f"{draw.randint(1, min(bottom - 1, 11)) if bottom > 2 else 1}/{bottom}"


def clock(draw: Random) -> str:
    """A time on a twelve-hour clock."""
    return f"{draw.randint(1, 12)}:{draw.randint(0, 59):02}"


def roman(draw: Random) -> str:
    """A Roman numeral of two letters or more, or V."""
    return draw.choice(("II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "XI", "XII", "XIV", "XVI"))


def money(draw: Random) -> str:
    """An amount of money."""
    sign = draw.choice("$$$\u00a3\u20ac\u00a5\u20b9")
    amount = draw.choice(
        (
            f"{draw.randint(1, 99)}",
            f"{draw.randint(1, 999)}.{draw.randint(1, 99):02}",
            f"{draw.randint(1000, 2_000_000):,}",
        )
    )
    scale = draw.choice(("", "", "", " million", " billion", "k", "M", "bn"))
    return f"{sign}{draw.randint(1, 9)}.{draw.randint(1, 9)}{scale}" if scale else sign + amount


def measure(draw: Random) -> str:
    """A number with a unit."""
    unit = draw.choice(
        [
            "km",
            "kg",
            "cm",
            "mm",
            "mph",
            "km/h",
            "GB",
            "MB",
            "MHz",
            "kW",
            "%",
            "°C",
            "lbs",
            "oz",
            "ml",
            "hp",
            "km²",
            "m/s²",
            "kWh",
            "dB",
        ]
    )
    number = draw.choice(
        (
            str(draw.randint(1, 999)),
            f"{draw.randint(0, 99)}.{draw.randint(1, 99)}",
            f"{draw.randint(1, 99)},000",
        )
    )
    return number + ("" if unit in ("%", "\u00b0C") else draw.choice(("", " "))) + unit


def phone(draw: Random) -> str:
    """A telephone number."""
    a, b, c = draw.randint(201, 989), draw.randint(200, 999), draw.randint(0, 9999)
    return draw.choice((f"{a}-{b}-{c:04}", f"({a}) {b}-{c:04}", f"+1 {a}-{b}-{c:04}", f"{a}.{b}.{c:04}"))


def iso(draw: Random) -> str:
    """A date as year, month, day."""
    return f"{draw.randint(1950, 2035)}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}"


def slashed(draw: Random) -> str:
    """A date as month, day, year."""
    return f"{draw.randint(1, 12)}/{draw.randint(13, 28)}/{draw.randint(1950, 2035)}"


def version(draw: Random) -> str:
    """A version of three numbers."""
    return f"{draw.randint(0, 20)}.{draw.randint(0, 30)}.{draw.randint(0, 30)}"


def ordinal(draw: Random) -> str:
    """A number with its ordinal ending."""
    value = draw.randint(1, 120)
    ending = "th" if value % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return f"{value}{ending}"


def decade(draw: Random) -> str:
    """A decade."""
    return f"{draw.choice(('18', '19', ''))}{draw.randint(2, 9)}0s"


def day_month(draw: Random) -> str:
    """A day before its month."""
    return f"{draw.randint(1, 28)} {draw.choice(MONTHS)}"


def month_day(draw: Random) -> str:
    """A month before a day."""
    month = draw.choice((*MONTHS, "Jan.", "Feb.", "Aug.", "Sept.", "Oct.", "Nov.", "Dec."))
    return f"{month} {draw.randint(1, 28)}"
