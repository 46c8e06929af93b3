"""Figures of homograph models."""

import pytest

from recipes.data.homographs import HomographSentence
from recipes.score_homographs import balanced_accuracy, majority


def test_balanced_accuracy_counts_readings_alike():
    assert balanced_accuracy([True, True, True, False], ["a", "a", "a", "b"]) == pytest.approx(0.5)
    assert balanced_accuracy([True, False, True], ["a", "a", "b"]) == pytest.approx(0.75)


def test_majority_takes_the_most_frequent_reading_of_training():
    def sentence(reading: str) -> HomographSentence:
        return HomographSentence("bow", reading, "bow", 0, 3)

    train = [sentence("knot"), sentence("knot"), sentence("ship")]
    assert majority(train, [sentence("knot"), sentence("ship")]) == [True, False]
