"""How English forms can be said, for the check of readings: a parser of number words and tables of names."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from tts_frontend.languages.en import lexicon as lex
from tts_frontend.languages.en import units
from tts_frontend.languages.en.numbers import ONES, ORDINALS, SCALES, TENS
from tts_frontend.languages.en.rules.formulas import TEX
from tts_frontend.languages.en.rules.roman import value
from tts_frontend.verify import Tables, Words

SMALL: dict[str, int] = {word: number for number, word in enumerate(ONES)}
TENS_OF = {word: 10 * number for number, word in enumerate(TENS) if number > 1}
BIG = {word: 1000**number for number, word in enumerate(SCALES) if number > 0}
ORDINAL_ENDS = ("th", "ths", "first", "second", "third", "thirds")
ZEROS = frozenset(("o", "oh"))
FRACTION_WORDS = {"half": "two", "halves": "two", "quarter": "four", "quarters": "four", "a": "one"}


@lru_cache(maxsize=1)
def _base_forms() -> dict[str, str]:
    """Ordinals and plurals of number words, to the plain number word."""
    forms: dict[str, str] = dict(FRACTION_WORDS)
    for word in [*SMALL, *TENS_OF, *BIG, "hundred"]:
        ordinal = ORDINALS.get(word) or (word[:-1] + "ieth" if word.endswith("y") else word + "th")
        plural = word[:-1] + "ies" if word.endswith("y") else word + ("es" if word.endswith("x") else "s")
        forms |= {word: word, ordinal: word, ordinal + "s": word, plural: word, word + "pence": word}
    return forms | {"zeroth": "zero", "sixpence": "six"}


class _Run:
    """Number words added up one after the other; a word that does not fit starts a new number."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self._reset()

    def _reset(self) -> None:
        self.total, self.current, self.room, self.scale = 0, -1, _ALL, _ALL

    def close(self) -> None:
        """The number so far is complete."""
        if self.current >= 0 or self.total:
            self.out.append(str(self.total + max(self.current, 0)))
        self._reset()

    def zero(self) -> None:
        """A zero stands by itself."""
        self.close()
        self.out.append("0")

    def hundred(self) -> bool:
        """Multiply by a hundred; False where that is no number."""
        if not 0 < self.current < 100:
            return False
        self.current, self.room = self.current * 100, 100
        return True

    def big(self, size: int) -> bool:
        """Multiply by a thousand or more; False where that is no number."""
        if self.current < 0 or size >= self.scale:
            return False
        self.total, self.current, self.room, self.scale = self.total + self.current * size, 0, _ALL, size
        return True

    def small(self, number: int) -> None:
        """Add a number below a hundred, or start a new one with it where it does not fit."""
        if self.current >= 0 and self.room <= number:
            self.close()
        self.current = max(self.current, 0) + number
        self.room = 10 if number >= 20 else 1


_ALL = 1000**20


def digits_of(words: Sequence[str]) -> str | None:
    """Digits that a run of number words stands for, one number after the other; None when it is not numbers.

    "nineteen eighty four" is 1984, "two thousand five" 2005, "seven o eight" 708, "two and a half" 2 1 2.
    """
    forms, run = _base_forms(), _Run()
    for raw in words:
        word = "zero" if raw in ZEROS else forms.get(raw)
        if raw == "and":
            continue
        if word is None:
            return None
        if word == "zero":
            run.zero()
        elif word == "hundred":
            if not run.hundred():
                return None
        elif word in BIG:
            if not run.big(BIG[word]):
                return None
        else:
            run.small(TENS_OF.get(word, SMALL.get(word, 0)))
        if raw.endswith(ORDINAL_ENDS):
            run.close()  # nothing is added to an ordinal: "twentieth two thousand" are two numbers
    run.close()
    return "".join(run.out)


def _split(text: str) -> Words:
    return tuple(word.lower() for word in text.replace("'", " ").split())


def readings(run: str) -> Sequence[Words]:
    """Ways to say a run of letters other than as it stands."""
    low = run.lower()
    ways: list[str] = []
    for table in (lex.ABBREVIATIONS, lex.STREET_TYPES, lex.DIRECTIONS, lex.WEEKDAY_OF, lex.MONTH_OF):
        if low in table:
            ways.append(table[low])
    ways += [lex.STATES[run]] if run in lex.STATES else []
    ways += [lex.OLD_STATES[run]] if run in lex.OLD_STATES else []
    ways += list(units.UNITS.get(run, ())) + list(units.CASELESS_UNITS.get(low, ()))
    ways += list(units.CURRENCIES.get(run, ()))
    ways += [units.MAGNITUDES[run]] if run in units.MAGNITUDES else []
    ways += [units.PER_UNITS[run]] if run in units.PER_UNITS else []
    ways += [TEX[run]] if run in TEX else []
    ways += [lex.GREEK[run]] if run in lex.GREEK else []
    ways += _EXTRA.get(low, ())
    if run.endswith("s"):
        ways.append(" ".join([*run[:-1].lower(), "s"]))
    camel = "".join(" " + c if c.isupper() else c for c in run).split()
    return [_split(way) for way in ways] + ([tuple(part.lower() for part in camel)] if len(camel) > 1 else [])


_EXTRA: dict[str, tuple[str, ...]] = {
    "st": ("saint", "street"),
    "dr": ("doctor", "drive"),
    "ste": ("saint", "suite"),
    "c": ("celsius", "cetera", "with", "cubic"),
    "f": ("degrees fahrenheit", "fahrenheit"),
    "q": ("quarter",),
    "h": ("half", "hours", "hour", "o'clock"),
    "jpg": ("jpeg",),
    "x": ("times", "by"),
    "sq": ("square",),
    "cu": ("cubic",),
    "d": ("pence", "penny"),
    "s": ("shillings", "shilling"),
    "w": ("with", "without"),
    "cal": ("caliber",),
    "e": ("east",),
    "usd": ("us dollars",),
}
_MUST = {
    "%",
    "‰",
    "&",
    "=",
    "+",
    "±",
    "×",
    "÷",
    "°",
    "º",
    "@",
    "√",
    "∞",
    "©",
    "®",
    "™",
    "§",
    "≤",
    "≥",
    "≠",
    "≈",
}
_WAYS: dict[str, tuple[str, ...]] = {
    "-": ("to", "minus", "dash"),
    "–": ("to", "minus", "dash"),
    "—": ("to", "minus", "dash"),
    "−": ("to", "minus", "dash"),
    "/": ("slash", "over", "per", "divided by", "without", "because"),
    "#": ("number", "hash"),
    "*": ("times", "asterisk"),
    "^": ("to the power of", "caret"),
    "~": ("about", "tilde"),
    ":": ("seconds", "second", "to", "colon"),
    "&": ("et", "and"),
    "×": ("times", "by"),
    "+": ("plus",),
    "º": ("degrees", "degree", "first"),
    "ª": ("first",),
    "°": ("degrees", "degree"),
    "'": ("feet", "foot", "minutes"),
    "’": ("feet", "foot"),
    "′": ("feet", "foot"),
    '"': ("inches", "inch"),
    "″": ("inches", "inch"),
    "¢": ("cents", "cent"),
    ".": (),
    "|": ("bar",),
}


def signs(sign: str) -> Sequence[Words]:
    """Ways to say a sign; () where it may be left unsaid."""
    names = list(_WAYS.get(sign, ()))
    if sign in lex.SYMBOLS:
        names.append(lex.SYMBOLS[sign])
    if sign in units.CURRENCIES:
        names += units.CURRENCIES[sign]
    if sign in lex.POWERS:
        names += [lex.POWERS[sign], units.SQUARED.get(sign, "square"), "squared", "cubed"]
    if sign in lex.VULGAR:
        names += _fraction_names(sign)
    ways = [_split(name) for name in names] + [(word,) for word in _split(unicodedata.name(sign, ""))]
    full = _split(unicodedata.name(sign, "").replace("-", " "))
    ways += [full] if full else []
    must = sign in _MUST or sign in lex.POWERS or sign in units.CURRENCIES or sign in lex.VULGAR
    return ways if must else [*ways, ()]


def _fraction_names(sign: str) -> list[str]:
    from tts_frontend.languages.en.rules.fractions import fraction_words

    top, bottom = lex.VULGAR[sign]
    words = fraction_words("", str(top), str(bottom)) or ""
    return [words, "a half"] if (top, bottom) == (1, 2) else [words]


def month(word: str) -> str | None:
    """The number of a month."""
    name = word.capitalize()
    return str(lex.MONTHS.index(name) + 1) if name in lex.MONTHS else None


JOINING = frozenset(
    ["the", "of", "and", "to", "s", "st", "nd", "rd", "th", "d", "over", "one", "hundred", "a", "ths", "rds"]
) - {
    "one",
    "hundred",
    "a",
}
_PARTS = (
    "shilling shillings clock p m hour hours minute minutes second seconds quarter half "
    "caliber special magnum acp"
)
SEPARATED = frozenset(_PARTS.split(" ")) | {
    word.lower() for names in units.CURRENCIES.values() for name in names for word in name.split()
}


def power(run: str, digit: str) -> Sequence[Words]:
    """Ways to say the 2 of "m2"."""
    if digit not in units.SQUARED or not (
        run in units.UNITS or run in units.PER_UNITS or run.lower() in units.CASELESS_UNITS
    ):
        return ()
    name = units.SQUARED[digit]
    return (name,), ("squared" if name == "square" else "cubed",)


def tables() -> Tables:
    """The English tables of `verify.problems`."""
    return Tables(
        readings=readings,
        signs=signs,
        numbers=digits_of,
        number_words=frozenset(_base_forms()) | ZEROS | {"and"},
        roman=lambda text: (
            value(text.upper()) if text.isupper() or text.islower() else value(text.rstrip("thsndre"))
        ),
        month=month,
        joining=JOINING,
        separated=SEPARATED,
        zeros=ZEROS,
        point=frozenset(("point", "dot")),
        power=power,
        decimal=".",
        grouped=re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?!\d)"),
    )
