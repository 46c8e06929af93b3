"""Errors of pronunciations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipes.tables.pronunciation_scores import (
    edit_distance,
    interval,
    nearest,
    record,
    score,
    without_stress,
)

SYMBOLS = st.lists(st.sampled_from(["AA1", "AA0", "T", "K"]), max_size=6)


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        ("", "", 0),
        ("A B C", "A B C", 0),
        ("A B C", "A C", 1),
        ("A", "B", 1),
        ("", "A B", 2),
        ("A B C D", "B C E", 2),
    ],
)
def test_distances(one, other, distance):
    assert edit_distance(one.split(), other.split()) == distance


@given(SYMBOLS, SYMBOLS, SYMBOLS)
def test_distance_is_a_metric(one, other, third):
    assert edit_distance(one, other) == edit_distance(other, one)
    assert (edit_distance(one, other) == 0) == (one == other)
    assert edit_distance(one, third) <= edit_distance(one, other) + edit_distance(other, third)


def test_the_nearest_reading_counts():
    readings = [("T", "AA1"), ("K", "AA0", "T")]
    assert nearest(("K", "AA1", "T"), readings) == readings[1]
    assert without_stress(readings[0]) == ("T", "AA")
    figures = score([(("K", "AA1", "T"), readings), (("T", "AA1"), readings)])
    assert figures == {
        "phone_errors": pytest.approx(1 / 5),
        "phone_errors_without_stress": 0.0,
        "word_accuracy": 0.5,
        "word_accuracy_without_stress": 1.0,
    }


def test_the_interval_holds_the_value():
    low, high = interval([True] * 80 + [False] * 20)
    assert 0.7 < low < 0.8 < high < 0.9
    assert interval([True] * 5) == (1.0, 1.0)
    heavy = interval([1.0] * 50 + [0.0] * 50, [9.0] * 50 + [1.0] * 50)
    assert 0.8 < heavy[0] < 0.9 < heavy[1]


def test_a_score_without_an_interval_has_none():
    found = record("words", "x", "accuracy", (0.123456, None, 0.2), "five words")
    assert (found["value"], found["low"], found["high"]) == (0.1235, None, 0.2)
