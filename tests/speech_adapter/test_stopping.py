"""When an answer ends, in tables."""

import pytest

from speech_adapter.stopping import StopRules, loop_period, speech_token_limit, stop_reason, without_ending
from speech_core.errors import ConfigError

RULES = StopRules(end_ids=frozenset({0, 9}), max_tokens=50, loop_repeats=3, loop_tokens=6, loop_period=4)


@pytest.mark.parametrize(
    ("token_ids", "reason", "kept"),
    [
        ([], None, 0),
        ([1, 2], None, 2),
        ([9], "end", 0),
        ([1, 2, 0], "end", 2),
        ([1] * 5, None, 5),  # three times, but too few tokens
        ([1] * 6, "loop", 1),
        ([5, 1, 2, 1, 2, 1, 2], "loop", 3),
        ([2, 1, 2, 1, 2, 1, 2], "loop", 2),  # the round before counts too
        ([1, 2, 1, 2, 1], None, 5),
        ([1, 2, 3, 4] * 3, "loop", 4),
        ([1, 2, 3, 4, 5] * 3, None, 15),  # longer than any group looked for
        (list(range(100, 150)), "length", 50),
    ],
)
def test_reasons(token_ids, reason, kept):
    assert stop_reason(token_ids, RULES) == reason
    assert without_ending(token_ids, reason, RULES) == kept


def test_the_end_comes_before_the_limit():
    rules = StopRules(end_ids=frozenset({9}), max_tokens=2)
    assert stop_reason([1, 9], rules) == "end"
    assert stop_reason([1, 2], rules) == "length"


def test_ordinary_repetition_is_no_loop():
    """People do say a word four times; the default looks for sixteen tokens."""
    rules = StopRules(end_ids=frozenset(), max_tokens=100)
    assert loop_period([7] * 15, rules) is None
    assert loop_period([7] * 16, rules) == 1
    assert loop_period([1, 2, 3, 4, 5] * 3, rules) is None
    assert loop_period([1, 2, 3, 4, 5] * 4, rules) == 5


@pytest.mark.parametrize(("duration_s", "limit"), [(0.0, 32), (1.25, 44), (60.0, 632)])
def test_limit_of_a_transcript(duration_s, limit):
    assert speech_token_limit(duration_s) == limit


@pytest.mark.parametrize("change", [{"max_tokens": -1}, {"loop_repeats": 1}, {"loop_period": 0}])
def test_impossible_rules_are_refused(change):
    with pytest.raises(ConfigError):
        StopRules(**{"end_ids": frozenset(), "max_tokens": 5, **change})
