"""What the tagger sees of tokens: spacing, shape, hashed pieces; any Unicode; equal under any chunking."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tts_frontend.tagger_features import SHAPE_ROWS, TokenWatcher, token_rows
from tts_frontend.text_tokens import TokenStream, cut

ROWS = 8192


def shapes(text, kind, spacing="space"):
    return {row for row in token_rows(text, kind, spacing, ROWS) if row < SHAPE_ROWS}


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (("5", "digits"), ("13", "digits")),
        (("31", "digits"), ("32", "digits")),
        (("1984", "digits"), ("1599", "digits")),
        (("05", "digits"), ("15", "digits")),
        (("may", "letters"), ("May", "letters")),
        (("US", "letters"), ("Us", "letters")),
        (("a", "letters"), ("ab", "letters")),
        ((",", "mark"), ("$", "symbol")),
    ],
)
def test_shapes_tell_apart(left, right):
    assert shapes(*left) != shapes(*right)


def test_spacing_is_a_property_of_the_token_behind():
    seen = list(TokenWatcher(ROWS).push(cut("a b,\n c")))
    assert [(token.start, token.end) for token in seen] == [(0, 1), (2, 3), (3, 4), (6, 7)]
    spacings = ["start", "space", "none", "line"]
    for spacing, text, kind, token in zip(
        spacings, "ab,c", ["letters"] * 2 + ["mark", "letters"], seen, strict=True
    ):
        assert token.rows == token_rows(text, kind, spacing, ROWS)


def test_words_with_the_same_ending_share_rows():
    one, two = (set(token_rows(word, "letters", "space", ROWS)) for word in ("walking", "talking"))
    assert len(one & two) > 6


@given(st.text(max_size=40), st.integers(0, 40))
@settings(max_examples=200, deadline=None)
def test_any_text_gives_rows_of_the_table_and_chunks_do_not_matter(text, at):
    whole = list(TokenWatcher(ROWS).push(cut(text)))
    assert all(0 <= row < ROWS for token in whole for row in token.rows)
    stream, watcher = TokenStream(), TokenWatcher(ROWS)
    parts = [*watcher.push(stream.push(text[:at])), *watcher.push(stream.push(text[at:]))]
    assert [*parts, *watcher.push(stream.flush())] == whole


def test_long_tokens_have_few_rows():
    assert len(token_rows("7" * 64, "digits", "none", ROWS)) < 64
