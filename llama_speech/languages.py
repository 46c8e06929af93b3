"""Names of languages: codes (ISO 639-1) to the English names that prompts use, and back."""

from dataclasses import dataclass

from speech_core.errors import InputError

_NAMES = {
    "af": "Afrikaans", "ar": "Arabic", "be": "Belarusian", "bg": "Bulgarian", "bn": "Bengali",
    "bs": "Bosnian", "ca": "Catalan", "cs": "Czech", "cy": "Welsh", "da": "Danish", "de": "German",
    "el": "Greek", "en": "English", "es": "Spanish", "et": "Estonian", "eu": "Basque", "fa": "Persian",
    "fi": "Finnish", "fr": "French", "ga": "Irish", "gl": "Galician", "gu": "Gujarati", "he": "Hebrew",
    "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian",
    "is": "Icelandic", "it": "Italian", "ja": "Japanese", "ka": "Georgian", "kk": "Kazakh",
    "kn": "Kannada", "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian", "mk": "Macedonian",
    "ml": "Malayalam", "mr": "Marathi", "ms": "Malay", "mt": "Maltese", "ne": "Nepali", "nl": "Dutch",
    "no": "Norwegian", "pa": "Punjabi", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian",
    "ru": "Russian", "sk": "Slovak", "sl": "Slovenian", "sq": "Albanian", "sr": "Serbian",
    "sv": "Swedish", "sw": "Swahili", "ta": "Tamil", "te": "Telugu", "th": "Thai", "tl": "Tagalog",
    "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
_CODES = {name.casefold(): code for code, name in _NAMES.items()}


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
    code = _CODES.get(word) or (base if base in _NAMES else None)
    if code is None:
        hint = " is not detected" if word == "auto" else " is not known"
        raise InputError(f"language {text!r}{hint}: give a code such as en or a name such as English")
    return Language(code, _NAMES[code])


def require_language(text: str, supported: tuple[str, ...]) -> Language:
    """The same, refused with InputError if its code is not among `supported` (empty: any)."""
    language = find_language(text)
    if supported and language.code not in supported:
        known = ", ".join(f"{code} ({_NAMES.get(code, code)})" for code in supported)
        raise InputError(f"language {language.name} is not one this model was trained for: it knows {known}")
    return language
