"""English: rules, number words, lexicon and the parser that checks readings."""

from tts_frontend.inventory import Inventory
from tts_frontend.languages import Language


def build() -> Language:
    """The English language, with its whole inventory."""
    from tts_frontend import verify
    from tts_frontend.languages.en.facts import tables
    from tts_frontend.languages.en.plain import is_plain, literal, variants
    from tts_frontend.languages.en.rules import RULE_SETS

    facts = tables()

    def problems(written: str, spoken: str) -> list[str]:
        return verify.problems(written, spoken, facts)

    return Language("en", Inventory(RULE_SETS), is_plain, literal, problems, variants)
