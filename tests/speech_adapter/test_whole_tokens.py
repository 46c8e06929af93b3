"""Parts of words become the Llama's own tokens; text, order and sound stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from speech_adapter.ctc import CtcHypothesis
from speech_adapter.tokenizer import ChatTokenizer, SpecialTokens
from speech_adapter.whole_tokens import whole_tokens

LETTERS = sorted(pre_tokenizers.ByteLevel.alphabet())
MERGED = ["th", "the", "Ġt", "Ġthe", "at", "cat", "Ġcat"]


@pytest.fixture(scope="module")
def tokenizer() -> ChatTokenizer:
    vocabulary = {piece: number for number, piece in enumerate([*LETTERS, *MERGED])}
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("a", "t"), ("c", "at"), ("Ġ", "cat")]
    backend = Tokenizer(models.BPE(vocabulary, merges))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return ChatTokenizer(backend, "", SpecialTokens(frozenset(), 0))


def heard(tokenizer: ChatTokenizer, parts: list[str]) -> CtcHypothesis:
    ids = [(LETTERS + MERGED).index(part) for part in parts]
    numbers = range(len(ids))
    return CtcHypothesis(
        ids, [2 * n for n in numbers], [2 * n + 1 for n in numbers], [-float(n) for n in numbers]
    )


def test_parts_are_joined_from_the_first_to_the_last(tokenizer: ChatTokenizer) -> None:
    result = whole_tokens(heard(tokenizer, ["t", "h", "e", "Ġ", "c", "at"]), tokenizer)
    assert tokenizer.pieces(result.token_ids) == ["the", "Ġcat"]
    assert (result.starts, result.ends) == ([0, 6], [5, 11])
    assert result.log_probs == pytest.approx([-1.0, -4.0])


def test_whole_tokens_stay_the_same_object(tokenizer: ChatTokenizer) -> None:
    result = heard(tokenizer, ["the", "Ġcat"])
    assert whole_tokens(result, tokenizer) is result


def test_half_a_character_stays(tokenizer: ChatTokenizer) -> None:
    result = heard(tokenizer, ["t", "h", "Ã"])  # the first of two bytes
    assert whole_tokens(result, tokenizer) is result


@given(st.text("theca ", max_size=12))
def test_text_order_and_extent_stay(tokenizer: ChatTokenizer, text: str) -> None:
    parts = heard(tokenizer, ["Ġ" if letter == " " else letter for letter in text])
    whole = whole_tokens(parts, tokenizer)
    assert tokenizer.decode(whole.token_ids) == text
    assert whole.token_ids == tokenizer.encode(text)
    assert whole.starts == sorted(whole.starts)
    assert all(start < end for start, end in zip(whole.starts, whole.ends, strict=True))
    if text:
        assert (whole.starts[0], whole.ends[-1]) == (parts.starts[0], parts.ends[-1])
