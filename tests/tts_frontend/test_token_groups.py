"""Alignment of Llama tokens and TN tokens, with a real byte-level BPE that splits characters."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from speech_core.errors import StreamClosedError
from tts_frontend.text_tokens import cut
from tts_frontend.token_groups import GroupStream, byte_level_bytes, sentencepiece_bytes

CORPUS = ["the price is $5.20 at 10:30 p.m.", "call 555-1234 now, the 21st", "na\u00efve caf\u00e9 12,000 km"]


@pytest.fixture(scope="module")
def tokenizer():
    """A byte-level BPE with few merges: rare characters come out as single bytes."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(CORPUS * 3, trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet))
    return made


def _bytes_of(tokenizer):
    return lambda token_id: byte_level_bytes(tokenizer.id_to_token(token_id))


def _groups(tokenizer, ids, sizes=None):
    stream, out, at = GroupStream(_bytes_of(tokenizer)), [], 0
    for size in sizes or [len(ids)]:
        out += stream.push(ids[at : at + size])
        at += size
    return out + stream.push(ids[at:]) + stream.flush()


TEXTS = st.one_of(
    st.text(max_size=40), st.text(st.sampled_from("ab 12$.,-é\u2019中😀\u200d\u0301\n"), max_size=40)
)


@given(TEXTS, st.lists(st.integers(0, 4), max_size=20))
@settings(max_examples=300, deadline=None)
def test_groups_partition_both_sides_and_match_in_text(tokenizer, text, sizes):
    ids = tokenizer.encode(text).ids
    groups = _groups(tokenizer, ids, sizes)
    assert [i for g in groups for i in g.token_indices] == list(range(len(ids)))
    assert [i for g in groups for i in g.token_ids] == ids
    assert [t for g in groups for t in g.tn_tokens] == cut(text)
    token_bytes = _bytes_of(tokenizer)
    for group in groups:
        from_llama = b"".join(token_bytes(i) for i in group.token_ids)
        assert from_llama == "".join(t.text for t in group.tn_tokens).encode()


@given(TEXTS, st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_streaming_equals_offline(tokenizer, text, seed):
    ids = tokenizer.encode(text).ids
    sizes = [random.Random(seed).randint(0, 3) for _ in ids]
    assert _groups(tokenizer, ids, sizes) == _groups(tokenizer, ids)


@given(TEXTS)
@settings(max_examples=150, deadline=None)
def test_groups_are_smallest(tokenizer, text):
    """No group has an inner byte where both a Llama token and a TN token end."""
    ids, token_bytes = tokenizer.encode(text).ids, _bytes_of(tokenizer)
    for group in _groups(tokenizer, ids):
        llama_ends, tn_ends, at = set(), set(), 0
        for token_id in group.token_ids:
            at += len(token_bytes(token_id))
            llama_ends.add(at)
        at = 0
        for token in group.tn_tokens:
            at += len(token.text.encode())
            tn_ends.add(at)
        assert llama_ends & tn_ends <= {at}


def test_a_character_split_over_tokens_stays_in_one_group(tokenizer):
    ids = tokenizer.encode("x \u4e2d y").ids
    assert len(ids) > 5
    holder = [g for g in _groups(tokenizer, ids) if any("\u4e2d" in t.text for t in g.tn_tokens)]
    assert len(holder) == 1
    assert len(holder[0].token_ids) >= 3


def test_tokens_without_text_and_broken_bytes():
    pieces = {0: b"", 1: b"a", 2: b"\xe4\xb8", 3: b" b"}
    stream = GroupStream(pieces.__getitem__)
    groups = stream.push([0, 1, 0, 2, 3, 0]) + stream.flush()
    assert [i for g in groups for i in g.token_indices] == [0, 1, 2, 3, 4, 5]
    assert "".join(t.text for g in groups for t in g.tn_tokens) == "a\ufffd\ufffd b"


def test_misaligned_for_ever_stays_linear():
    """Llama tokens that straddle every TN boundary give one large group, in linear time."""
    pieces = {0: b"a", 1: b"a1", 2: b"1a"}
    ids = [0, *[1, 2] * 20_000]
    stream = GroupStream(pieces.__getitem__)
    groups = stream.push(ids) + stream.flush()
    assert sum(len(g.token_ids) for g in groups) == len(ids)


def test_sentencepiece_pieces():
    assert sentencepiece_bytes("\u2581the") == b" the"
    assert sentencepiece_bytes("<0xE4>") == b"\xe4"


def test_push_after_flush_is_refused(tokenizer):
    stream = GroupStream(_bytes_of(tokenizer))
    assert stream.flush() == []
    with pytest.raises(StreamClosedError):
        stream.push([1])


@pytest.mark.bundle
def test_the_default_llama_is_aligned():
    """The same properties with the tokenizer of the Llama that is shipped."""
    from llama_speech.default_llama import find_or_make_default_llama

    llama = Tokenizer.from_file(str(find_or_make_default_llama() / "tokenizer.json"))
    for text in (
        *CORPUS,
        "On 3/4/2024 it cost $5.20 \u2014 \u4e2d\u6587 \U0001f469\u200d\U0001f4bb!",
        "1" * 200,
    ):
        ids = llama.encode(text, add_special_tokens=False).ids
        groups = _groups(llama, ids)
        assert [i for g in groups for i in g.token_ids] == ids
        assert [t for g in groups for t in g.tn_tokens] == cut(text)
        assert _groups(llama, ids, [1] * len(ids)) == groups
