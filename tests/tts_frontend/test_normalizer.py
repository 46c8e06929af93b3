"""The stream of the speaking half: words with their tokens, equal under any chunking, nothing lost."""

import random
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_core.errors import InputError, StreamClosedError
from speech_core.events import TokenEvent
from tests.streaming_checks import chunkings, split
from tts_frontend.config import SENTENCE_LOOKAHEAD, NormalizerConfig
from tts_frontend.normalizer import TextNormalizer, spoken_words

TEXT = (
    'He said, "it\'s $5.20!" \u2014 on May 12, 1981.\n\n## **Bold** 10-15 people\n- St. John St.\n'
    "Call 555-123-4567 \U0001f600 now: x\u00b2 + 3 km.\n"
)


def events_of(text, seed=0, embeddings=True):
    """Tokens of 1 to 4 characters, some without text, as a byte-level tokenizer might give."""
    draw, out, at = random.Random(seed), [], 0
    while at < len(text):
        size = draw.choice((0, 1, 1, 2, 3, 4))
        vector = torch.full((2,), float(len(out))) if embeddings else None
        out.append(TokenEvent(len(out), text[at : at + size], vector))
        at += size
    return out


def groups_of(events, sizes, lookahead=3):
    stream = TextNormalizer(NormalizerConfig(lookahead_tokens=lookahead))
    groups = [group for part in split(events, sizes) for group in stream.push(part)]
    return groups + stream.flush()


def plain(groups):
    return [(group.words, group.token_ids) for group in groups]


@pytest.mark.parametrize("lookahead", [0, 3, SENTENCE_LOOKAHEAD])
def test_streaming_equals_whole_under_any_chunking(lookahead):
    events = events_of(TEXT)
    expected = plain(groups_of(events, [len(events)], lookahead))
    for sizes in chunkings(len(events)):
        assert plain(groups_of(events, sizes, lookahead)) == expected


SYMBOLS = "0123456789.,:/-$%#*_`|[](){}<>'\" \nIVXampkSt\u2013\u00bd\u00b2\u0301\U0001f600"


@given(st.one_of(st.text(max_size=50), st.text(st.sampled_from(SYMBOLS), max_size=50)), st.integers(0, 99))
@settings(max_examples=300, deadline=None)
def test_random_text(text, seed):
    events = events_of(text, seed)
    groups = groups_of(events, [1] * len(events))
    assert plain(groups) == plain(groups_of(events, [len(events)]))
    assert [token for group in groups for token in group.token_ids] == [e.token_id for e in events]
    words = [word for group in groups for word in group.words]
    assert words == spoken_words(text, NormalizerConfig(lookahead_tokens=3))
    assert not any(c.isdecimal() for word in words for c in word.text)


def test_words_are_read_from_the_tokens_of_their_group():
    events = events_of(TEXT, 5)
    ends = [sum(len(e.text) for e in events[: n + 1]) for n in range(len(events))]
    for group in groups_of(events, [len(events)]):
        end = ends[group.token_ids[-1]]
        start = ends[group.token_ids[0] - 1] if group.token_ids[0] else 0
        assert all(start <= word.start < word.end <= end for word in group.words)


def test_groups_are_as_small_as_the_spans_allow():
    events = [TokenEvent(i, text) for i, text in enumerate(["In", " ", "198", "4", ",", " Oak", " St", "."])]
    groups = groups_of(events, [len(events)])
    assert [(" ".join(w.text for w in g.words), g.token_ids) for g in groups] == [
        ("In", (0,)),
        ("nineteen eighty four", (1, 2, 3, 4)),
        ("Oak", (5,)),
        ("street", (6, 7)),
    ]


def test_embeddings_travel_with_their_group():
    for group in groups_of(events_of(TEXT), [3] * 99):
        assert group.embeddings is not None
        assert group.embeddings[:, 0].tolist() == [float(i) for i in group.token_ids]
    assert all(g.embeddings is None for g in groups_of(events_of(TEXT, 0, False), [9] * 99))


def test_words_come_out_before_the_text_ends():
    stream = TextNormalizer()
    assert [w.text for g in stream.push_text("Hello there, this is ") for w in g.words] == [
        "Hello",
        "there",
        "this",
    ]
    said = stream.push_text("10 of them all the")
    assert [w.text for g in said for w in g.words] == ["is", "ten", "of", "them", "all"]


def test_text_and_tokens_are_not_mixed_and_the_end_is_the_end():
    stream = TextNormalizer()
    stream.push_text("a")
    with pytest.raises(InputError, match="mixed"):
        stream.push(TokenEvent(0, "b"))
    assert stream.push([]) == stream.push_text("") == []
    assert len(stream.flush()) == 1
    assert stream.flush() == []
    with pytest.raises(StreamClosedError):
        stream.push_text("b")


@pytest.mark.slow
def test_a_megabyte_of_digits_takes_bounded_time():
    """About eight seconds of a slow core; work that grows with the length would take hours."""
    start = time.process_time()
    stream = TextNormalizer()
    words = sum(len(g.words) for part in range(16) for g in stream.push_text("7" * 65536))
    words += sum(len(g.words) for g in stream.flush())
    assert words == 16 * 65536
    assert time.process_time() - start < 60
