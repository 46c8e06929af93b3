import random

import pytest

from llama_speech.service.conversation.captions import FIRST_MS, Captions, common_length


def test_words_are_told_when_two_results_agree():
    captions = Captions()
    assert captions.heard("what dime") == ""
    assert captions.heard("what time is") == ""  # the one that agrees is the newest of those
    assert captions.heard("what time is it now") == "what time"
    assert captions.heard("what time is it now please") == " is it"
    assert captions.finish("what time is it now please") == "what time is it now please"


@pytest.mark.parametrize(
    ("last", "whole"),
    [
        ("what time is it", "what time is it"),
        ("watt time is it", "what time is it"),  # a word that was told stays
        ("is it now", "what time now"),  # nothing alike: word by word
        ("", "what time"),
        ("something else altogether here", "what time else altogether here"),
    ],
)
def test_the_transcript_begins_with_what_was_told(last, whole):
    captions = Captions()
    captions.heard("what time is")
    captions.heard("what time is it")
    assert captions.told == "what time"
    finished = captions.finish(last)
    assert finished.startswith("what time")
    assert last.split()[-1:] == finished.split()[-1:] or finished == "what time"
    assert finished == whole or last.startswith("something")


def test_pieces_joined_are_the_transcript_whatever_the_results():
    generator = random.Random(0)
    for _ in range(200):
        captions, joined = Captions(), ""
        words = [generator.choice("abcdef") for _ in range(12)]
        for count in range(1, 12):
            noisy = [w if generator.random() < 0.8 else "x" for w in words[:count]]
            joined += captions.heard(" ".join(noisy))
            assert joined == captions.told
        whole = captions.finish(" ".join(words))
        assert whole.startswith(joined)


def test_results_become_rarer_as_a_turn_grows():
    captions, asked, total = Captions(), 0, 0
    for turn_ms in range(0, 60_000, 32):
        if captions.wanted(turn_ms):
            asked, total = asked + 1, total + turn_ms
    assert asked < 25
    assert total < 6 * 60_000
    assert not Captions().wanted(FIRST_MS - 1)


def test_how_much_is_alike():
    assert common_length([1, 2, 3], [1, 2, 4, 5]) == 2
    assert common_length([], [1]) == 0
