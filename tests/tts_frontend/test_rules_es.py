"""Spanish through the same interface: cases of rules, sentences, number words parsed back, streaming."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tts_frontend.reading import normalize
from tts_frontend.config import NormalizerConfig, ReadingOptions
from tts_frontend.inventory import View
from tts_frontend.languages import load_language
from tts_frontend.languages.es import numbers as n
from tts_frontend.languages.es.facts import digits_of
from tts_frontend.normalizer_rules import RuleNormalizer, spoken_text
from tts_frontend.text_tokens import cut

SPANISH = load_language("es")
CONFIG = NormalizerConfig(language="es")
OWN = [rule for rule in SPANISH.inventory.rules if rule.kind not in ("markup", "basic")]
CASES = [(rule.name, written, spoken) for rule in OWN for written, spoken in rule.cases]


@pytest.mark.parametrize(("name", "case", "spoken"), CASES)
def test_a_rule_reads_its_cases(name, case, spoken):
    before, _, rest = case.partition("{") if "{" in case and "}" in case else ("", "", case + "}")
    inside, _, after = rest.partition("}")
    text, start = before + inside + after, len(before)
    ends = frozenset(token.end for token in cut(text) if token.end > start)
    view = View(text, start, len(text), ends, 0, len(text), ReadingOptions())
    reading = SPANISH.inventory.by_name[name].read(view)
    assert reading is not None
    assert (reading.end, reading.spoken) == (start + len(inside), spoken)
    assert SPANISH.problems(inside, spoken) == []


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("El 24 de agosto de 1995.", "El veinticuatro de agosto de mil novecientos noventa y cinco."),
        (
            "9.217 hombres y 3.500 km\u00b2",
            "nueve mil doscientos diecisiete hombres y tres mil quinientos kilómetros cuadrados",
        ),
        (
            "A las 9:59, el 95% de 21 €",
            "A las nueve cincuenta y nueve, el noventa y cinco por ciento de veintiún euros",
        ),
        ("siglo XVI, Felipe II", "siglo dieciséis, Felipe segundo"),
        ("## **Hola** y/o `adiós`", "Hola y o adiós"),
        ("El Sr. Pérez, 2ª vez, -3 °C", "El señor Pérez, segunda vez, menos tres grados Celsius"),
        (
            "¿Cuántos? ¡10-15 km! (1933-1940)",
            "¿Cuántos? ¡diez a quince kilómetros! (mil novecientos treinta y tres-mil novecientos cuarenta)",
        ),
        ("100,000 en el Nº 5", "cien mil en el número cinco"),
    ],
)
def test_sentences(written, spoken):
    assert normalize(written, CONFIG) == spoken


def test_number_words_parse_back():
    for value in [*range(0, 2300), 9999, 21_021, 100_000, 1_000_000, 2_000_001, 10**12 + 5]:
        assert digits_of(n.cardinal(str(value)).split()) == str(value)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("1995", "mil novecientos noventa"),
        ("5 km", "cinco metros"),
        ("$5", "cinco euros"),
        ("3,5", "treinta y cinco"),
    ],
)
def test_wrong_readings_are_found(written, spoken):
    assert SPANISH.problems(written, spoken) != []


@given(st.text(st.sampled_from("0123456789.,:/-$%€ºª° \nabXVkm¿"), max_size=40), st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_streaming_equals_offline_and_says_every_digit(text, seed):
    draw, stream, out, at = random.Random(seed), RuleNormalizer(CONFIG), [], 0
    while at < len(text):
        size = draw.randint(0, 6)
        out += stream.push(text[at : at + size])
        at += size
    said = spoken_text(out + stream.flush())
    assert said == normalize(text, CONFIG)
    assert not any(c.isdecimal() for c in said)
