"""The engines on the real default Llama: equal within the stated tolerances, and sane."""

import pytest
import torch

from llama_speech.default_llama import find_or_make_default_llama
from speech_adapter.engine import RunOptions, TransformersEngine
from speech_adapter.engine_fast import FastEngine
from speech_adapter.generation import Drafting, decode
from speech_adapter.llama import load_llama
from speech_adapter.prompts import Turn, end_of_turn_id, render
from speech_adapter.sequence import build_sequence
from speech_adapter.stopping import StopRules
from speech_adapter.tokenizer import ChatTokenizer

pytestmark = pytest.mark.bundle

TEXT = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of "
    "foolishness, in 1859. It costs $3.50; naïve café, 12% more."
)
REQUESTS = [
    "What is the capital of France?",
    "How many days are in a week?",
    "Repeat after me in English:\nHe hitched his breeches, too, with a nautical air.",
    "Repeat after me in English:\nSome people are calling for a professional code of conduct.",
]


@pytest.fixture(scope="module")
def folder():
    return find_or_make_default_llama()


@pytest.fixture(scope="module")
def tokenizer(folder):
    return ChatTokenizer.from_folder(folder)


@pytest.fixture(scope="module")
def float32(folder):
    return FastEngine.from_folder(folder, "float32")


@pytest.fixture(scope="module")
def reference(folder):
    return TransformersEngine(load_llama(folder))


@pytest.fixture(scope="module")
def prompts(float32, tokenizer):
    turns = [[Turn("user", (request,))] for request in REQUESTS]
    return [build_sequence(render(tokenizer, one), float32.embed, torch.zeros(2, 576)) for one in turns]


def rules_for(tokenizer, prompts):
    return [StopRules(tokenizer.end_ids, 24)] * len(prompts)


def answers_of(engine, tokenizer, prompts, drafting=None):
    found = decode(engine, prompts, rules_for(tokenizer, prompts), drafting)
    return [answer.token_ids for answer in found]


@pytest.mark.parametrize(("dtype", "largest", "mean"), [("float32", 2e-3, 2e-4), ("bfloat16", 2.0, 0.3)])
def test_fast_engine_is_near_the_reference(folder, tokenizer, reference, dtype, largest, mean):
    """Tolerances on logits that spread over some 40 units; measured: 2e-4 and 2e-5, 0.7 and 0.1."""
    ids = torch.tensor([tokenizer.encode(TEXT)])
    options = RunOptions(num_logits=ids.shape[1], hidden=True)
    expected = reference.run(ids, options=options)
    output = FastEngine.from_folder(folder, dtype).run(ids, options=options)
    error = (output.logits - expected.logits).abs()
    assert float(error.max()) < largest
    assert float(error.mean()) < mean
    assert float((output.hidden - expected.hidden).norm() / expected.hidden.norm()) < (
        0.02 if mean > 0.01 else 1e-4
    )


def test_greedy_answers_are_the_same_on_every_engine(folder, tokenizer, reference, float32, prompts):
    expected = answers_of(reference, tokenizer, prompts)
    assert answers_of(float32, tokenizer, prompts) == expected
    assert answers_of(FastEngine.from_folder(folder, "bfloat16"), tokenizer, prompts) == expected
    assert "Paris" in tokenizer.decode(expected[0])
    assert tokenizer.decode(expected[2]) == "He hitched his breeches, too, with a nautical air."


def test_drafts_of_real_text_change_nothing(float32, tokenizer, prompts):
    expected = answers_of(float32, tokenizer, prompts)
    drafts = [tokenizer.encode("The capital of France is Lyon."), [], expected[2], expected[3][3:]]
    assert (
        answers_of(float32, tokenizer, prompts, Drafting(drafts, lambda one: tokenizer.decode([one])))
        == expected
    )


def test_tokenizer_and_template(folder, tokenizer):
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.encode(TEXT) == theirs.encode(TEXT, add_special_tokens=False)
    assert tokenizer.decode(tokenizer.encode(TEXT)) == TEXT
    messages = [{"role": "user", "content": "Hi"}]
    expected = theirs.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert tokenizer.render(messages) == expected
    assert "SmolLM" in expected  # the template's own system turn ...
    (pieces,) = render(tokenizer, [Turn("user", ("Hi",))])
    assert "SmolLM" not in tokenizer.decode(pieces)  # ... is not in ours
    assert tokenizer.end_ids == {end_of_turn_id(tokenizer)} == {2}


def test_numbers_are_single_digits(tokenizer):
    """The converted tokenizer has no digit splitter; its vocabulary holds no token of two digits either."""
    parts = [tokenizer.decode([token]) for token in tokenizer.encode("In 1999, 345 and 3.14")]
    assert [part for part in parts if sum(letter.isdigit() for letter in part) > 1] == []
