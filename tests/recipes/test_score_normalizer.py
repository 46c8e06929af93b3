"""Scorers of normalization against hand-counted cases, and the recipe end to end on a small folder."""

import gzip
import json

import pytest

from recipes import score_normalizer
from recipes.normalizer_scores import Pair, count, fold1, fold2, fold3


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


def test_the_recipe_prints_a_row_and_json(tmp_path, capsys):
    folder = tmp_path / "ljspeech_tn"
    folder.mkdir()
    (folder / "dev.tsv.gz").write_bytes(gzip.compress(b"in 1984\tin nineteen eighty four\tid\nno\tyes\tid\n"))
    wrong = tmp_path / "wrong.tsv"
    argv = ["--data", str(tmp_path), "--sets", "ljspeech_tn", "--errors", str(wrong), "--lookahead", "3"]
    score_normalizer.main(argv)
    lines = capsys.readouterr().out.strip().splitlines()
    report = json.loads(lines[-1])
    assert report["accuracy"]["ljspeech_tn"]["L3"] == 50
    assert "96.2" in lines[1]  # the peer's figure stands beside ours
    assert wrong.read_text().startswith("ljspeech_tn\t\tno\tno\tyes")
