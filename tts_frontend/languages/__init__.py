"""One folder per language: data, rules and the parser that checks them, behind one small interface."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module

from tts_frontend.config import LANGUAGES
from tts_frontend.inventory import Inventory


@dataclass(frozen=True)
class Language:
    """What the normalizer needs from a language.

    plain: whether an unspaced chunk of text is read as it stands (words and sentence punctuation, nothing to
    expand); literal: a reading that is always right, if clumsy: digits one by one, symbols by name, words as
    they are; problems: what a spoken form drops, invents or changes of a written one, empty when nothing;
    variants: other wordings of a rule's reading that mean the same, for recognising them in other people's
    text.
    """

    code: str
    inventory: Inventory
    plain: Callable[[str], bool]
    literal: Callable[[str], str]
    problems: Callable[[str, str], list[str]]
    variants: Callable[[str, str], tuple[str, ...]]


@lru_cache(maxsize=len(LANGUAGES))
def load_language(code: str) -> Language:
    """The language with this code, built once. Codes are those of `config.LANGUAGES`."""
    language: Language = import_module(f"tts_frontend.languages.{code}").build()
    return language
