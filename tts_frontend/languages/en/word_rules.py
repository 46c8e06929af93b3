"""English word forms by rule: plurals, possessives, past tense, -ing, contractions, and the names of letters.

A rule says which words a form may be made of and how its ending sounds; whether those words are known is the
lexicon's business. Endings as in any phonetics of English: -s is S, Z or IH0 Z by what stands before it.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tts_frontend.languages.en.phones import base_of, canonical, is_voiced

Phones = tuple[str, ...]

LETTERS = {
    letter: tuple(phones.split())
    for letter, phones in {
        "a": "EY1", "b": "B IY1", "c": "S IY1", "d": "D IY1", "e": "IY1", "f": "EH1 F", "g": "JH IY1",
        "h": "EY1 CH", "i": "AY1", "j": "JH EY1", "k": "K EY1", "l": "EH1 L", "m": "EH1 M", "n": "EH1 N",
        "o": "OW1", "p": "P IY1", "q": "K Y UW1", "r": "AA1 R", "s": "EH1 S", "t": "T IY1", "u": "Y UW1",
        "v": "V IY1", "w": "D AH1 B AH0 L Y UW0", "x": "EH1 K S", "y": "W AY1", "z": "Z IY1",
    }.items()
}  # fmt: skip
_SIBILANTS = frozenset(["S", "Z", "SH", "ZH", "CH", "JH"])
_SILENT_E = re.compile(
    r"(^|[^aeiou])[aeiouy][bcdfgklmnpstvz]$|^[^aeiou]*[aeiouy]r$|[^aeiou][cgsuvz]$|[^aeiou]l$"
)
_DOUBLED = re.compile(r"([bcdgklmnprstvxz])\1$")


class Form(NamedTuple):
    """A word and the ending it may have taken: s, ed, ing, or a contraction's own letters."""

    stem: str
    ending: str


def forms(word: str) -> Iterator[Form]:
    """What a word in small letters may be made of, the likelier first."""
    for ending in ("'ll", "'ve", "'re", "'d", "n't"):
        if word.endswith(ending) and len(word) > len(ending):
            yield Form(word.removesuffix(ending), ending)
    if word.endswith("'s") or word.endswith("s'"):
        yield Form(word[:-2] if word.endswith("'s") else word[:-1], "s" if word.endswith("'s") else "")
        if word.endswith("s'"):
            yield Form(word[:-2], "s")
    elif word.endswith("'"):
        yield Form(word[:-1], "")
    elif word.endswith("s") and not word.endswith("ss") and len(word) > 2:
        yield from (Form(stem, "s") for stem in _without_s(word))
    elif word.endswith("ed") and not word.endswith("eed") and len(word) > 3:
        yield from (Form(stem, "ed") for stem in _without_vowel_ending(word, word[:-2]))
    elif word.endswith("ing") and len(word) > 4:
        yield from (Form(stem, "ing") for stem in _without_vowel_ending(word, word[:-3]))


def _without_s(word: str) -> Iterator[str]:
    yield word[:-1]
    if word.endswith("ies") and len(word) > 4:
        yield word[:-3] + "y"
    elif word.endswith("es") and len(word) > 3:
        yield word[:-2]


def _without_vowel_ending(word: str, stem: str) -> Iterator[str]:
    doubled = len(stem) > 3 and _DOUBLED.search(stem)
    if doubled and stem[-1] not in "lsz":  # stopped is of stop, but called of call
        yield stem[:-1]
    if _SILENT_E.search(stem):
        yield stem + "e"  # hoped is of hope: hop would be doubled
    yield stem
    yield stem + "e"
    if doubled:
        yield stem[:-1]
    if word.endswith("ied"):
        yield stem[:-1] + "y"


def add_ending(stem: Phones, ending: str) -> Phones:
    """Phones of a word with an ending of `forms`."""
    last = base_of(stem[-1])
    if ending == "s":
        if last in _SIBILANTS:
            return (*stem, "IH0", "Z")
        return (*stem, "Z" if is_voiced(stem[-1]) else "S")
    if ending == "ed":
        if last in ("T", "D"):
            return (*stem, "IH0", "D")
        return (*stem, "D" if is_voiced(stem[-1]) else "T")
    vowel = stem[-1][-1] in "012"
    joined = {
        "": (),
        "ing": ("IH0", "NG"),
        "'ll": ("L",) if vowel and last != "ER" else ("AH0", "L"),
        "'ve": ("V",) if vowel and last != "ER" else ("AH0", "V"),
        "'re": ("R",) if vowel else ("ER0",),
        "'d": ("D",) if vowel or last in ("R", "L", "N", "M") else ("AH0", "D"),
        "n't": ("AH0", "N", "T"),
    }[ending]
    return canonical((*(stressed(stem, "1") if ending == "ing" else stem), *joined))


def stressed(phones: Phones, stress: str) -> Phones:
    """The phones with that stress on a vowel where no vowel has as much: the most stressed one, or the first.

    stress: "1", or "2", which changes only what has no stress at all.
    """
    marks = [phone[-1] for phone in phones]
    if "1" in marks or (stress == "2" and "2" in marks) or not {"0", "2"} & set(marks):
        return phones
    place = marks.index("2" if "2" in marks else "0")
    return (*phones[:place], phones[place][:-1] + stress, *phones[place + 1 :])


def spell(word: str) -> Phones:
    """Letters by name, the last one with primary stress; anything that is no letter is left out.

    >>> spell("pc")
    ('P', 'IY2', 'S', 'IY1')
    """
    names = [LETTERS[letter] for letter in word.lower() if letter in LETTERS]
    weak = [tuple(phone.replace("1", "2") for phone in name) for name in names[:-1]]
    return tuple(phone for name in (*weak, *names[-1:]) for phone in name)
