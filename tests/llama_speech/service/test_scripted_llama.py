"""The Llama of the client tests keeps to its script in the real engine."""

import queue

import pytest

import llama_speech
from llama_speech.service.conversation.outbox import Message, StartReply
from llama_speech.service.models.engine import EngineOptions, LocalEngine
from llama_speech.service.models.products import Called, Finished, Said
from tests.llama_speech.service.scripted_llama import LONG, SHORT, TOLD, write_scripted_llama
from tests.llama_speech.tiny_stack import write_bundle

TOOL = {"type": "function", "name": "get_time", "description": "", "parameters": {"type": "object"}}
FIRST = (Message("user", "a"),)
SECOND = (*FIRST, Message("assistant", "".join(SHORT)), Message("user", "b"))
THIRD = (*SECOND, Message("assistant", "word0"), Message("user", "c"))
RESULT = (*THIRD, Message("assistant", "", (("get_time", '{"city": "Rome"}'),)), Message("tool", "12"))


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    root = tmp_path_factory.mktemp("scripted")
    llama = write_scripted_llama(root / "llama")
    model = llama_speech.load(write_bundle(root / "bundle", llama), llama, device="cpu", dtype="float32")
    engine = LocalEngine(model.parts.loaded, model.languages, options=EngineOptions(max_answer_tokens=500))

    def ask(messages, tools=()):
        products = queue.Queue()
        engine.reply("s", StartReply(1, messages, None, False, tools=tools), products.put)
        found = []
        while not found or not isinstance(found[-1], Finished):
            found.append(products.get(timeout=60))
        return found[:-1]

    yield ask
    engine.close()


@pytest.mark.parametrize(
    ("messages", "tools", "words"),
    [
        (FIRST, (), SHORT),
        (FIRST, (TOOL,), SHORT),
        (SECOND, (TOOL,), LONG),
        (THIRD, (), LONG),
        (RESULT, (TOOL,), TOLD),
    ],
)
def test_it_says_its_words(answered, messages, tools, words):
    assert "".join(one.text for one in answered(messages, tools) if isinstance(one, Said)) == "".join(words)


def test_it_calls_the_function(answered):
    assert answered(THIRD, (TOOL,)) == [Called("get_time", '{"city": "Rome"}')]
