"""The benchmark of scoring: what it scores is broken as it says, and it is fast enough."""

import json

import pytest

from llama_speech.evaluation.scores import score_texts
from recipes import benchmark
from recipes.benchmark_scoring import ERROR_SHARE, make_pairs, scoring_rows


def test_pairs_differ_and_are_the_same_each_time():
    references, hypotheses = make_pairs(400)
    assert len(set(references)) == len(hypotheses) == 400
    assert make_pairs(400) == (references, hypotheses)
    assert make_pairs(400, seed=1) != (references, hypotheses)


def test_the_score_of_the_benchmark_is_the_score():
    (row,) = scoring_rows(400)
    assert row["rate"] == score_texts(*make_pairs(400)).rate
    assert row["rate"] == pytest.approx(ERROR_SHARE, abs=0.04)
    assert row["wall_s"] == pytest.approx(row["normalise_s"] + row["align_s"] + row["bootstrap_s"])


def test_a_hundred_thousand_pairs_would_take_under_a_minute(capsys):
    """On processor time, two cores assumed: a load by others does not count."""
    assert benchmark.main(["--parts", "score", "--pairs", "2000"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["scoring"][0]["pairs"] == 2000
    assert 0 < result["scoring"][0]["cpu_s"] * 50 / 2 < 60
