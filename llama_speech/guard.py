"""A guard over what was asked and what is answered: a hook, off by default, and Llama Guard 3 for it.

A guard is any callable that takes the conversation as text and judges its last message. It sees transcripts
in place of speech. Where it refuses, the answer is a fixed sentence; it never sees a word of the other one.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from speech_adapter.engine import LlamaEngine
from speech_adapter.generation import decode
from speech_adapter.prompts import Turn, render
from speech_adapter.sequence import build_sequence
from speech_adapter.stopping import StopRules
from speech_adapter.tokenizer import ChatTokenizer

LLAMA_GUARD = "meta-llama/Llama-Guard-3-8B"
_VERDICT_TOKENS = 32
TextMessage = Mapping[str, str]  # role and content


@dataclass(frozen=True)
class Verdict:
    """What a guard says of a message. categories: of harm, as the guard names them (S1 to S14)."""

    safe: bool
    categories: tuple[str, ...] = ()


Guard = Callable[[Sequence[TextMessage]], Verdict]


def parse_verdict(text: str) -> Verdict:
    """Read `safe`, or `unsafe` and a line of categories. Anything else counts as unsafe, "unreadable"."""
    lines = text.strip().splitlines()
    first = lines[0].strip().lower() if lines else ""
    if first == "safe":
        return Verdict(True)
    if first != "unsafe":
        return Verdict(False, ("unreadable",))
    named = lines[1] if len(lines) > 1 else ""
    return Verdict(False, tuple(word.strip() for word in named.split(",") if word.strip()))


class LlamaGuard:
    """Llama Guard 3 as a guard: `LlamaGuard.load()`."""

    def __init__(self, engine: LlamaEngine, tokenizer: ChatTokenizer) -> None:
        self._engine, self._tokenizer = engine, tokenizer

    @classmethod
    def load(
        cls, llama: str | os.PathLike[str] = LLAMA_GUARD, device: str = "auto", dtype: str = "auto"
    ) -> "LlamaGuard":
        """From a folder, a GGUF file or a hub id. Raises CheckpointError if it cannot be had."""
        from llama_speech.loading import Placement, load_llama_parts, named_llama

        engine, tokenizer, _ = load_llama_parts(named_llama(llama), Placement(device, dtype))
        return cls(engine, tokenizer)

    def __call__(self, messages: Sequence[TextMessage]) -> Verdict:
        """Judge the last message of a conversation of users and assistant; system turns are left out."""
        turns = [
            Turn(message["role"], (message["content"],))
            for message in messages
            if message["role"] in ("user", "assistant")
        ]
        pieces = render(self._tokenizer, _alternating(turns))
        prompt = build_sequence(pieces, self._engine.embed, torch.zeros(2, self._engine.d_model))
        rules = StopRules(self._tokenizer.end_ids, _VERDICT_TOKENS)
        answer = decode(self._engine, [prompt], [rules])[0]
        return parse_verdict(self._tokenizer.decode(answer.token_ids))


def _alternating(turns: Sequence[Turn]) -> list[Turn]:
    """Neighbouring turns of one role joined: the template of Llama Guard wants user and assistant in turn."""
    joined: list[Turn] = []
    for turn in turns:
        if joined and joined[-1].role == turn.role:
            before = joined.pop()
            turn = Turn(turn.role, (*before.parts, "\n", *turn.parts))
        joined.append(turn)
    return joined
