"""Many answers decoded together: sessions join and leave the batch between any two tokens.

The Llama runs one token of every session at a time. A session that joins is prefilled alone, from the longest
part of its conversation that is still in the cache; its tokens are those it would get alone.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch

from llama_speech.service.conversation.captions import common_length
from llama_speech.service.models.turn_end import TurnEndJudge
from speech_adapter.answer_stream import StopTexts, TextStream
from speech_adapter.engine import EngineOutput, LlamaEngine, RunOptions
from speech_adapter.kv_cache import KeyValueCache
from speech_adapter.sampling import Chooser, Sampling
from speech_adapter.stopping import StopRules, stop_reason
from speech_adapter.tokenizer import ChatTokenizer
from speech_core.events import TokenEvent

_PREFILL_TOKENS = 256  # run at once: bounds how long others wait, and memory


@dataclass(frozen=True)
class ReplyJob:
    """One answer to be decoded. said and ended are called on the thread that decodes.

    conversation: whose cache may be reused. prompt_ids: below 0 where speech stands. opening: tokens the
    answer must begin with, told like its own.
    """

    conversation: str
    prompt_ids: list[int]
    max_tokens: int
    said: Callable[[TokenEvent], None]
    ended: Callable[[str], None]  # end, stop, loop, length
    failed: Callable[[str], None] = lambda message: None  # instead, when decoding went wrong
    opening_ids: list[int] = field(default_factory=list)
    embeddings: bool = False
    sampling: Sampling = field(default_factory=Sampling)
    stop: tuple[str, ...] = ()  # texts that end the answer
    speech: Mapping[int, torch.Tensor] = field(default_factory=dict)  # (d_llama,) of ids below 0


class _Row:
    """An answer while it grows."""

    def __init__(self, job: ReplyJob, tokenizer: ChatTokenizer) -> None:
        self.job = job
        self.rules = StopRules(tokenizer.end_ids, job.max_tokens)
        self.text, self.chooser = TextStream(tokenizer), Chooser(job.sampling)
        self.stops = StopTexts(job.stop)
        self.token_ids: list[int] = []
        self.run_ids = list(job.prompt_ids)  # what its cache holds
        self.log_prob = 0.0

    def choose(self, output: EngineOutput, row: int) -> str | None:
        """Take the next token; why the answer ends with it, or None."""
        forced = self.job.opening_ids[len(self.token_ids) : len(self.token_ids) + 1]
        token_id, self.log_prob = self.chooser.choose(output.logits[row, -1])
        self.token_ids.append(forced[0] if forced else token_id)
        reason = stop_reason(self.token_ids, self.rules)
        if reason != "end" and not self.job.embeddings:
            self.tell(None)
        return "stop" if self.stops.found else reason

    def tell(self, embedding: torch.Tensor | None) -> None:
        """Give out the last token."""
        token_id = self.token_ids[-1]
        event = TokenEvent(token_id, self.text.push(token_id), embedding, self.log_prob)
        for final in self.stops.push(event):
            self.job.said(final)

    def end(self, reason: str) -> None:
        """Give out what was held back, and the end."""
        for event in self.stops.flush():
            self.job.said(event)
        self.job.ended(reason)


class PrefixCache:
    """Caches of conversations after their last answer, the longest unused forgotten first."""

    def __init__(self, engine: LlamaEngine, max_positions: int) -> None:
        self._engine, self._max_positions = engine, max_positions
        self._kept: OrderedDict[str, tuple[list[int], KeyValueCache]] = OrderedDict()

    @property
    def positions(self) -> int:
        """Positions in memory."""
        return sum(len(ids) for ids, _ in self._kept.values())

    def put(self, conversation: str, token_ids: list[int], cache: KeyValueCache) -> None:
        """Keep the cache (of one session) of these tokens."""
        self._kept.pop(conversation, None)
        self._kept[conversation] = (token_ids, cache)
        while self._kept and self.positions > self._max_positions:
            self._kept.popitem(last=False)

    def take(self, conversation: str, token_ids: list[int]) -> tuple[int, KeyValueCache | None]:
        """How many of the tokens are known, and the cache of those; at least one token is left to run."""
        kept = self._kept.pop(conversation, None)
        if kept is None:
            return 0, None
        ids, cache = kept
        known = common_length(ids, token_ids[:-1])
        if known == 0:
            return 0, None
        return known, self._engine.truncate(cache, torch.tensor([known]))

    def drop(self, conversation: str) -> None:
        """A session is over."""
        self._kept.pop(conversation, None)


class Decoder(Protocol):
    """What decodes the answers of an engine. To be used from one thread."""

    @property
    def size(self) -> int:
        """Answers that need `step`."""

    def add(self, job: ReplyJob) -> None:
        """Begin an answer."""

    def step(self) -> None:
        """One more token of every answer."""

    def remove(self, job: ReplyJob) -> None:
        """Stop an answer; nothing more is told of it."""

    def abandon(self) -> list[ReplyJob]:
        """Forget all answers after a failed step; who they were for."""

    def foresee(self, conversation: str, prompt_ids: list[int], speech: Mapping[int, torch.Tensor]) -> None:
        """A later prompt of the conversation will begin with this."""

    def drop(self, conversation: str) -> None:
        """A conversation is over."""

    def judge(self, text: str, judged: Callable[[float], None]) -> None:
        """Tell, now or later and on any thread, how likely a user has finished after these words, 0 to 1."""

    def close(self) -> None:
        """Stop what runs for it."""


def prompt_embeds(
    ids: list[int], speech: Mapping[int, torch.Tensor], embed: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Embeddings (1, positions, d_llama) of a prompt with speech at ids below 0."""
    embeds = embed(torch.tensor([[max(one, 0) for one in ids]])).clone()
    for place, one in enumerate(ids):
        if one < 0:
            embeds[0, place] = speech[one].to(embeds)
    return embeds


class ContinuousBatch:
    """All answers that are being decoded here; see Decoder."""

    def __init__(self, engine: LlamaEngine, tokenizer: ChatTokenizer, cached_positions: int = 4_096) -> None:
        self._engine, self._tokenizer = engine, tokenizer
        self.prefixes = PrefixCache(engine, cached_positions)
        self._judge = TurnEndJudge(engine, tokenizer)
        self._rows: list[_Row] = []
        self._cache: KeyValueCache | None = None

    @property
    def size(self) -> int:
        """Answers under way."""
        return len(self._rows)

    def drop(self, conversation: str) -> None:
        """See Decoder."""
        self.prefixes.drop(conversation)

    def judge(self, text: str, judged: Callable[[float], None]) -> None:
        """See Decoder."""
        judged(self._judge(text))

    def close(self) -> None:
        """See Decoder."""

    @torch.inference_mode()
    def add(self, job: ReplyJob) -> None:
        """Prefill an answer and take its first token."""
        row = _Row(job, self._tokenizer)
        output = self._prefill(job.conversation, job.prompt_ids, job.speech)
        if output is None:
            raise ValueError("a prompt has at least one token")
        cache = output.cache
        reason = row.choose(output, 0)
        if self._over(row, reason):
            self._leave(row, cache, reason or "end")
            return
        self._cache = cache if self._cache is None else self._engine.join([self._cache, cache])
        self._rows.append(row)

    @torch.inference_mode()
    def foresee(self, conversation: str, prompt_ids: list[int], speech: Mapping[int, torch.Tensor]) -> None:
        """Run what a later prompt of the conversation will begin with, and keep its cache."""
        output = self._prefill(conversation, prompt_ids, speech)
        if output is not None:
            self.prefixes.put(conversation, list(prompt_ids), output.cache)

    def _prefill(
        self, conversation: str, prompt_ids: list[int], speech: Mapping[int, torch.Tensor]
    ) -> EngineOutput | None:
        """Run a prompt from the longest part of it that is known."""
        known, cache = self.prefixes.take(conversation, prompt_ids)
        output = None
        for start in range(known, len(prompt_ids), _PREFILL_TOKENS):
            inputs = self._inputs(prompt_ids[start : start + _PREFILL_TOKENS], speech)
            output = self._engine.run(inputs, cache=cache)
            cache = output.cache
        return output

    def _inputs(self, ids: list[int], speech: Mapping[int, torch.Tensor]) -> torch.Tensor:
        """Token ids (1, positions), or embeddings (1, positions, d_llama) where speech is among them."""
        if min(ids) >= 0:
            return torch.tensor([ids])
        return prompt_embeds(ids, speech, self._engine.embed)

    @torch.inference_mode()
    def step(self) -> None:
        """One more token of every answer."""
        if not self._rows or self._cache is None:
            return
        inputs = torch.tensor([[row.token_ids[-1]] for row in self._rows])
        hidden = any(row.job.embeddings for row in self._rows)
        output = self._engine.run(inputs, cache=self._cache, options=RunOptions(hidden=hidden))
        self._cache = output.cache
        leaving: dict[int, str] = {}
        for number, row in enumerate(self._rows):
            row.run_ids.append(row.token_ids[-1])
            if row.job.embeddings and output.hidden is not None:
                row.tell(output.hidden[number, -1].clone())
            reason = "stop" if row.stops.found else stop_reason(row.token_ids, row.rules)
            reason = reason or row.choose(output, number)
            if self._over(row, reason):
                leaving[number] = reason or "end"
        self._remove(leaving)

    def abandon(self) -> list[ReplyJob]:
        """Forget all answers, in whatever state they are; who they were for."""
        rows, self._rows, self._cache = self._rows, [], None
        return [row.job for row in rows]

    def remove(self, job: ReplyJob) -> None:
        """Stop an answer; nothing more is told of it."""
        for number, row in enumerate(self._rows):
            if row.job is job:
                self._remove({number: ""})
                return

    def _over(self, row: _Row, reason: str | None) -> bool:
        """An answer whose tokens carry embeddings goes on until its last token was run."""
        if reason in (None, "end", "stop"):
            return reason is not None
        return not row.job.embeddings or len(row.run_ids) == len(row.job.prompt_ids) + len(row.token_ids)

    def _remove(self, leaving: dict[int, str]) -> None:
        """leaving: why, by row; an empty reason is not told."""
        if not leaving or self._cache is None:
            return
        for number, reason in leaving.items():
            self._leave(self._rows[number], self._engine.select(self._cache, [number]), reason)
        staying = [number for number in range(len(self._rows)) if number not in leaving]
        self._rows = [self._rows[number] for number in staying]
        self._cache = self._engine.select(self._cache, staying) if staying else None

    def _leave(self, row: _Row, cache: KeyValueCache, reason: str) -> None:
        self.prefixes.put(row.job.conversation, row.run_ids, cache)
        if reason:
            row.end(reason)
