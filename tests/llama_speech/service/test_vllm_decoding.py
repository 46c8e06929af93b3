"""The engine with vLLM's interface in place of its own batch. vLLM itself needs a GPU: here a stand-in with
the same interface runs the real tiny Llama."""

import asyncio
import math
import queue
import sys
from types import SimpleNamespace

import pytest
import torch

from llama_speech.service.engine import EngineOptions, LocalEngine
from llama_speech.service.outbox import Message, Recognize, StartReply
from llama_speech.service.products import Failed, Finished, Said
from llama_speech.service.turn_end import TurnEndJudge
from llama_speech.service.vllm_decoding import TokenTable, VllmDecoder, start_vllm
from speech_adapter.engine import RunOptions
from speech_core.audio import load_audio
from speech_core.errors import ConfigError
from tests.llama_speech.service.conftest import SAMPLE
from tests.llama_speech.service.tone_voice import ToneVoice


class StandIn:
    """Generates like AsyncLLM with DELTA outputs, by the real Llama, a token at a time."""

    def __init__(self, engine, end_ids):
        self._engine, self._end_ids = engine, set(end_ids)
        self.prompts, self.aborted, self.broken = [], 0, False

    async def generate(self, prompt, sampling_params, request_id):
        if self.broken:
            raise RuntimeError("out of memory")
        self.prompts.append(prompt)
        inputs = prompt["prompt_embeds"][None] if "prompt_embeds" in prompt else None
        inputs = torch.tensor([prompt["prompt_token_ids"]]) if inputs is None else inputs
        cache, finished = None, False
        try:
            for count in range(1, sampling_params.max_tokens + 1):
                with torch.inference_mode():
                    output = self._engine.run(inputs, cache=cache)
                cache, scores = output.cache, output.logits[0, -1].log_softmax(-1)
                token_id = int(scores.argmax())
                inputs = torch.tensor([[token_id]])
                ended = token_id in self._end_ids
                reason = "stop" if ended else "length" if count == sampling_params.max_tokens else None
                likely = {number: SimpleNamespace(logprob=float(one)) for number, one in enumerate(scores)}
                finished = reason is not None
                one = SimpleNamespace(token_ids=[token_id], finish_reason=reason, logprobs=[likely])
                yield SimpleNamespace(outputs=[one])
                await asyncio.sleep(0)
                if finished:
                    break
        finally:
            self.aborted += not finished

    def shutdown(self):
        pass


@pytest.fixture(scope="module")
def loaded(tiny_model):
    return tiny_model.parts.loaded


@pytest.fixture
def stand_in(loaded):
    return StandIn(loaded.engine, loaded.tokenizer.end_ids)


@pytest.fixture
def remote(loaded, tiny_model, stand_in):
    table = TokenTable(loaded.engine.embed(torch.arange(loaded.engine.vocab_size)), 512)
    decoder = VllmDecoder(
        stand_in, loaded.tokenizer, table, lambda count, job: SimpleNamespace(max_tokens=count)
    )
    engine = LocalEngine(
        loaded, tiny_model.languages, ToneVoice(), EngineOptions(max_answer_tokens=12), decoder=decoder
    )
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def local(loaded, tiny_model):
    engine = LocalEngine(loaded, tiny_model.languages, ToneVoice(), EngineOptions(max_answer_tokens=12))
    yield engine
    engine.close()


def ask(engine, *messages, **options):
    """All products of an answer."""
    found = queue.Queue()
    engine.reply(
        "s", StartReply(1, messages or (Message("user", "hello"),), None, False, **options), found.put
    )
    products = []
    while not products or not isinstance(products[-1], Finished | Failed):
        products.append(found.get(timeout=60))
    return products


def text_of(products):
    return "".join(one.text for one in products if isinstance(one, Said))


@pytest.mark.parametrize("text", ["hello", "what time is it"])
def test_answers_are_those_of_the_engine_here(local, remote, text):
    here, there = ask(local, Message("user", text)), ask(remote, Message("user", text))
    assert text_of(here) == text_of(there) != ""
    assert here[-1] == there[-1]


def test_speech_travels_as_prompt_embeddings(local, remote, stand_in):
    audio, found = load_audio(SAMPLE, 16_000)[: 16_000 * 2], queue.Queue()
    local.recognize(Recognize(0, audio), lambda text, error, speech=(): found.put(speech))
    speech = found.get(timeout=60)
    assert speech
    message = Message("user", "its words", speech=speech)
    assert text_of(ask(local, message)) == text_of(ask(remote, message))
    assert set(stand_in.prompts[-1]) == {"prompt_embeds"}


def test_a_forced_call_and_stop_texts_are_kept(local, remote):
    tool = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}
    forced = {"tools": (tool,), "tool_choice": "required"}
    assert text_of(ask(remote, **forced)) == text_of(ask(local, **forced))
    whole = text_of(ask(local))
    assert text_of(ask(remote, stop=(whole[2:4],))) == text_of(ask(local, stop=(whole[2:4],))) != whole


def test_an_answer_that_is_stopped_is_aborted(remote, stand_in):
    found = queue.Queue()
    command = StartReply(1, (Message("user", "hello"),), 400, False)
    reply = remote.reply("s", command, found.put)
    found.get(timeout=60)
    reply.stop()
    ask(remote)
    assert stand_in.aborted == 1
    assert not [one for one in list(found.queue) if isinstance(one, Finished)]


def test_an_answer_that_fails_says_so(remote, stand_in):
    stand_in.broken = True
    assert ask(remote)[-1] == Failed("the language model failed")


def test_ends_of_turns_are_judged_alike(loaded, remote):
    found = queue.Queue()
    remote.judge("what time is it", found.put)
    expected = TurnEndJudge(loaded.engine, loaded.tokenizer)("what time is it")
    assert math.isclose(found.get(timeout=60), expected, abs_tol=1e-3)


def test_the_table_only_embeds(loaded):
    table = TokenTable(torch.eye(4), 8)
    assert (table.d_model, table.vocab_size, table.max_positions) == (4, 4, 8)
    assert torch.equal(table.embed(torch.tensor([2])), torch.eye(4)[2:3])
    with pytest.raises(ConfigError, match="vLLM"):
        table.run(torch.tensor([[1]]), options=RunOptions())


def test_without_vllm_it_says_what_to_install(loaded, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ConfigError, match=r"llama-speech\[vllm\]"):
        start_vllm(tmp_path, loaded.tokenizer, TokenTable(torch.eye(4), 8), {})
