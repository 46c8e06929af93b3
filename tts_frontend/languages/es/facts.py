"""How Spanish forms can be said, for the check of readings."""

import re
from collections.abc import Sequence
from functools import lru_cache

from tts_frontend.languages.en.rules.roman import value
from tts_frontend.languages.es import lexicon as lex
from tts_frontend.languages.es.numbers import HUNDREDS, ORDINALS, TENS, UNITS
from tts_frontend.verify import Tables, Words

FRACTIONS = {
    "medio": 2,
    "tercio": 3,
    "cuarto": 4,
    "quinto": 5,
    "sexto": 6,
    "séptimo": 7,
    "octavo": 8,
    "noveno": 9,
    "décimo": 10,
}


@lru_cache(maxsize=1)
def _values() -> dict[str, int]:
    """Number words below a thousand and their values."""
    words = {word: number for number, word in enumerate(UNITS)}
    words |= {word: 10 * number for number, word in enumerate(TENS) if number > 1}
    words |= {word: 100 * number for number, word in enumerate(HUNDREDS) if number > 0}
    words |= {"cien": 100, "un": 1, "veintiún": 21, "una": 1}
    for number, word in enumerate(ORDINALS):
        words.setdefault(word, number)
        words.setdefault(word[:-1] + "a", number)
    for word, number in FRACTIONS.items():
        words[word] = words[word + "s"] = number
    return words


SCALES = {
    "millón": 10**6,
    "millones": 10**6,
    "billón": 10**12,
    "billones": 10**12,
    "trillón": 10**18,
    "trillones": 10**18,
}


def _size(number: int) -> int:
    """The size class of a number word: a smaller one may follow a larger one within a number."""
    return 1 if number < 30 and number not in (20,) else 10 if number < 100 else 100


def digits_of(words: Sequence[str]) -> str | None:
    """Digits that a run of number words stands for; None when it is not numbers."""
    out: list[str] = []
    total, thousands, current, room, open_ = 0, 0, 0, 1000, False

    def close() -> None:
        nonlocal total, thousands, current, room, open_
        if open_:
            out.append(str(total + thousands + current))
        total, thousands, current, room, open_ = 0, 0, 0, 1000, False

    for word in words:
        if word == "y":
            room = 10 if room == 10 else room
        elif word == "mil":
            if thousands:
                close()
            thousands, current, room, open_ = max(current, 1) * 1000, 0, 1000, True
        elif word in SCALES:
            total, thousands, current, room, open_ = (
                total + (thousands + current) * SCALES[word],
                0,
                0,
                1000,
                True,
            )
        else:
            number = _values().get(word)
            if number is None:
                return None
            size = _size(number)
            if open_ and (size >= room or number == 0):
                close()
            current, room, open_ = current + number, size, True
            if number == 0:
                close()
    close()
    return "".join(out)


def _split(text: str) -> Words:
    return tuple(text.lower().split())


def readings(run: str) -> Sequence[Words]:
    """Ways to say a run of letters other than as it stands."""
    ways = [lex.ABBREVIATIONS[run.lower()]] if run.lower() in lex.ABBREVIATIONS else []
    ways += list(lex.UNITS.get(run, ()))
    ways += [lex.PER_UNITS[run]] if run in lex.PER_UNITS else []
    ways += {
        "EE": ["estados"],
        "UU": ["unidos"],
        "Nº": ["número"],
        "nº": ["número"],
        "No": ["número"],
        "N": ["número"],
        "C": ["celsius"],
        "US": ["dólares", "dólar"],
    }.get(run, [])
    return [_split(way) for way in ways] + ([()] if run in ("º", "ª") else [])


def signs(sign: str) -> Sequence[Words]:
    """Ways to say a sign; () where it may be left unsaid."""
    names = [lex.SYMBOLS[sign]] if sign in lex.SYMBOLS else []
    names += {
        "-": ["a", "menos"],
        "–": ["a", "menos"],
        "—": ["a"],
        "/": ["por", "barra"],
        "°": ["grado"],
    }.get(sign, [])
    names += list(lex.CURRENCIES.get(sign, ()))
    names += [lex.POWERS[sign], lex.POWERS[sign] + "s"] if sign in lex.POWERS else []
    if sign in lex.VULGAR:
        names += {
            "½": ["un medio"],
            "⅓": ["un tercio"],
            "⅔": ["dos tercios"],
            "¼": ["un cuarto"],
            "¾": ["tres cuartos"],
        }[sign]
    must = sign in "%&=+±×÷°@" or sign in lex.CURRENCIES or sign in lex.VULGAR or sign in lex.POWERS
    ways = [_split(name) for name in names]
    return ways if must else [*ways, ()]


def power(run: str, digit: str) -> Sequence[Words]:
    """Ways to say the 2 of "m2"."""
    if digit not in lex.POWERS or run not in lex.UNITS:
        return ()
    return (lex.POWERS[digit],), (lex.POWERS[digit] + "s",)


def tables() -> Tables:
    """The Spanish tables of `verify.problems`."""
    return Tables(
        readings=readings,
        signs=signs,
        numbers=digits_of,
        number_words=frozenset(_values()) | frozenset(SCALES) | {"mil", "y"},
        roman=value,
        month=lambda word: str(lex.MONTHS.index(word) + 1) if word in lex.MONTHS else None,
        joining=frozenset(("de", "en", "y")),
        separated=frozenset(("en",)),
        zeros=frozenset(),
        point=frozenset(("punto", "coma")),
        power=power,
        decimal=".,",
        grouped=re.compile(r"(?<![\d.,])\d{1,3}(?:(?:[.\u00a0 ]\d{3})+|(?:,000)+)(?!\d)"),
    )
