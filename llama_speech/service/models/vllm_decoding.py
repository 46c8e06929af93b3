"""Answers decoded on vLLM, for Llamas that need GPUs: the same engine, with vLLM in place of its own batch.

Encoder, adapter, CTC head and voice run in this process; the Llama's token embeddings are read from its
folder, so that speech and text can be given to vLLM as prompt embeddings. vLLM batches all sessions and keeps
the beginnings of their prompts itself, also those of embeddings. Checked against vLLM 0.32 and run on its
build for CPUs; on GPUs it was not run.
"""

import asyncio
import itertools
import logging
import math
import os
import threading
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import aclosing
from pathlib import Path
from typing import Any, Protocol, cast

from torch import Tensor

from llama_speech.bundle import Bundle
from llama_speech.loading import LoadedModel, joined, llama_source
from llama_speech.service.models.batching import ReplyJob, prompt_embeds
from llama_speech.service.models.turn_end import TurnEndPrompt
from speech_adapter.answer_stream import StopTexts, TextStream
from speech_adapter.engine import LlamaEngine, RunOptions
from speech_adapter.llama_weights import read_sizes
from speech_adapter.model import load_speech_model, read_token_embeddings
from speech_adapter.recognizer import Recognition, SpeechRecognizer
from speech_adapter.stopping import StopRules, stop_reason
from speech_adapter.tokenizer import ChatTokenizer
from speech_core.errors import ConfigError
from speech_core.events import TokenEvent

_log = logging.getLogger(__name__)
_JUDGED_LIKELY = 20  # tokens whose probability is asked for
_JUDGE_S = 5.0
_REASONS = {"stop": "end", "length": "length"}  # others, as "error", mean that it failed


class VllmClient(Protocol):
    """What is used of vllm.v1.engine.async_llm.AsyncLLM."""

    def generate(self, prompt: Any, sampling_params: Any, request_id: str) -> AsyncGenerator[Any, None]:
        """Outputs of a request: `outputs[0].token_ids` are new ones, `finish_reason` is set at the end.

        Closing the generator aborts the request.
        """

    def shutdown(self) -> None:
        """Stop its processes."""


class TokenTable:
    """The Llama's embedding table and nothing else of it, as a LlamaEngine that only embeds."""

    middle_layer = 0

    def __init__(self, embeddings: Tensor, max_positions: int) -> None:
        """embeddings: (vocabulary, d_llama)."""
        self._embeddings, self.max_positions = embeddings, max_positions

    @property
    def d_model(self) -> int:
        """See LlamaEngine."""
        return self._embeddings.shape[1]

    @property
    def vocab_size(self) -> int:
        """See LlamaEngine."""
        return self._embeddings.shape[0]

    def embed(self, token_ids: Tensor) -> Tensor:
        """See LlamaEngine."""
        return self._embeddings[token_ids]

    def run(
        self, inputs: Tensor, mask: Any = None, cache: Any = None, options: RunOptions | None = None
    ) -> Any:
        """It cannot."""
        raise ConfigError("the Llama runs on vLLM, where this cannot be done: use --recognition ctc")

    select = truncate = join = run


class _Growing:
    """The tokens of one answer so far."""

    def __init__(self, job: ReplyJob, tokenizer: ChatTokenizer) -> None:
        self.job, self.token_ids = job, list[int]()
        self._rules = StopRules(tokenizer.end_ids, job.max_tokens)
        self._text, self._stops = TextStream(tokenizer), StopTexts(job.stop)

    def take(self, token_id: int) -> str | None:
        """One more token; why the answer ends with it, or None."""
        self.token_ids.append(token_id)
        reason = stop_reason(self.token_ids, self._rules)
        if reason != "end":
            for event in self._stops.push(TokenEvent(token_id, self._text.push(token_id))):
                self.job.said(event)
        return "stop" if self._stops.found else reason

    def end(self, reason: str) -> None:
        """Give out what was held back, and the end."""
        for event in self._stops.flush():
            self.job.said(event)
        self.job.ended(reason)


class VllmDecoder:
    """See batching.Decoder. `make_params(max_tokens, job)` makes SamplingParams; job None: of a judgement."""

    size = 0  # vLLM steps by itself

    def __init__(
        self, client: VllmClient, tokenizer: ChatTokenizer, table: TokenTable, make_params: Any
    ) -> None:
        self._client, self._tokenizer, self._table = client, tokenizer, table
        self._make_params, self._numbers = make_params, itertools.count()
        self._turn_end = TurnEndPrompt(tokenizer)
        self._running: dict[int, Future[None]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="vllm", daemon=True)
        self._thread.start()

    def add(self, job: ReplyJob) -> None:
        """See Decoder."""
        running = asyncio.run_coroutine_threadsafe(self._answer(job), self._loop)
        self._running[id(job)] = running
        running.add_done_callback(lambda _: self._running.pop(id(job), None))

    def remove(self, job: ReplyJob) -> None:
        """See Decoder; leaving `generate` aborts the request."""
        running = self._running.pop(id(job), None)
        if running is not None:
            running.cancel()

    def step(self) -> None:
        """See Decoder."""

    def abandon(self) -> list[ReplyJob]:
        """See Decoder; each answer fails for itself here."""
        return []

    def foresee(self, conversation: str, prompt_ids: list[int], speech: Mapping[int, Tensor]) -> None:
        """See Decoder."""

    def drop(self, conversation: str) -> None:
        """See Decoder."""

    def judge(self, text: str, judged: Callable[[float], None]) -> None:
        """See Decoder; what cannot be told in time is told as 0."""
        asyncio.run_coroutine_threadsafe(self._judge_in_time(text, judged), self._loop)

    def close(self) -> None:
        """See Decoder."""
        for running in list(self._running.values()):
            running.cancel()
        self._client.shutdown()
        asyncio.run_coroutine_threadsafe(self._loop.shutdown_asyncgens(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    async def _judge_in_time(self, text: str, judged: Callable[[float], None]) -> None:
        ids, found = self._turn_end.ids(text), 0.0
        try:
            if ids:
                found = await asyncio.wait_for(self._judge(ids), _JUDGE_S)
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001 (the turn goes on by its silence)
            _log.exception("vLLM could not judge the end of a turn")
        judged(found)

    async def _judge(self, ids: list[int]) -> float:
        found = 0.0
        async with aclosing(self._outputs(ids, {}, self._make_params(1, None))) as outputs:
            async for output in outputs:
                for likely in output.outputs[0].logprobs or ():
                    found += sum(
                        math.exp(likely[one].logprob) for one in self._turn_end.ending_ids if one in likely
                    )
        return found

    async def _answer(self, job: ReplyJob) -> None:
        growing = _Growing(job, self._tokenizer)
        try:
            growing.end(await self._grow(growing))
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001 (one answer that fails must not end the others)
            _log.exception("vLLM could not answer")
            job.failed("the language model failed")

    async def _grow(self, growing: _Growing) -> str:
        """Tell tokens as they come; why the answer ended."""
        job = growing.job
        for token_id in job.opening_ids:
            reason = growing.take(token_id)
            if reason is not None:
                return reason
        params = self._make_params(job.max_tokens - len(job.opening_ids), job)
        prompt_ids = [*job.prompt_ids, *job.opening_ids]
        async with aclosing(self._outputs(prompt_ids, job.speech, params)) as outputs:
            async for output in outputs:
                for token_id in output.outputs[0].token_ids:
                    reason = growing.take(token_id)
                    if reason is not None:
                        return reason
                ended = output.outputs[0].finish_reason
                if ended is not None:
                    return _REASONS[ended]
        raise RuntimeError("vLLM gave no reason for the end of an answer")

    def _outputs(
        self, ids: Sequence[int], speech: Mapping[int, Tensor], params: Any
    ) -> AsyncGenerator[Any, None]:
        """What vLLM makes of a prompt (vllm.inputs.TokensInput), or of its embeddings if speech is in it
        (EmbedsInput, (positions, d_llama)).
        """
        prompt: dict[str, Any] = {"type": "token", "prompt_token_ids": list(ids)}
        if any(one < 0 for one in ids):
            embeddings = prompt_embeds(list(ids), speech, self._table.embed)[0]
            prompt = {"type": "embeds", "prompt_embeds": embeddings}
        return self._client.generate(prompt, params, f"llama-speech-{next(self._numbers)}")


class DraftRecognizer:
    """The recognizer by its CTC head alone, whatever mode is asked for: the Llama is elsewhere."""

    def __init__(self, recognizer: SpeechRecognizer) -> None:
        self._recognizer = recognizer

    def transcribe(self, features: list[Tensor], language: str, mode: str) -> list[Recognition]:
        """See SpeechRecognizer."""
        return self._recognizer.transcribe(features, language, "ctc")


def load_without_llama(
    bundle: Bundle, llama: str | os.PathLike[str] | None
) -> tuple[LoadedModel, TokenTable, Path]:
    """The trained parts of a bundle with the embedding table of its Llama, the table, and the Llama's folder.

    Raises ConfigError for a Llama that is no folder.
    """
    folder = llama_source(bundle, llama)
    if not isinstance(folder, Path):
        raise ConfigError(f"the Llama {folder} is no folder here: download it, and give its folder")
    table = TokenTable(read_token_embeddings(folder), read_sizes(folder).max_positions)
    model = load_speech_model(bundle.folder, folder)
    return joined(model, cast(LlamaEngine, table), ChatTokenizer.from_folder(folder)), table, folder


def start_vllm(
    folder: Path, tokenizer: ChatTokenizer, table: TokenTable, options: Mapping[str, Any]
) -> VllmDecoder:
    """vLLM with a Llama. options: of vllm.AsyncEngineArgs; its `max_model_len` bounds the table's positions.

    vLLM is told to send nothing about its use to its makers, and to log to stderr, unless the environment
    says otherwise. Raises ConfigError where vLLM is missing.
    """
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
    try:
        from vllm import AsyncEngineArgs, SamplingParams
        from vllm.sampling_params import RequestOutputKind
        from vllm.v1.engine.async_llm import AsyncLLM
    except ImportError:
        raise ConfigError("vLLM is not installed: pip install 'llama-speech[vllm]'") from None
    settings = {"model": str(folder), "enable_prompt_embeds": True, "enable_prefix_caching": True, **options}

    def make_params(max_tokens: int, job: ReplyJob | None) -> Any:
        sampling = job.sampling if job is not None else None
        return SamplingParams(
            max_tokens=max_tokens,
            temperature=sampling.temperature if sampling else 0.0,
            top_p=sampling.top_p if sampling else 1.0,
            seed=sampling.seed if sampling else None,
            stop_token_ids=list(tokenizer.end_ids),
            logprobs=None if job is not None else _JUDGED_LIKELY,
            detokenize=False,
            output_kind=RequestOutputKind.DELTA,
        )

    client = AsyncLLM.from_engine_args(AsyncEngineArgs(**settings))
    table.max_positions = min(table.max_positions, client.model_config.max_model_len)
    return VllmDecoder(client, tokenizer, table, make_params)
