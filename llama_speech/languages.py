"""Names of languages: codes (ISO 639-1) to the English names that prompts use, and back."""

from dataclasses import dataclass

from speech_core.errors import InputError
from speech_core.languages import LANGUAGE_NAMES

_CODES = {name.casefold(): code for code, name in LANGUAGE_NAMES.items()}


@dataclass(frozen=True)
class Language:
    """A language by its code and its English name."""

    code: str
    name: str


def find_language(text: str) -> Language:
    """The language of a code or an English name, upper or lower case; regions are ignored (`en-GB`).

    Raises InputError if it is not known.
    """
    word = text.strip().casefold()
    base = word.replace("_", "-").split("-")[0]
    code = _CODES.get(word) or (base if base in LANGUAGE_NAMES else None)
    if code is None:
        hint = " is not detected" if word == "auto" else " is not known"
        raise InputError(f"language {text!r}{hint}: give a code such as en or a name such as English")
    return Language(code, LANGUAGE_NAMES[code])


def require_language(text: str, supported: tuple[str, ...]) -> Language:
    """The same, refused with InputError if its code is not among `supported` (empty: any)."""
    language = find_language(text)
    if supported and language.code not in supported:
        known = ", ".join(f"{code} ({LANGUAGE_NAMES.get(code, code)})" for code in supported)
        raise InputError(f"language {language.name} is not one this model was trained for: it knows {known}")
    return language
