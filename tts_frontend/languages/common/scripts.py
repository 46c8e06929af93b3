"""Words of other scripts in Latin letters, so that they can be read aloud.

Latin letters lose their accents; Greek and Cyrillic go by a table; scripts whose letters Unicode names by
their sound (kana, Hangul, Devanagari and other scripts of India, Ethiopic, Georgian, Armenian, Thai and
more) go by that name: HIRAGANA LETTER KA is "ka", HANGUL SYLLABLE HAN is "han". Scripts that do not tell
their sound letter by letter, such as Chinese, Arabic and Hebrew, are left out.
"""

import unicodedata
from functools import lru_cache

_LETTERS = "абвгдеёжзийклмнопрстуфхцчшщъыьэюяіїєґўαβγδεζηθικλμνξοπρσςτυφχψωßæœøđðþłħŋıĸſ"
_SOUNDS = (
    "a b v g d e yo zh z i y k l m n o p r s t u f kh ts ch sh shch _ y _ e yu ya i yi ye g w "
    "a v g d e z i th i k l m n x o p r s s t i f kh ps o ss ae oe o d th th l h ng i k s"
)
_TABLE = dict(zip(_LETTERS, _SOUNDS.split(), strict=True))
_NO_SOUND = ("ARABIC ", "ARMENIAN ", "GEORGIAN ", "HEBREW ", "SYRIAC ", "THAANA ", "MODIFIER ")
_KINDS = (" LETTER ", " SYLLABLE ", " VOWEL SIGN ")


@lru_cache(maxsize=4096)
def _latin_of(char: str) -> str:
    """One character in small Latin letters, "" when it has no sound of its own."""
    lower = char.lower()
    if lower.isascii():
        return lower if lower.isalpha() or lower == "'" else ""
    if lower in _TABLE:
        return _TABLE[lower].strip("_")
    plain = unicodedata.normalize("NFKD", lower)
    if plain[0] != lower[0] and not unicodedata.name(char, "").startswith("HANGUL"):
        return "".join(_latin_of(part) for part in plain)
    return _named_sound(unicodedata.name(char, ""))


def _named_sound(name: str) -> str:
    """The sound a Unicode name gives: the last word behind LETTER, SYLLABLE or VOWEL SIGN."""
    kind = next((kind for kind in _KINDS if kind in name), None)
    if kind is None or name.startswith(_NO_SOUND):
        return ""
    sound = name.split(kind)[1].split(" WITH ")[0].split()[-1].lower()
    if kind == " VOWEL SIGN ":
        return "-" + sound
    return "".join(letter for letter in sound if "a" <= letter <= "z")


def to_latin(word: str) -> str:
    """A word in small Latin letters and apostrophes, "" when nothing of it can be read.

    A vowel sign takes the place of the vowel its consonant's name ends with.

    >>> [to_latin(word) for word in ("Москва", "café", "こんにちは", "नमस्ते", "日本")]
    ['moskva', 'cafe', 'konnitiha', 'namaste', '']
    """
    latin = ""
    for char in word.replace("\u2019", "'"):
        sound = _latin_of(char)
        if unicodedata.name(char, "").endswith("SIGN VIRAMA"):
            latin = latin.removesuffix("a")
        elif sound.startswith("-"):
            latin = latin.removesuffix("a") + sound[1:]
        else:
            latin += sound
    return latin
