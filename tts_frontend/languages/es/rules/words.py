"""Spanish abbreviations, letters, Roman numerals, and words as they stand."""

import re

from tts_frontend.inventory import Match, RuleSet
from tts_frontend.languages.en.rules.roman import value
from tts_frontend.languages.es import numbers as n
from tts_frontend.languages.es.lexicon import ABBREVIATIONS, ACRONYM_WORDS
from tts_frontend.text_tokens import NO_LETTER

WORDS = RuleSet("word")

CENTURY = re.compile(
    r"(?i:\b(?:siglos?|capítulo|cap\.|tomo|parte|volumen|vol\.|libro|guerra mundial|título|fase|tipo|acto)) $"
)
RULER = re.compile(
    r"\b(?:Alfonso|Carlos|Felipe|Fernando|Isabel|Juan|Pío|Pedro|Enrique|Luis|Jorge|Eduardo|Benedicto|Jaime|Sancho|Ramiro|"
    r"Francisco|Guillermo|Napoleón|Federico|Alejandro|Clemente|Gregorio|Inocencio|Pablo|León|"
    r"Nicolás|Ricardo|Leopoldo|Ptolomeo|Ramsés) $"
)


@WORDS.rule(
    r"[A-Za-zÁÉÍÓÚÜÑáéíóúüñ]{1,6}\.(?!\w)",
    "a",
    lambda m: 4.0 if len(m.text) > 3 or m.text in ("Dr.", "Sr.", "D.", "Ud.") else 0.5,
    cases=[("Sr.", "señor"), ("págs.", "páginas"), ("Dra.", "doctora"), ("aprox.", "aproximadamente")],
)
def abbreviation(m: Match) -> str | None:
    """A shortened word: "págs." is "páginas"."""
    return ABBREVIATIONS.get(m.text[:-1].lower())


@WORDS.rule(
    r"[Nn]\.?[º°o](?![^\W\d_])",
    "a",
    lambda m: 5.0 if m.precedes(re.compile(r"\.? ?\d")) else 0.3,
    cases=[("{Nº} 63", "número")],
)
def number_of(m: Match) -> str:
    """Before a number "Nº" is "número"."""
    return "número"


@WORDS.rule(r"(?:EE\. ?UU\.|EE ?UU\b)", "a", 6.0, cases=[("EE. UU.", "Estados Unidos")])
def united_states(m: Match) -> str:
    """The short form "EE. UU." is "Estados Unidos"."""
    return "Estados Unidos"


@WORDS.rule(
    r"[IVXLCDM]+(?![^\W\d_])",
    "a",
    lambda m: (
        5.0
        if m.follows(CENTURY) or (m.follows(RULER) and len(m.text) > 1)
        else 2.0
        if len(m.text) > 2 and set(m.text) <= set("IVX")
        else 0.5
    ),
    cases=[("XVI", "dieciséis"), ("siglo {XX}", "veinte")],
)
def roman(m: Match) -> str | None:
    """A Roman numeral: "siglo XVI" is "siglo dieciséis"; of rulers up to ten an ordinal."""
    number = value(m.text)
    if not number:
        return None
    if m.follows(RULER) and number <= 10:
        return n.ordinal(str(number))
    return n.cardinal(str(number))


@WORDS.rule(
    r"[A-ZÑ]{2,8}(?![^\W\d_])",
    "a",
    lambda m: 0.5 if m.text in ACRONYM_WORDS or re.search(r"[AEIOU]", m.text) else 3.0,
    cases=[("PDF", "P D F")],
)
def letters(m: Match) -> str:
    """Capitals one by one: "PDF" is "P D F"."""
    return " ".join(m.text)


@WORDS.rule(rf"[^{NO_LETTER}]+(?:[^{NO_LETTER}]|[\u0300-\u036f])*", "a", 1.0, cases=[("señor", "señor")])
def keep(m: Match) -> str:
    """A word as it stands."""
    return m.text
