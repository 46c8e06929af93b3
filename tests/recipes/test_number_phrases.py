"""Numbers in words, as they are said."""

from collections import Counter

import pytest

from recipes.data.number_phrases import number_phrases, spell_number, spell_ordinal, spell_year
from recipes.data.sentences import clean_text, is_speakable


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (20, "twenty"),
        (42, "forty-two"),
        (100, "one hundred"),
        (640, "six hundred forty"),
        (1942, "one thousand nine hundred forty-two"),
        (20_001, "twenty thousand one"),
        (999_999, "nine hundred ninety-nine thousand nine hundred ninety-nine"),
    ],
)
def test_numbers(number, words):
    assert spell_number(number) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1, "first"),
        (3, "third"),
        (12, "twelfth"),
        (20, "twentieth"),
        (23, "twenty-third"),
        (100, "one hundredth"),
    ],
)
def test_ordinals(number, words):
    assert spell_ordinal(number) == words


@pytest.mark.parametrize(
    ("year", "words"),
    [
        (1455, "fourteen fifty-five"),
        (1905, "nineteen oh five"),
        (1900, "nineteen hundred"),
        (2007, "two thousand seven"),
        (2000, "two thousand"),
        (2021, "twenty twenty-one"),
    ],
)
def test_years(year, words):
    assert spell_year(year) == words


def test_phrases_repeat_with_their_seed_vary_and_can_be_spoken():
    phrases = list(number_phrases(500, seed=1))
    assert phrases == list(number_phrases(500, seed=1))
    assert phrases != list(number_phrases(500, seed=2))
    assert len(set(phrases)) > 400
    assert all(is_speakable(phrase) and clean_text(phrase) == phrase for phrase in phrases)
    words = Counter(word for phrase in phrases for word in phrase.lower().split())
    assert all(words[digit] > 20 for digit in ("one", "two", "seven", "nine"))
