"""Choosing tokens: greedy, by temperature and top-p, repeatable by seed."""

import collections

import pytest
import torch

from speech_adapter.sampling import Chooser, Sampling
from speech_core.errors import ConfigError

LOGITS = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()


def drawn(sampling, count=4000):
    chooser = Chooser(sampling)
    tokens = collections.Counter(chooser.choose(LOGITS)[0] for _ in range(count))
    return [tokens[token] / count for token in range(4)]


def test_temperature_zero_is_greedy():
    assert drawn(Sampling(), 10) == [1.0, 0.0, 0.0, 0.0]
    assert Sampling().greedy


def test_draws_follow_the_distribution():
    assert drawn(Sampling(temperature=1.0, seed=1)) == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.03)


def test_temperature_sharpens():
    """At temperature 0.5 probabilities are squared and normalised."""
    squares = [0.25, 0.09, 0.0225, 0.0025]
    expected = [square / sum(squares) for square in squares]
    assert drawn(Sampling(temperature=0.5, seed=2)) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(
    ("top_p", "expected"),
    [(0.01, [1, 0, 0, 0]), (0.5, [1, 0, 0, 0]), (0.51, [0.625, 0.375, 0, 0]), (0.8, [0.625, 0.375, 0, 0])],
)
def test_top_p_keeps_the_fewest_tokens_that_reach_it(top_p, expected):
    assert drawn(Sampling(temperature=1.0, top_p=top_p, seed=3)) == pytest.approx(expected, abs=0.03)


def test_log_probs_are_those_of_the_llama():
    token_id, log_prob = Chooser(Sampling(temperature=3.0, top_p=0.9, seed=4)).choose(LOGITS)
    assert log_prob == pytest.approx(float(LOGITS[token_id]), abs=1e-5)


def test_the_same_seed_draws_the_same():
    def tokens(seed):
        chooser = Chooser(Sampling(temperature=1.0, seed=seed))
        return [chooser.choose(LOGITS)[0] for _ in range(40)]

    assert tokens(7) == tokens(7) != tokens(8)
    assert tokens(None) != tokens(None)


@pytest.mark.parametrize("values", [{"temperature": -0.1}, {"temperature": 11}, {"top_p": 0}, {"top_p": 1.1}])
def test_values_out_of_range_are_refused(values):
    with pytest.raises(ConfigError, match=f"{next(iter(values))} is "):
        Sampling(**values)
