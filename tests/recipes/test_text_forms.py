"""Random forms: each is of its kind and read without a literal fallback."""

import re
from random import Random

import pytest

from recipes.data import text_forms as forms
from tts_frontend.normalizer_rules import RuleNormalizer

SHAPES = [
    (forms.year, r"\d{4}"),
    (forms.small_fraction, r"\d{1,2}/\d{1,2}"),
    (forms.clock, r"\d{1,2}:\d\d"),
    (forms.roman, r"[IVX]+"),
    (forms.iso, r"\d{4}-\d\d-\d\d"),
    (forms.slashed, r"\d{1,2}/\d{1,2}/\d{4}"),
    (forms.version, r"\d+\.\d+\.\d+"),
    (forms.ordinal, r"\d+(?:st|nd|rd|th)"),
    (forms.decade, r"\d+0s"),
    (forms.day_month, r"\d{1,2} [A-Z][a-z]+"),
    (forms.money, r"[^\w\s][\d.,]+.*"),
    (forms.measure, r"[\d.,]+.*"),
    (forms.phone, r"[+(]?\d.*\d{4}"),
]


@pytest.mark.parametrize(("form", "shape"), SHAPES, ids=lambda value: getattr(value, "__name__", ""))
def test_forms_have_their_shape_and_a_reading(form, shape):
    draw = Random(5)
    for _ in range(60):
        text = form(draw)
        assert re.fullmatch(shape, text), text
        stream = RuleNormalizer()
        pieces = stream.push(f"It is {text} here.") + stream.flush()
        assert "literal" not in {piece.rule for piece in pieces}, text


def test_forms_differ_and_repeat_with_the_seed():
    first, second, other = Random(1), Random(1), Random(2)
    made = [forms.money(first) for _ in range(20)]
    assert made == [forms.money(second) for _ in range(20)]
    assert made != [forms.money(other) for _ in range(20)]
    assert len(set(made)) > 10
