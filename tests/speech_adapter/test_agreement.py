"""Likeness of answer and draft, and its bound for answers that have only begun."""

import random

import pytest

from speech_adapter.agreement import likeness, most_likeness, within_reach

WORDS = ["a", "b", "c", "d"]


def test_likeness_counts_common_words_in_order():
    assert likeness("He was here.", "he was here.") == 1.0
    assert likeness("a b c d", "a b c x") == 0.75
    assert likeness("a b", "c d") == 0.0
    assert likeness("", "") == 1.0
    assert likeness("a", "") == 0.0


def test_no_answer_is_more_like_the_draft_than_its_beginnings_allow():
    chance = random.Random(0)
    reached = 0
    for _ in range(2000):
        draft, answer = (" ".join(chance.choices(WORDS, k=chance.randrange(8))) for _ in range(2))
        begun = answer[: chance.randrange(len(answer) + 1)]
        bound = most_likeness(begun, draft)
        assert likeness(answer, draft) <= bound <= 1.0
        reached += likeness(answer, draft) == bound
    assert reached > 100  # a bound that is met, not one that is always 1


def test_the_bound_falls_with_every_word_that_is_not_in_the_draft():
    assert most_likeness("a b c", "a b c d") == 1.0
    assert most_likeness("a x", "a b c d") == 1.0  # the last word may go on
    assert most_likeness("a x c", "a b c d") == likeness("a x b c d", "a b c d") == pytest.approx(8 / 9)
    assert most_likeness("x y z", "a b") == likeness("x y a b", "a b") == pytest.approx(4 / 6)


def test_within_reach_asks_for_the_text_of_tokens():
    reach = within_reach("a b c d", 0.9, lambda ids: " ".join("abcdx"[token] for token in ids))
    assert reach([0, 1, 2])
    assert reach([0, 4])
    assert not reach([0, 4, 2])
