"""Words to phones: the user's lexicon, weak forms, homographs, lexicon, rules for forms, letters to sound.

What is asked first wins. A word of letters that none of these knows is still read; what has no letters that
can be read (Chinese, a lone sign) has no phones.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from torch import Tensor

from speech_core.checkpoint import read_json
from speech_core.events import SpokenWord
from tts_frontend.homographs import HomographChooser, Surroundings
from tts_frontend.languages.common.scripts import to_latin
from tts_frontend.languages.en.phones import is_vowel
from tts_frontend.languages.en.weak_forms import WAITING, Neighbours, weak_form
from tts_frontend.languages.en.word_rules import LETTERS, add_ending, forms, spell, stressed
from tts_frontend.pronunciation_letters import LetterReader
from tts_frontend.pronunciation_lexicon import Lexicon, Phones

LEXICON_FILE = "lexicon.zlib"
_CACHED_WORDS = 8192
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_PIECES = re.compile(r"[A-Z]{2,}(?=[A-Z][a-z])|[A-Z]?[a-z']+|[A-Z]+|\d|[^A-Za-z'\d]+")
_POSSESSIVE = re.compile(r"(.+)['\u2019]s|([A-Z]{2,5})s")
_PLURAL_ACRONYM = re.compile(r"[A-Z]{2,5}s")
_LONGEST_ACRONYM = 5
_VOWEL_LETTERS = frozenset("AEIOUY")


@dataclass(frozen=True)
class Need:
    """What must be known before a word can be said: so many words and Llama tokens behind it."""

    words: int = 0
    tokens: int = 0


@dataclass(frozen=True)
class WordContext:
    """What is known around a word. before: the nearest last; after: the nearest first; both with pauses.

    states (slots, d_llama), known (slots,) bool: of the Llama, as the homograph model wants them, or None.
    """

    before: tuple[SpokenWord, ...] = ()
    after: tuple[SpokenWord, ...] = ()
    states: Tensor | None = None
    known: Tensor | None = None


NO_CONTEXT = WordContext()


@dataclass(frozen=True)
class Choosers:
    """Homographs told apart with the Llama's states and without."""

    states: HomographChooser | None = None
    words: HomographChooser | None = None

    def of_width(self, d_llama: int) -> HomographChooser | None:
        """The one for states of this width; that without states where the model knows another Llama."""
        known = self.states is not None and self.states.model.config.d_llama == d_llama
        return self.states if known else self.words


class Pronouncer:
    """Phones of English words."""

    def __init__(
        self,
        lexicon: Lexicon,
        letters: LetterReader | None = None,
        choosers: Choosers | None = None,
        user: Mapping[str, Phones] | None = None,
    ) -> None:
        """user: words that go before everything else; a capital letter counts if the key has one."""
        self._lexicon, self._letters, self._user = lexicon, letters, dict(user or {})
        self.choosers = choosers or Choosers()
        self._read = lru_cache(maxsize=_CACHED_WORDS)(self._read_uncached)

    def need(self, word: SpokenWord, d_llama: int = 0) -> Need:
        """What must be known to say this word. d_llama: width of the Llama's states, 0 without them."""
        lower = word.text.lower()
        if self._of_user(word.text) is not None:
            return Need()
        chooser = self.choosers.of_width(d_llama)
        if chooser is not None and lower in chooser.words:
            config = chooser.model.config
            return Need(tokens=config.tokens_after) if config.d_llama else Need(words=config.words_after)
        return Need(words=1) if lower in WAITING and not word.punctuation else Need()

    def pronounce(self, word: SpokenWord, context: WordContext = NO_CONTEXT) -> Phones:
        """Its phones; () for a pause and for what cannot be read."""
        own = self._of_user(word.text)
        if own is not None or not word.text:
            return own or ()
        weak = weak_form(self._neighbours(word, context))
        return weak or self._homograph(word, context) or _capital_stress(word.text, self._read(word.text))

    def read(self, text: str) -> Phones:
        """Phones of one word without any neighbours; () when it cannot be read."""
        return self._of_user(text) or self._read(text)

    def _of_user(self, text: str) -> Phones | None:
        return self._user.get(text) or self._user.get(text.lower())

    def _neighbours(self, word: SpokenWord, context: WordContext) -> Neighbours:
        before, after = context.before[-1:], () if word.punctuation else context.after[:1]
        left = before[0].text if before and not before[0].punctuation else ""
        right = after[0].text if after else ""
        first = self.read(right)[:1] if right and word.text.lower() in WAITING else ()
        vowel = is_vowel(first[0]) if first else None
        return Neighbours(word.text, left, right, word.punctuation, vowel)

    def _homograph(self, word: SpokenWord, context: WordContext) -> Phones | None:
        chooser = self.choosers.of_width(0 if context.states is None else context.states.shape[-1])
        if chooser is None or word.text.lower() not in chooser.words:
            return None
        before = tuple((near.text, near.punctuation) for near in context.before)
        after = tuple((near.text, near.punctuation) for near in context.after)
        around = Surroundings(word.text, word.punctuation, before, after, context.states, context.known)
        return chooser.choose(around)

    def _read_uncached(self, text: str) -> Phones:
        lower = text.lower()
        if lower in LETTERS:
            return LETTERS[lower]
        if text.isdecimal():
            names = (_DIGITS[unicodedata.decimal(digit)] for digit in text)
            return tuple(phone for name in names for phone in self._read(name))
        known = self._lexicon.find(text)
        if known is None and not _PLURAL_ACRONYM.fullmatch(text):
            known = self._lexicon.find(lower)
        return known or self._by_rule(text) or self._by_letters(text)

    def _by_rule(self, text: str) -> Phones | None:
        """An acronym, a form of a known word, or a word of several pieces: OpenAI, rock'n'roll, x2."""
        if _is_acronym(text):
            return spell(text)
        owner = _POSSESSIVE.fullmatch(text)
        if owner:
            stem = self._read(owner[1] or owner[2])
            return add_ending(stem, "s") if stem else None
        for form in forms(text.lower()):
            known = self._lexicon.find(form.stem)
            if known:
                return add_ending(known, form.ending)
        pieces = _PIECES.findall(text)
        if len(pieces) < 2 or any(len(piece) == 1 and piece.islower() for piece in pieces):
            return None
        return tuple(phone for piece in pieces for phone in self._read(piece))

    def _by_letters(self, text: str) -> Phones:
        """What the letters sound like, in another script too; without a model they are spelled."""
        latin = to_latin(text)
        if latin != text.lower():
            return self._read(latin.capitalize() if text[:1].isupper() else latin) if latin else ()
        return (self._letters.read(text) if self._letters else ()) or spell(latin)


def _capital_stress(text: str, phones: Phones) -> Phones:
    """A word without stress (he, of) gets some where it has a capital, more when all are capitals."""
    if not text[:1].isupper() or len(text) < 2:
        return phones
    return stressed(phones, "1" if text.isupper() else "2")


def _is_acronym(text: str) -> bool:
    """Short, in capitals, and without a vowel to read it by (or of at most three letters)."""
    if not (text.isupper() and text.isascii() and text.isalpha() and len(text) <= _LONGEST_ACRONYM):
        return False
    return len(text) <= 3 or not _VOWEL_LETTERS & set(text)


def load_pronouncer(folder: Path, user: Mapping[str, Phones] | None = None) -> Pronouncer:
    """The Pronouncer of a bundle component. Raises CheckpointError when a file is missing or damaged."""
    from tts_frontend.pronunciation_model import load_parts

    lexicon = Lexicon.load(folder / LEXICON_FILE)
    letters, choosers = load_parts(folder, read_json(folder / "homographs.json"))
    return Pronouncer(lexicon, letters, choosers, user)
