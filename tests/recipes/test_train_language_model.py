"""Counting n-grams: by hand, pruned, and as the command does it."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from recipes.train_language_model import comparable, count, read_lines
from speech_core.errors import ConfigError, InputError


def test_pairs_by_hand() -> None:
    """Two of three texts that begin with 1 go on with 2: (2 - D) / 3, and what is left by context counts."""
    model = count([[1, 2], [1, 2], [1, 3]], [10, 20, 30], 2, 1)
    ones, twos = 2, 1  # pairs: start-1 three times, 1-2 twice, 1-3 once... and the start itself
    pairs = {"01": 3, "12": 2, "13": 1}
    ones, twos = sum(n == 1 for n in pairs.values()), sum(n == 2 for n in pairs.values())
    discount = ones / (ones + 2 * twos)
    chances = np.exp(model.log_probs(model.advance((), 1)))
    shorter = np.exp(model.log_probs(()))
    left = 1 - (2 - discount) / 3 - (1 - discount) / 3
    assert chances[2] == pytest.approx((2 - discount) / 3 + left * shorter[2], rel=1e-5)
    assert chances[3] == pytest.approx((1 - discount) / 3 + left * shorter[3], rel=1e-5)
    assert shorter[1:].sum() == pytest.approx(1.0, abs=1e-5)


def test_rare_long_ngrams_are_left_out_and_the_rest_still_sums_to_one() -> None:
    texts = [[1, 2, 3, 1], [1, 2, 3, 2], [3, 3, 1]]
    whole, pruned = count(texts, [1, 2, 3], 3, 1), count(texts, [1, 2, 3], 3, 2)
    assert len(pruned.levels[2].last) < len(whole.levels[2].last)
    assert len(pruned.levels[1].last) == len(whole.levels[1].last)
    state = pruned.advance(pruned.advance(pruned.start(), 1), 2)
    assert np.exp(pruned.log_probs(state)).sum() == pytest.approx(1.0, abs=1e-5)


def test_what_cannot_be_counted_is_said() -> None:
    with pytest.raises(ConfigError, match="at most 5"):
        count([[1]], list(range(2000)), 6, 1)
    with pytest.raises(InputError, match="no text"):
        count([], [1, 2], 2, 1)


def test_lines_come_plain_and_gzipped(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n", encoding="utf-8")
    with gzip.open(tmp_path / "b.txt.gz", "wt", encoding="utf-8") as file:
        file.write("three\n")
    assert list(read_lines([tmp_path / "a.txt", tmp_path / "b.txt.gz"])) == ["one", "two", "three"]
    with pytest.raises(InputError, match="cannot be read"):
        list(read_lines([tmp_path / "c.txt"]))


def test_the_same_text_is_known_however_it_is_written() -> None:
    assert comparable("“Well — done!” ") == comparable("well done")
