"""Spoken text as words: marks, pauses, hyphens, apostrophes and line ends, whatever the pieces."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tts_frontend.normalizer_rules import Spoken
from tts_frontend.spoken_words import STRENGTH, WordCutter

CASES = [
    ("Hello, world!", "Hello, world!"),
    ('is it? "yes".', "is it? yes."),
    ("well-known rock 'n' roll", "well known rock n roll"),
    ("don\u2019t James' 'tis", "don't James tis"),
    ("wait \u2014 no\u2026 yes", "wait - no... yes"),
    ("wait- no", "wait- no"),
    ("(so they say).", "so they say."),
    ("what?! stop...", "what? stop..."),
    ("a title\nb", "a title, b"),
    ("a title\n\nb", "a title. b"),
    ("an end.\n\nb", "an end. b"),
    ("a \nb", "a , b"),
    ("end.Next", "end. Next"),
    ("e\u0301te\u0301", "e\u0301te\u0301"),
    ("\n\n", ""),
    ("", ""),
]


def cut(text, size):
    cutter, out = WordCutter(), []
    for at in range(0, len(text), size):
        piece = text[at : at + size]
        out += cutter.add(Spoken(piece, at, at + len(piece), "keep"))
    assert cutter.settled <= len(text)
    return out + cutter.flush()


def written(words):
    return " ".join(placed.word.text + placed.word.punctuation for placed in words)


@pytest.mark.parametrize(("text", "expected"), CASES)
@pytest.mark.parametrize("size", [1, 2, 1000])
def test_words_and_marks(text, expected, size):
    assert written(cut(text, size)) == expected


@pytest.mark.parametrize("word", ["नमस्ते", "दुनिया", "ก็", "வணக்கம்", "e\u0301te\u0301"])
def test_vowel_signs_and_accents_stay_in_their_word(word):
    assert [placed.word.text for placed in cut(f"{word}, {word}", 1)] == [word, word]


def test_spans_are_those_of_the_pieces():
    cutter = WordCutter()
    out = cutter.add(Spoken("five dollars", 3, 5, "money"))
    out += cutter.add(Spoken(",", 5, 6, "punctuation"))
    assert cutter.settled == 3
    out += cutter.add(Spoken(" ", 6, 7, "space"))
    assert [(p.word.text, p.word.start, p.word.end, p.word.punctuation, p.reach) for p in out] == [
        ("five", 3, 5, "", 5),
        ("dollars", 3, 5, ",", 6),
    ]
    assert cutter.settled == 7


@given(st.text(st.sampled_from("ab1 ,.!-'\u2019\n\"(\u2014?"), max_size=40))
@settings(max_examples=300, deadline=None)
def test_letters_are_kept_in_order_and_marks_are_known(text):
    words = cut(text, 1)
    assert "".join(p.word.text for p in words).replace("'", "") == "".join(c for c in text if c.isalnum())
    assert all(p.word.punctuation in ("", *STRENGTH) for p in words)
    assert all(p.word.text or p.word.punctuation for p in words)
    starts = [p.word.start for p in words]
    assert starts == sorted(starts)
    assert all(p.word.start < p.word.end <= p.reach for p in words)
