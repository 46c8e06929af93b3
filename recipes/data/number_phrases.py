"""Spoken numbers as people say them: digits, counts, years, times, dates, prices, all in words.

Written sentences have them in digits, whose reading is open, so they are made here with the reading known.
"""

import re
from collections.abc import Callable, Iterator

import numpy as np

from tts_frontend.languages.en.lexicon import MONTHS
from tts_frontend.languages.en.numbers import cardinal, ordinal, year

_TENS_AND_ONES = re.compile(
    r"\b(twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety) (?!hundred|thousand)(\w+)"
)

_THINGS = [
    "men",
    "women",
    "horses",
    "days",
    "miles",
    "years",
    "pounds",
    "letters",
    "books",
    "houses",
    "ships",
    "soldiers",
    "apples",
    "times",
    "steps",
]
_FRAMES = (
    "There were {} in all.",
    "I counted {}.",
    "She asked for {}.",
    "Only {} were left.",
    "We need {} more, please.",
    "{}",
    "He came back with {}.",
)


def spell_number(number: int) -> str:
    """A whole number in words, American style: 642 is six hundred forty-two."""
    return _hyphenated(cardinal(str(number)))


def spell_ordinal(number: int) -> str:
    """The ordinal of a whole number: 23 is twenty-third."""
    return _hyphenated(ordinal(str(number)))


def spell_year(number: int) -> str:
    """A year from 1100 to 2099 as it is said: 1905 is nineteen oh five, 2015 twenty fifteen."""
    if number >= 2010:  # the front end says two thousand fifteen; both are said
        return f"twenty {spell_number(number - 2000)}"
    return _hyphenated(year(str(number), "oh"))


def _hyphenated(spoken: str) -> str:
    """Tens joined with their ones, as texts write them."""
    return _TENS_AND_ONES.sub(r"\1-\2", spoken)


def _digits(rng: np.random.Generator) -> str:
    count = int(rng.choice([3, 4, 5, 7, 10]))
    digits = [spell_number(int(digit)) for digit in rng.integers(0, 10, count)]
    if rng.random() < 0.3:
        digits = ["oh" if digit == "zero" else digit for digit in digits]
    return " ".join(digits)


def _count(rng: np.random.Generator) -> str:
    number = int(np.exp(rng.uniform(np.log(2), np.log(20_000))))
    counted = f"{spell_number(number)} {rng.choice(_THINGS)}"
    phrase = str(rng.choice(_FRAMES)).format(counted)
    return phrase[0].upper() + phrase[1:]


def _year(rng: np.random.Generator) -> str:
    frame = str(rng.choice(["It was in {}.", "In {} everything changed.", "He died in {}.", "in {}"]))
    return frame.format(spell_year(int(rng.integers(1500, 2030))))


def _time(rng: np.random.Generator) -> str:
    hour, kind = spell_number(int(rng.integers(1, 13))), int(rng.integers(0, 5))
    minute = spell_number(int(rng.choice([5, 10, 20, 25])))
    said = (
        f"{hour} o'clock",
        f"half past {hour}",
        f"a quarter to {hour}",
        f"{minute} past {hour}",
        f"{hour} thirty",
    )
    return str(rng.choice(["Wake me up at {}.", "It is {}.", "set an alarm for {}", "at {}"])).format(
        said[kind]
    )


def _date(rng: np.random.Generator) -> str:
    day, month = spell_ordinal(int(rng.integers(1, 32))), str(rng.choice(MONTHS))
    frame = str(rng.choice(["We leave on the {} of {}.", "What happens on the {} of {}?", "the {} of {}"]))
    return frame.format(day, month)


def _price(rng: np.random.Generator) -> str:
    amount = spell_number(int(rng.integers(2, 1000)))
    unit = str(rng.choice(["dollars", "pounds", "cents", "percent", "francs"]))
    frame = str(rng.choice(["It costs {} {}.", "That makes {} {}.", "I paid {} {} for it.", "{} {}"]))
    phrase = frame.format(amount, unit)
    return phrase[0].upper() + phrase[1:]


def _place(rng: np.random.Generator) -> str:
    number = int(rng.integers(1, 100))
    frame = str(rng.choice(["chapter {}", "Chapter {}.", "room {}", "number {}", "page {}", "verse {}"]))
    return frame.format(spell_number(number))


_KINDS: tuple[Callable[[np.random.Generator], str], ...] = (
    _digits,
    _count,
    _year,
    _time,
    _date,
    _price,
    _place,
)


def number_phrases(count: int, seed: int = 0) -> Iterator[str]:
    """`count` phrases, the kinds equally often, fixed by the seed; a phrase may come twice."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield _KINDS[int(rng.integers(len(_KINDS)))](rng)
