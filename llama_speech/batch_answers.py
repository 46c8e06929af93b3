"""Greedy answers to many conversations at once: for evaluation and for making training data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from speech_adapter.generation import decode
from speech_adapter.prompts import Turn, render
from speech_adapter.sequence import build_sequence
from speech_adapter.stopping import StopRules

if TYPE_CHECKING:
    from torch import Tensor

    from speech_adapter.engine import LlamaEngine
    from speech_adapter.tokenizer import ChatTokenizer


@dataclass(frozen=True)
class BatchAnswer:
    """One answer. reason: "end", "loop" or "length"."""

    text: str
    token_ids: tuple[int, ...]
    reason: str


@dataclass(frozen=True)
class Answerer:
    """What answers: a Llama, its tokenizer, and the boundaries of speech (2, d_llama)."""

    engine: "LlamaEngine"
    tokenizer: "ChatTokenizer"
    boundaries: "Tensor"


def answer_texts(
    answerer: Answerer, conversations: Sequence[Sequence[Turn]], max_tokens: int, batch_size: int = 8
) -> list[BatchAnswer]:
    """The greedy answer to each conversation, in order; those of like length are run together."""
    prompts = [
        build_sequence(render(answerer.tokenizer, turns), answerer.engine.embed, answerer.boundaries)
        for turns in conversations
    ]
    order = sorted(range(len(prompts)), key=lambda row: len(prompts[row].embeds))
    rules = StopRules(answerer.tokenizer.end_ids, max_tokens)
    answers: dict[int, BatchAnswer] = {}
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        made = decode(answerer.engine, [prompts[row] for row in rows], [rules] * len(rows))
        for row, answer in zip(rows, made, strict=True):
            text = answerer.tokenizer.decode(answer.token_ids).strip()
            answers[row] = BatchAnswer(text, tuple(answer.token_ids), answer.reason)
    return [answers[row] for row in range(len(prompts))]
