"""Personal data found by form, masked, and the scanners there are."""

import importlib.util

import pytest

from recipes.data.personal_data import PatternScanner, find_scanner, masked, without_overlap
from speech_core.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("write to ann.b+c@mail.example.org today", ["EMAIL_ADDRESS"]),
        ("call +49 (0)30 1234567 now", ["PHONE_NUMBER"]),
        ("my card is 4111 1111 1111 1111.", ["CREDIT_CARD"]),
        ("the host 192.168.0.17 is down", ["IP_ADDRESS"]),
        ("a@b.de or 030 123 45 67", ["EMAIL_ADDRESS", "PHONE_NUMBER"]),
        ("In 1984 there were 12 of them, at 10:30", []),
        ("", []),
    ],
)
def test_patterns(text, kinds):
    assert [kind for _, _, kind in PatternScanner().found(text)] == kinds


def test_masking_keeps_the_rest():
    text = "mail a@b.de, phone 030 123 45 67, thanks"
    found = PatternScanner().found(text)
    assert masked(text, found) == "mail <EMAIL_ADDRESS>, phone <PHONE_NUMBER>, thanks"
    assert masked(text, []) == text


def test_of_two_that_overlap_the_first_and_longer_stays():
    assert without_overlap([(3, 9, "b"), (0, 5, "a"), (0, 4, "c"), (9, 10, "d")]) == [
        (0, 5, "a"),
        (9, 10, "d"),
    ]


def test_scanners_by_name():
    assert find_scanner("none") is None
    assert isinstance(find_scanner("patterns"), PatternScanner)
    with pytest.raises(ConfigError, match="use none, patterns or presidio"):
        find_scanner("magic")


@pytest.mark.skipif(importlib.util.find_spec("presidio_analyzer") is not None, reason="presidio is installed")
def test_a_missing_presidio_is_one_line():
    with pytest.raises(ConfigError, match="pip install presidio-analyzer"):
        find_scanner("presidio")


@pytest.mark.skipif(importlib.util.find_spec("presidio_analyzer") is None, reason="presidio is not installed")
def test_presidio_without_its_language_model_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="python -m spacy download no_such_model"):
        find_scanner("presidio:no_such_model")
