"""Tiny Llamas shared by the tests of this package, made once."""

import pytest

from speech_adapter.engine import TransformersEngine
from speech_adapter.engine_fast import FastEngine
from speech_adapter.llama import load_llama
from speech_adapter.tokenizer import ChatTokenizer
from tests.fakes import LLAMA3_ROPE, TinyLlama

LINEAR_ROPE = {"rope_type": "linear", "rope_theta": 500.0, "factor": 2.0}
KINDS = {
    "gqa_tied": TinyLlama(),
    "mha_untied": TinyLlama(num_kv_heads=4, tied=False, seed=2),
    "mqa_three_layers": TinyLlama(num_layers=3, num_kv_heads=1, seed=3),
    "llama3_rope": TinyLlama(tied=False, rope=LLAMA3_ROPE, seed=4),
    "linear_rope": TinyLlama(rope=LINEAR_ROPE, seed=5),
}


@pytest.fixture(scope="session", params=list(KINDS))
def any_llama(request, tmp_path_factory):
    """A folder of each kind of Llama in turn."""
    return KINDS[request.param].save(tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def llama_folder(tmp_path_factory):
    """A folder of one tiny Llama."""
    return KINDS["gqa_tied"].save(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="session")
def llama(llama_folder):
    return load_llama(llama_folder)


@pytest.fixture(scope="session")
def tokenizer(llama_folder):
    return ChatTokenizer.from_folder(llama_folder)


@pytest.fixture(scope="session", params=["reference", "fast"])
def engine(request, llama, llama_folder):
    """Each engine in turn, float32."""
    if request.param == "reference":
        return TransformersEngine(llama)
    return FastEngine.from_folder(llama_folder, "float32")
