"""TN tokens: every character in exactly one token, the same tokens under any chunking, bounded size."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_core.errors import StreamClosedError
from tts_frontend.text_tokens import MAX_TOKEN_CHARS, TokenStream, cut

CASES = [
    ("", []),
    ("Hello, world", ["Hello", ",", " ", "world"]),
    ("5km at $2.50", ["5", "km", " ", "at", " ", "$", "2", ".", "50"]),
    ("cafe\u0301 na\u00efve", ["cafe\u0301", " ", "na\u00efve"]),
    ("3\u00bd", ["3", "\u00bd"]),
    ("**a**", ["*", "*", "a", "*", "*"]),
    (" \n\t ", [" \n", "\t "]),
    ("\r\n\n", ["\r\n", "\n"]),
    (
        "\U0001f469\u200d\U0001f4bb\U0001f44d\U0001f3fd",
        ["\U0001f469\u200d\U0001f4bb", "\U0001f44d\U0001f3fd"],
    ),
    ("\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7", ["\U0001f1e9\U0001f1ea", "\U0001f1eb\U0001f1f7"]),
    ("\u0662\u0663", ["\u0662\u0663"]),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_cut_gives_the_expected_tokens(text, expected):
    assert [token.text for token in cut(text)] == expected


@given(st.text(st.characters(codec=None), max_size=80))
@settings(max_examples=300, deadline=None)
def test_tokens_join_to_the_text_and_offsets_are_exact(text):
    tokens = cut(text)
    assert "".join(token.text for token in tokens) == text
    assert all(text[token.start : token.end] == token.text and token.text for token in tokens)


@given(st.text(max_size=60), st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_streaming_equals_offline(text, seed):
    chooser, stream, out, at = random.Random(seed), TokenStream(), [], 0
    while at < len(text):
        size = chooser.randint(0, 7)
        out += stream.push(text[at : at + size])
        at += size
    assert out + stream.flush() == cut(text)


def test_long_runs_are_cut():
    tokens = cut("1" * 1000 + "x" * 1000)
    assert max(len(token.text) for token in tokens) == MAX_TOKEN_CHARS
    assert "".join(token.text for token in tokens) == "1" * 1000 + "x" * 1000


def test_push_after_flush_is_refused_and_a_second_flush_is_empty():
    stream = TokenStream()
    stream.push("a")
    assert len(stream.flush()) == 1
    assert stream.flush() == []
    with pytest.raises(StreamClosedError):
        stream.push("b")
