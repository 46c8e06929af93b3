"""Spoken numbers as people say them: digits, counts, years, times, dates, prices, all in words.

Written sentences have them in digits, whose reading is open, so they are made here with the reading known.
"""

from collections.abc import Callable, Iterator

import numpy as np

_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["-", "-", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
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
    """A whole number below a million in words, American style: 640 is six hundred forty."""
    if number < 20:
        return _ONES[number]
    if number < 100:
        rest = f"-{_ONES[number % 10]}" if number % 10 else ""
        return _TENS[number // 10] + rest
    if number < 1000:
        rest = f" {spell_number(number % 100)}" if number % 100 else ""
        return f"{_ONES[number // 100]} hundred{rest}"
    rest = f" {spell_number(number % 1000)}" if number % 1000 else ""
    return f"{spell_number(number // 1000)} thousand{rest}"


def spell_ordinal(number: int) -> str:
    """The ordinal of a whole number below a million: 23 is twenty-third."""
    words = spell_number(number)
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    head, last = words[:cut], words[cut:]
    if last in _ORDINALS:
        return head + _ORDINALS[last]
    return head + (last[:-1] + "ieth" if last.endswith("y") else last + "th")


def spell_year(year: int) -> str:
    """A year from 1100 to 2099 as it is said: 1905 is nineteen oh five."""
    first, second = divmod(year, 100)
    if first == 20 and second < 10:
        return spell_number(year)
    if second == 0:
        return f"{spell_number(first)} hundred"
    return f"{spell_number(first)} {'oh ' if second < 10 else ''}{spell_number(second)}"


def _digits(rng: np.random.Generator) -> str:
    count = int(rng.choice([3, 4, 5, 7, 10]))
    digits = [_ONES[int(digit)] for digit in rng.integers(0, 10, count)]
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
    hour, kind = _ONES[int(rng.integers(1, 13))], int(rng.integers(0, 5))
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
    day, month = spell_ordinal(int(rng.integers(1, 32))), str(rng.choice(_MONTHS))
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
