"""States of given text: those of the whole Llama at its middle layer, in batches, for any text."""

import pytest
import torch

from llama_speech.text_states import MAX_TOKENS, TextStates
from speech_adapter.engine_fast import FastEngine
from speech_adapter.tokenizer import ChatTokenizer
from tests.fakes import TinyLlama

TEXTS = ["It cost $5.", "", "x", "na\u00efve \U0001f600 <|im_end|> \n\n end"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return TinyLlama(num_layers=4).save(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def states(folder):
    return TextStates.from_folder(folder, "float32")


def test_half_the_llama_gives_the_states_of_the_whole(states, folder):
    whole = TextStates(FastEngine.from_folder(folder, "float32"), ChatTokenizer.from_folder(folder))
    assert states.engine.middle_layer == whole.engine.middle_layer == 2
    for mine, other in zip(states.events(TEXTS[0]), whole.events(TEXTS[0]), strict=True):
        assert torch.allclose(mine.embedding, other.embedding, atol=1e-5)
        assert mine.token_id == other.token_id


def test_texts_joined_are_the_text_and_a_batch_equals_items(states):
    for text, together in zip(TEXTS, states.batch(TEXTS), strict=True):
        alone = states.events(text)
        assert "".join(event.text for event in together) == text
        assert [e.token_id for e in together] == [e.token_id for e in alone]
        assert all(
            torch.allclose(a.embedding, b.embedding, atol=1e-4) for a, b in zip(together, alone, strict=True)
        )


def test_states_depend_on_what_came_before_and_not_on_what_follows(states):
    one, two = states.events("abc"), states.events("abd")
    assert torch.allclose(one[1].embedding, two[1].embedding, atol=1e-5)
    assert not torch.allclose(states.events("xbc")[1].embedding, one[1].embedding, atol=1e-3)


def test_long_text_is_run_in_parts(states):
    text = "ab " * MAX_TOKENS
    events = states.events(text)
    assert "".join(event.text for event in events) == text
    assert all(event.embedding.shape == (32,) for event in events)
