"""Spanish: rules, number words, lexicon and the parser that checks readings."""

import re
from functools import lru_cache

from tts_frontend.inventory import Inventory
from tts_frontend.languages import Language
from tts_frontend.text_tokens import NO_LETTER, kind_of

PLAIN = re.compile(
    rf"[¿¡\"'“‘(«]{{0,3}}([^{NO_LETTER}]{{2,}}|[aeouyAEOUY])([,;:!?]|\.)?[\"'”’)»]{{0,2}}[,.;:!?]?"
)


@lru_cache(maxsize=8192)
def is_plain(chunk: str) -> bool:
    """Whether an unspaced chunk is one word with sentence punctuation and nothing in it could be read
    otherwise.
    """
    from tts_frontend.languages.es.lexicon import ABBREVIATIONS

    match = PLAIN.fullmatch(chunk)
    if match is None or not (match[1].islower() or match[1].istitle()) or match[1][-1] in "ºª":
        return False
    return not (match[2] == "." and match[1].lower() in ABBREVIATIONS)


def literal(text: str) -> str:
    """A reading of one token that loses nothing."""
    from tts_frontend.languages.es.lexicon import SYMBOLS
    from tts_frontend.languages.es.numbers import digits

    kind = kind_of(text[0])
    if kind == "digits":
        return digits(text)
    return text if kind == "letters" else SYMBOLS.get(text, "")


def build() -> Language:
    """The Spanish language, with its whole inventory."""
    from tts_frontend import verify
    from tts_frontend.languages.es.facts import tables
    from tts_frontend.languages.es.rules import RULE_SETS

    facts = tables()

    def problems(written: str, spoken: str) -> list[str]:
        return verify.problems(written, spoken, facts)

    return Language("es", Inventory(RULE_SETS), is_plain, literal, problems, lambda rule, spoken: ())
