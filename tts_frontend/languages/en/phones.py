"""English phones: ARPAbet with stress, their classes, and the one-letter IPA of misaki, Kokoro and hibari.

The inventory is that of CMUdict (Carnegie Mellon University) and one pause. Unstressed AH followed by R in a
word is written ER0, as CMUdict mostly does: the two are not told apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from speech_core.errors import InputError

_CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH"
_VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW"
_UNVOICED = "CH F HH K P S SH T TH SIL"

SILENCE = "SIL"
CONSONANTS = tuple(_CONSONANTS.split())
VOWELS = tuple(_VOWELS.split())
PHONES = (SILENCE, *CONSONANTS, *(vowel + stress for vowel in VOWELS for stress in "012"))
"""The index of a phone is its id. Stress: 0 none, 1 primary, 2 secondary."""
PHONE_IDS = {symbol: number for number, symbol in enumerate(PHONES)}

_KIND_OF = {
    "stop": "B D G K P T",
    "affricate": "CH JH",
    "fricative": "DH F HH S SH TH V Z ZH",
    "nasal": "M N NG",
    "liquid": "L R",
    "glide": "W Y",
    "silence": SILENCE,
}
_KINDS = {base: kind for kind, bases in _KIND_OF.items() for base in bases.split()}


def base_of(symbol: str) -> str:
    """The phone without its stress: AH0 -> AH."""
    return symbol.rstrip("012")


def stress_of(symbol: str) -> int | None:
    """0, 1 or 2 for a vowel, None for the others."""
    return int(symbol[-1]) if symbol[-1] in "012" else None


def kind_of(symbol: str) -> str:
    """Its class: silence, stop, ..., glide, or vowel. Raises InputError for a symbol not in the inventory."""
    if symbol not in PHONE_IDS:
        raise InputError(f"{symbol!r} is not a phone: use ARPAbet such as HH AH0 L OW1, or SIL")
    return _KINDS.get(base_of(symbol), "vowel")


def is_vowel(symbol: str) -> bool:
    """Whether it is one of VOWELS, with stress."""
    return kind_of(symbol) == "vowel"


def is_voiced(symbol: str) -> bool:
    """Whether the vocal folds swing in it, as a rule."""
    return symbol not in _UNVOICED.split()


def canonical(phones: Sequence[str]) -> tuple[str, ...]:
    """One word's phones with AH0 R as ER0."""
    result: list[str] = []
    for phone in phones:
        if phone == "R" and result and result[-1] == "AH0":
            result[-1] = "ER0"
        else:
            result.append(phone)
    return tuple(result)


def parse_phones(text: str) -> tuple[str, ...]:
    """`HH AH0 L OW1` as phones in canonical form. Raises InputError for one that is not in the inventory.

    A vowel without a digit is unstressed.
    """
    phones = [symbol + "0" if symbol in VOWELS else symbol for symbol in text.upper().split()]
    for phone in phones:
        kind_of(phone)
    return canonical(phones)


_PRIMARY, _SECONDARY = "ˈ", "ˌ"
_IPA_CONSONANTS = {
    "B": "b", "CH": "ʧ", "D": "d", "DH": "ð", "F": "f", "G": "ɡ", "HH": "h", "JH": "ʤ", "K": "k", "L": "l",
    "M": "m", "N": "n", "NG": "ŋ", "P": "p", "R": "ɹ", "S": "s", "SH": "ʃ", "T": "t", "TH": "θ", "V": "v",
    "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ",
}  # fmt: skip
_IPA_VOWELS = {
    "AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "W", "AY": "I", "EH": "ɛ", "ER": "ɜɹ", "EY": "A",
    "IH": "ɪ", "IY": "i", "OW": "O", "OY": "Y", "UH": "ʊ", "UW": "u",
}  # fmt: skip
_REDUCED = {"AH": "ə", "ER": "əɹ"}  # unstressed
_VOWEL_LETTERS = {letters: base for base, letters in _IPA_VOWELS.items()} | {
    "ə": "AH", "ᵊ": "AH", "ɐ": "AH", "ᵻ": "IH", "əɹ": "ER", "ᵊɹ": "ER", "ɚ": "ER", "ɜ": "ER", "a": "AA",
    "ɒ": "AA", "e": "EY", "o": "OW", "Q": "OW", "y": "UW", "ɨ": "IH", "ø": "ER", "œ": "ER",
}  # fmt: skip
_CONSONANT_LETTERS = {letter: base for base, letter in _IPA_CONSONANTS.items()} | {
    "T": "T", "ɾ": "T", "ʔ": "T", "g": "G", "r": "R", "ʀ": "R", "ʁ": "R", "x": "K", "ç": "HH", "ɬ": "L",
    "ʎ": "L", "β": "V", "ɣ": "G",
}  # fmt: skip
"""Letters beyond English, which readings of names bring, become the nearest English phone."""


@dataclass(frozen=True)
class IpaUnit:
    """A piece of an IPA string: characters start to end (exclusive), with the stress mark before a vowel.

    symbol: the phone, or "" for anything else (spaces, punctuation, unknown letters).
    """

    symbol: str
    start: int
    end: int


def read_ipa(text: str) -> tuple[IpaUnit, ...]:
    """All of a one-letter IPA string in pieces that join up, each phone with its characters.

    A stress mark belongs to the next vowel of its word, also over consonants between (it then stays a piece
    of its own). Flaps and glottal stops are T.
    """
    units: list[IpaUnit] = []
    stress, place = "0", 0
    while place < len(text):
        letters = next(
            (text[place : place + n] for n in (2, 1) if text[place : place + n] in _VOWEL_LETTERS), ""
        )
        if letters:
            start = place
            if units and stress != "0" and text[units[-1].start : units[-1].end] in (_PRIMARY, _SECONDARY):
                start = units.pop().start
            units.append(IpaUnit(_VOWEL_LETTERS[letters] + stress, start, place + len(letters)))
            stress = "0"
        else:
            letters = text[place]
            units.append(IpaUnit(_CONSONANT_LETTERS.get(letters, ""), place, place + 1))
            stress = {_PRIMARY: "1", _SECONDARY: "2", " ": "0"}.get(letters, stress)
        place += len(letters)
    return tuple(units)


def from_ipa(text: str) -> tuple[str, ...]:
    """Phones of a one-letter IPA string; spaces, punctuation and unknown letters are left out."""
    return tuple(unit.symbol for unit in read_ipa(text) if unit.symbol)


def to_ipa(phones: Sequence[str]) -> str:
    """One word's phones in one-letter IPA, a T flapped as misaki writes it: `from_ipa` gives them back."""
    phones = canonical([phone for phone in phones if phone != SILENCE])
    return "".join(
        "T" if phone == "T" and _is_flapped(phones, place) else _letters(phone)
        for place, phone in enumerate(phones)
    )


def _letters(phone: str) -> str:
    kind_of(phone)
    base, stress = base_of(phone), stress_of(phone)
    if stress is None:
        return _IPA_CONSONANTS[base]
    letters = _REDUCED.get(base, _IPA_VOWELS[base]) if stress == 0 else _IPA_VOWELS[base]
    return ("", _PRIMARY, _SECONDARY)[stress] + letters


def _is_flapped(phones: Sequence[str], place: int) -> bool:
    """A T after a vowel or R and before an unstressed vowel; not before AH0 N, as in button."""
    if place == 0 or place + 1 == len(phones) or stress_of(phones[place + 1]) != 0:
        return False
    syllabic_n = tuple(phones[place + 1 : place + 3]) == ("AH0", "N")
    return not syllabic_n and (is_vowel(phones[place - 1]) or phones[place - 1] == "R")
