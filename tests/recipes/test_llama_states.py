"""States of texts as answers of an empty prompt."""

import pytest
import torch

from recipes.data.llama_states import StateReader
from speech_adapter.engine import RunOptions
from speech_adapter.engine_fast import FastEngine
from speech_adapter.prompts import Turn, render
from tests.fakes import TinyLlama

TEXTS = ["A bass.", "Née", "", "They record it, they do.", "日本"]


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A reader of a random Llama with four layers."""
    folder = TinyLlama(num_layers=4).save(tmp_path_factory.mktemp("llama"))
    return StateReader(folder, "float32"), folder


def test_states_are_those_of_the_whole_llama(reader):
    states, folder = reader
    engine = FastEngine.from_folder(folder, "float32")
    assert states.layer == engine.middle_layer == 2
    prompt = [n for piece in render(states.tokenizer, [Turn("user", ("",))]) for n in piece]
    for number, found in states.read(TEXTS, batch_tokens=40):
        ids = states.tokenizer.encode_literal(TEXTS[number])
        assert found.token_ids == ids
        if ids:
            run = engine.run(torch.tensor([[*prompt, *ids]]), options=RunOptions(hidden=True))
            torch.testing.assert_close(found.hidden, run.hidden[0, len(prompt) :], atol=2e-4, rtol=2e-4)


def test_batch_equals_single(reader):
    states, _ = reader
    together = dict(states.read(TEXTS, batch_tokens=200))
    assert sorted(together) == list(range(len(TEXTS)))
    for number, text in enumerate(TEXTS):
        ((_, alone),) = states.read([text])
        torch.testing.assert_close(alone.hidden, together[number].hidden, atol=1e-4, rtol=1e-4)


def test_tokens_know_where_they_end(reader):
    states, _ = reader
    found = dict(states.read(TEXTS))
    assert found[0].ends == list(range(1, 8))  # a token a byte
    assert found[1].ends == [1, 1, 2, 3]
    assert found[4].ends[-1] == 2
    assert found[2].ends == []
