"""Which chunks of English text are read as they stand, and the reading that is always right."""

import re
import unicodedata
from functools import lru_cache

from tts_frontend.languages.en.lexicon import (
    ABBREVIATIONS,
    BARE_ABBREVIATIONS,
    LETTER_WORDS,
    MONTH_OF,
    STREET_TYPES,
    SYMBOLS,
    WEEKDAY_OF,
)
from tts_frontend.languages.en.numbers import digits
from tts_frontend.text_tokens import NO_LETTER, kind_of

PLAIN = re.compile(
    rf"[\"'“‘(]{{0,2}}([^{NO_LETTER}]+(?:['’-][^{NO_LETTER}]+)*)([,.;:!?]?[\"'”’)]{{0,2}}[,.;:!?]?)"
)
WATCHED = (
    BARE_ABBREVIATIONS
    | frozenset(MONTH_OF)
    | frozenset(WEEKDAY_OF)
    | LETTER_WORDS
    | frozenset(STREET_TYPES)
    | frozenset(
        ["no", "nos", "vol", "fig", "ch", "sec", "sq", "cu", "gen", "col", "maj", "adm", "gov", "sen", "rep",
        "hon", "ft", "mt", "rev", "pres", "insp", "prof", "ed", "eq", "n", "s", "e", "w", "v"]
    )
)  # fmt: skip
PARTS = re.compile(r"['’-]")


_CARDINAL_DAY = {
    "first": "one", "second": "two", "third": "three", "fifth": "five", "eighth": "eight", "ninth": "nine",
    "twelfth": "twelve", "twentieth": "twenty", "thirtieth": "thirty",
}  # fmt: skip


def variants(rule: str, spoken: str) -> tuple[str, ...]:
    """Wordings that mean the same: "March seventeen" for "March seventeenth", "and" between dollars and
    cents.
    """
    if rule in ("month_day", "day_of_month", "date_iso", "date_mdy", "date_md"):
        words = [
            _CARDINAL_DAY.get(w) or (w[:-2] if w.endswith("th") and len(w) > 4 and w != "month" else w)
            for w in spoken.split()
        ]
        bare = [w for w in spoken.split() if w not in ("the", "of")]
        return (" ".join(words), " ".join(bare))
    if rule.startswith("money"):
        return (
            re.sub(r"(dollars?|pounds?|euros?) (?=\w+ (?:\w+ )?(?:cents?|penny|pence)$)", r"\1 and ", spoken),
        )
    if rule == "keep" and spoken.lower() == "and":
        return ("",)  # "two hundred and fifty": the "and" is folded away on the other side
    if rule == "roman_ordinal":
        return (spoken.removeprefix("the "),)
    if rule in ("fraction", "measure") and spoken.startswith("one "):
        return ("a " + spoken[4:],)
    if rule == "letters_plural":
        return (spoken.replace("'s", " s"),)
    return ()


@lru_cache(maxsize=8192)
def is_plain(chunk: str) -> bool:
    """Whether an unspaced chunk is one word with sentence punctuation and nothing in it could be read
    otherwise.
    """
    match = PLAIN.fullmatch(chunk)
    if match is None:
        return False
    word, tail = match[1], match[2]
    stopped = "." in tail
    return all(_is_word(part, stopped) for part in PARTS.split(word))


def _is_word(part: str, stopped: bool) -> bool:
    if not (part.islower() or part.istitle()) or any(unicodedata.combining(c) for c in part):
        return False
    low = part.lower()
    if "α" <= low[0] <= "ω" or low in WATCHED:
        return False
    if len(part) == 1:
        return not stopped and part in "astdm"
    return not (stopped and low in ABBREVIATIONS)


def literal(text: str) -> str:
    """A reading of one token that loses nothing: digits one by one, words as they are, signs by name."""
    kind = kind_of(text[0])
    if kind == "digits":
        return digits(text)
    if kind == "letters":
        return text
    names = [
        SYMBOLS.get(c) or unicodedata.name(c, "").lower()
        for c in text
        if unicodedata.category(c)[0] not in "MC"
    ]
    return re.sub(r"[^a-z ]", " ", " ".join(names)).strip()
