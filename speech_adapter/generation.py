"""Greedy decoding of a batch, with the exact check of drafts (one answer as a stream: answer_stream.py).

A draft (the CTC result) is run through the Llama in one pass. The longest prefix that equals the Llama's
own greedy choices is kept, one token is corrected, and the rest of the draft is tried again behind it. So
the result is that of plain greedy decoding, token for token, in a fraction of the passes; with an empty
draft it is plain greedy decoding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from speech_adapter.draft import DraftAligner
from speech_adapter.engine import Choices, EngineOutput, LlamaEngine, RunOptions
from speech_adapter.kv_cache import KeyValueCache
from speech_adapter.sequence import InputSequence, pad_sequences
from speech_adapter.stopping import StopRules, stop_reason, without_ending
from speech_core.errors import InputError

_FIRST_TRUST = 16  # tokens a draft is taken to be good for before it is known


@dataclass(frozen=True)
class Answer:
    """What the Llama said: tokens without the end-of-turn token, natural log-probabilities, and why it ended.

    reason: "end" (its own end-of-turn token), "loop" (only the first round is kept), "length", or "unlike"
    (out of the reach of what its rules ask for).
    passes: runs of the Llama this answer took part in.
    """

    token_ids: list[int]
    log_probs: list[float]
    reason: str
    passes: int


@dataclass(frozen=True)
class Drafting:
    """Drafts of a batch, and how to compare tokens when a draft must be realigned."""

    drafts: Sequence[Sequence[int]]
    text_of: Callable[[int], str] | None = None


class _Session:
    """One answer while it grows.

    After a correction so much of the draft is run as it has earned: twice what a pass has brought so far. A
    poor one run to its end each time would cost more than it saves.
    """

    def __init__(self, rules: StopRules, aligner: DraftAligner) -> None:
        self.rules, self.aligner = rules, aligner
        self.token_ids: list[int] = []
        self.log_probs: list[float] = []
        self.passes = 0
        self.reason = "length" if rules.max_tokens == 0 else None
        self.drafted = aligner.rest()  # what was run last, behind the token before it

    def take(self, choices: Choices, row: int) -> int:
        """Accept the choices of a pass as far as the draft was right; how many drafted tokens held."""
        self.passes += 1
        places = choices.token_ids.shape[1] - len(self.drafted) - 1
        token_ids = choices.token_ids[row, places:].tolist()
        log_probs = choices.log_probs[row, places:].tolist()
        held = 0
        for number, (token_id, log_prob) in enumerate(zip(token_ids, log_probs, strict=True)):
            self.token_ids.append(token_id)
            self.log_probs.append(log_prob)
            self.aligner.accept(token_id)
            held = number
            self.reason = stop_reason(self.token_ids, self.rules)
            if self.reason is not None or number == len(self.drafted) or self.drafted[number] != token_id:
                break
        reach = self.rules.within_reach
        if self.reason is None and reach is not None and not reach(self.token_ids):
            self.reason = "unlike"
        return held

    def next_ids(self) -> list[int]:
        """What to run next: the last token accepted and the draft behind it."""
        room = self.rules.max_tokens - len(self.token_ids)
        earned = 2 * (len(self.token_ids) + _FIRST_TRUST) // max(self.passes, 1)
        self.drafted = self.aligner.rest()[: max(min(room, earned), 0)]
        return [self.token_ids[-1], *self.drafted]

    def answer(self) -> Answer:
        """The finished answer."""
        count = without_ending(self.token_ids, self.reason, self.rules)
        return Answer(self.token_ids[:count], self.log_probs[:count], self.reason or "length", self.passes)


@torch.inference_mode()
def decode(
    engine: LlamaEngine,
    prompts: Sequence[InputSequence],
    rules: Sequence[StopRules],
    drafting: Drafting | None = None,
    prefix: KeyValueCache | None = None,
) -> list[Answer]:
    """The Llama's greedy answer to each prompt, the same with any drafts or none.

    prefix: cache of one session that all prompts go on from (the part of the conversation they share).
    """
    drafts = drafting.drafts if drafting else [[] for _ in prompts]
    if not len(prompts) == len(rules) == len(drafts):
        raise InputError(
            f"{len(prompts)} prompts, {len(rules)} rules, {len(drafts)} drafts: give one of each"
        )
    text_of = drafting.text_of if drafting else None
    sessions = [
        _Session(rule, DraftAligner(draft[: rule.max_tokens], text_of))
        for rule, draft in zip(rules, drafts, strict=True)
    ]
    active = [session for session in sessions if session.reason is None]
    if active:
        waiting = [
            prompt for prompt, session in zip(prompts, sessions, strict=True) if session.reason is None
        ]
        output = _first_pass(engine, waiting, active, prefix)
        while active:
            active, cache = _accept(engine, active, output)
            output = _next_pass(engine, active, cache) if active else output
    return [session.answer() for session in sessions]


def _first_pass(
    engine: LlamaEngine,
    prompts: Sequence[InputSequence],
    sessions: Sequence[_Session],
    prefix: KeyValueCache | None,
) -> EngineOutput:
    """Run every prompt with its draft behind it."""
    items = []
    for prompt, session in zip(prompts, sessions, strict=True):
        drafted = engine.embed(torch.tensor(session.drafted, dtype=torch.int64)).to(prompt.embeds)
        embeds = torch.cat([prompt.embeds, drafted])
        items.append(InputSequence(embeds, torch.zeros(len(embeds), dtype=torch.int64)))
    batch = pad_sequences(items, side="left")
    cache = engine.select(prefix, [0] * len(items)) if prefix is not None else None
    return engine.run(batch.embeds, batch.mask, cache, _choices_of(sessions))


def _accept(
    engine: LlamaEngine, active: list[_Session], output: EngineOutput
) -> tuple[list[_Session], KeyValueCache]:
    """Take what a pass has shown; the sessions that go on, and their cache without refused tokens."""
    choices = output.choices
    if choices is None:  # an engine that breaks its contract
        raise InputError("the engine returned no choices")
    lengths, going_on = output.cache.lengths.cpu(), list[int]()
    for row, session in enumerate(active):
        drafted = len(session.drafted)
        lengths[row] -= drafted - session.take(choices, row)
        if session.reason is None:
            going_on.append(row)
    cache = output.cache
    if len(going_on) < len(active):
        cache = engine.select(cache, going_on)
    if not torch.equal(lengths[going_on], cache.lengths.cpu()):
        cache = engine.truncate(cache, lengths[going_on])
    return [active[row] for row in going_on], cache


def _next_pass(engine: LlamaEngine, active: Sequence[_Session], cache: KeyValueCache) -> EngineOutput:
    """Run the corrected token of each session and its draft behind it."""
    rows = [torch.tensor(session.next_ids(), dtype=torch.int64) for session in active]
    longest = max(len(row) for row in rows)
    inputs = torch.stack([torch.nn.functional.pad(row, (longest - len(row), 0)) for row in rows])
    lengths = torch.tensor([len(row) for row in rows])
    mask = torch.arange(longest) >= (longest - lengths)[:, None]
    return engine.run(inputs, mask, cache, _choices_of(active))


def _choices_of(sessions: Sequence[_Session]) -> RunOptions:
    longest = max(len(session.drafted) for session in sessions)
    return RunOptions(num_logits=longest + 1, choices=True)
