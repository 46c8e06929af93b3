"""Parse a spoken form back and compare it with the written one: nothing dropped, invented or changed.

Independent of the rules: the written form is cut into digits, words and signs; every word and every sign
that carries meaning (currency, unit, percent, operator) must be found among the spoken words; what is left
must be numbers, whose digits must be those of the written form, or words that join numbers. A point between
digits must be said unless the words show that it separates money, times or dates.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations

from tts_frontend.text_tokens import NO_LETTER

Words = tuple[str, ...]

ELEMENTS = re.compile(rf"[^{NO_LETTER}]+(?:[\u0300-\u036f][^{NO_LETTER}]*)*|\d+|\s+|[\s\S]")
SEPARATES = re.compile(r"[^\d\s.,-]")
"""What written form may hold parts of money, times and the like: not digits alone."""
PAUSE = re.compile(r"[,;]")
WORDS = re.compile(r"[^\W_]+(?:[\u0300-\u036f][^\W_]*)*")


@dataclass(frozen=True)
class Tables:
    """What the check needs to know of a language.

    readings: every way to say a run of letters, beside as it stands and letter by letter;
    signs: every way to say a sign; a sign that may be left unsaid has () among them;
    numbers: digits of a run of number words, each word of a run being in `number_words`;
    joining: words that may stand between numbers without being written;
    separated: words that show that a full stop between digits was not a decimal point;
    month: number of a month's name, or None; zeros: short words for zero; one_of: words for one in fractions;
    point: words for a decimal point;
    grouped: a number with marks between its thousands; decimal: the characters that may be a decimal point;
    power: ways to say a digit that follows a run of letters as a power, as in "m2".
    """

    readings: Callable[[str], Sequence[Words]]
    signs: Callable[[str], Sequence[Words]]
    numbers: Callable[[Sequence[str]], str | None]
    number_words: frozenset[str]
    roman: Callable[[str], int]
    month: Callable[[str], str | None]
    joining: frozenset[str]
    separated: frozenset[str]
    zeros: frozenset[str]
    point: frozenset[str]
    power: Callable[[str, str], Sequence[Words]]
    grouped: re.Pattern[str]
    decimal: str


def _spelled(word: str) -> Words:
    out: list[str] = []
    for char in word:
        if unicodedata.combining(char) and out:
            out[-1] += char
        else:
            out.append(char)
    return tuple(out)


def _find(words: list[str | None], wanted: Words) -> int | None:
    """Index of the last place where `wanted` stands in `words`."""
    size = len(wanted)
    for index in range(len(words) - size, -1, -1):
        if tuple(words[index : index + size]) == wanted:
            return index
    return None


def _take(words: list[str | None], ways: Sequence[Words]) -> bool:
    """Strike out the longest of `ways` that is found; True when one is, or when nothing need be said."""
    for way in sorted(ways, key=len, reverse=True):
        if not way:
            return True
        index = _find(words, way)
        if index is not None:
            words[index : index + len(way)] = [None]
            return True
    return False


def problems(written: str, spoken: str, tables: Tables) -> list[str]:
    """What `spoken` drops, invents or changes of `written`, one line each; empty when nothing."""
    written = tables.grouped.sub(lambda m: re.sub(r"\D", "", m[0]), unicodedata.normalize("NFC", written))
    words: list[str | None] = []
    for part in PAUSE.split(unicodedata.normalize("NFC", spoken)):
        words += [*(word.lower() for word in WORDS.findall(part)), None]
    if any(word and any(c.isdecimal() for c in word) for word in words):
        return ["a digit is left unsaid"]
    elements = [e for e in ELEMENTS.findall(written) if not e.isspace()]
    found: list[str] = []
    fields: list[str] = []
    for index, element in enumerate(elements):
        if element[0].isdecimal():
            powers = tables.power(elements[index - 1], element) if index else ()
            if powers and _take(words, powers):
                continue
            fields.append("".join(str(int(c)) for c in element if c.isdecimal()))
        elif element[0].isalpha():
            _check_letters(element, elements[:index], words, fields, found, tables)
        elif not _take(words, tables.signs(element)) and element not in elements[:index]:
            found.append(f"the sign {element!r} is not said")
    numbers, rest = _split_numbers(words, tables, bool(fields))
    if not SEPARATES.search(written):
        rest += [word for word in words if word in tables.separated - tables.number_words]
    found += [f"the word {word!r} is not written" for word in rest]
    if not found:
        found = _compare_digits(written, fields, numbers, spoken, tables)
    return found


def _check_letters(
    element: str,
    before: list[str],
    words: list[str | None],
    fields: list[str],
    found: list[str],
    tables: Tables,
) -> None:
    """Strike out how a run of letters is said, or note it as dropped; a Roman numeral may be said as a
    number.
    """
    low = element.lower()
    ways = [(low,), _spelled(low), *tables.readings(element)]
    if before and (before[-1][-1].isdecimal() or before[-1] in "'’") and low in tables.joining:
        ways.append(())
    if _take(words, ways):
        return
    value = tables.roman(element)
    if value:
        fields.append(str(value))
    else:
        found.append(f"the word {element!r} is not said")


def _split_numbers(words: list[str | None], tables: Tables, any_digits: bool) -> tuple[list[str], list[str]]:
    """Digits of the runs of number words, in order, and the words that belong to nothing."""
    numbers: list[str] = []
    rest: list[str] = []
    run: list[str] = []

    def close() -> None:
        if run:
            digits = tables.numbers(run)
            if digits is None:
                rest.extend(run)
            else:
                numbers.append(digits)
            run.clear()

    for word in words:
        if word is None:
            close()
        elif word in tables.number_words and (any_digits or word not in tables.zeros):
            run.append(word)
        else:
            close()
            month = tables.month(word)
            if month is not None and any_digits:
                numbers.append(month)
            elif word not in tables.joining and word not in tables.separated and word not in tables.point:
                rest.append(word)
    close()
    return numbers, rest


def _compare_digits(
    written: str, fields: list[str], numbers: list[str], spoken: str, tables: Tables
) -> list[str]:
    said = "".join(numbers)
    words = set(WORDS.findall(spoken.lower()))
    apart = bool(words & tables.separated) or any(tables.month(w) for w in words)
    clock = "afternoon" if {"p", "m"} <= words else "hours" if ":" in written else ""
    orders = permutations(fields) if 1 < len(fields) <= 3 and apart else [tuple(fields)]
    if not any(_matches(order, said, apart, apart and not words & tables.point, clock) for order in orders):
        return [f"written digits {' '.join(fields)} are said as {' '.join(numbers)}"]
    points = len(re.findall(rf"(?<!\d\. )(?:(?<=\d)|(?<![\w.]))[{tables.decimal}](?=\d)", written))
    singly = all(len(number) == len(re.findall(r"\w+", spoken)) or len(number) <= 4 for number in numbers)
    if points and not words & tables.point and not apart and not (singly and len(fields) > 2):
        return ["the decimal point is not said"]
    return []


def _matches(fields: Sequence[str], said: str, apart: bool, hundredths: bool, clock: str) -> bool:
    """Whether `said` is the fields one after the other, each with or without its leading zeros.

    With a colon (`clock`) 05 may be five, and 17 in the afternoon. In money and times (`apart`) a field of
    zeros may be left out; ".5" may be said as 50 `hundredths`.
    """
    ends = {0}
    for field in fields:
        bare = field.lstrip("0")
        if apart and len(field) == 2 and clock == "afternoon" and 12 < int(field) < 24:
            bare = str(int(field) - 12)
        ways = {field, bare or "0"} if apart or clock else {field}
        if hundredths:
            ways |= {field.rstrip("0").ljust(2, "0"), field.rstrip("0").ljust(2, "0").lstrip("0")}
        if apart and not bare.strip("0"):
            ways |= {""}
        ends = {end + len(way) for end in ends for way in ways if said.startswith(way, end)}
    return len(said) in ends
