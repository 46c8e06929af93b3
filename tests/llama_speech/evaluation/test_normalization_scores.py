"""Scorers of normalization against hand-counted cases."""

import pytest

from llama_speech.evaluation.normalization_scores import Pair, count, fold1, fold2, fold3


@pytest.mark.parametrize(
    ("fold", "left", "right", "equal"),
    [
        (fold1, "It's 5", "its 5", True),
        (fold1, "one hundred and five", "one hundred five", True),
        (fold1, "salt and five", "salt five", False),
        (fold1, "the UK", "the u k", False),
        (fold2, "the UK", "the u k", True),
        (fold2, "ten oh five", "ten o five", True),
        (fold2, "organisation colour", "organization color", True),
        (fold2, "Mr. Smith", "mister Smith", False),
        (fold3, "Mr. Smith", "mister Smith", True),
        (fold3, "the fifth of May", "May five", True),
        (fold3, "the fifth of May", "May six", False),
        (fold3, "five dollars", "five euros", False),
    ],
)
def test_folds(fold, left, right, equal):
    assert (fold(left) == fold(right)) is equal


def test_counts_by_hand():
    pairs = [
        Pair("5 men", ("five men",)),
        Pair("plain", ("plain",)),
        Pair("1/4", ("one quarter", "january fourth"), ("one over four",)),
        Pair("kept", ("kept",)),
    ]
    counts = count("L1", pairs, ["five men", "plain", "one over four", "spoiled"])
    assert (counts.total, counts.right, counts.changed, counts.changed_right) == (4, 2, 2, 1)
    assert (counts.spoiled, counts.rejected) == (1, 1)
    assert counts.accuracy == 50
