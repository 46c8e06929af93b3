"""Middle-layer states of the Llama for given text, as if the text answered an empty prompt.

What a Llama says carries its states already; text that comes from elsewhere is run through the Llama up to
the middle layer and no further. Source: arXiv 2407.21783, 8.1 (output of layer 16 of 32).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from speech_adapter.answer_stream import TextStream
from speech_adapter.engine import LlamaEngine, RunOptions, middle_layer
from speech_adapter.kv_cache import KeyValueCache
from speech_adapter.prompts import Turn, render
from speech_adapter.tokenizer import ChatTokenizer
from speech_core.errors import InputError
from speech_core.events import TokenEvent

MAX_TOKENS = 512
"""Tokens that are run at once; longer text starts anew, so that cost stays in proportion to length."""
_HIDDEN = RunOptions(num_logits=0, hidden=True)


def half_engine(folder: Path, dtype: str = "auto") -> LlamaEngine:
    """An engine of the layers up to the middle one only, for half the cost. Raises ConfigError for kinds of
    Llama the lean engine does not know.
    """
    from speech_adapter.engine_fast import FastEngine
    from speech_adapter.llama_weights import WeightFiles, read_sizes

    sizes = read_sizes(folder)
    layers = middle_layer(sizes.num_layers)
    engine = FastEngine(replace(sizes, num_layers=layers), WeightFiles(folder), dtype)
    engine.middle_layer = layers
    return engine


class TextStates:
    """Text to token events with embeddings. The prompt is run once."""

    def __init__(self, engine: LlamaEngine, tokenizer: ChatTokenizer) -> None:
        self.engine, self.tokenizer = engine, tokenizer
        pieces = render(tokenizer, [Turn("user", ("",))])
        ids = [token for piece in pieces if isinstance(piece, list) for token in piece]
        self._prompt: KeyValueCache = engine.run(torch.tensor([ids]), options=_HIDDEN).cache

    @classmethod
    def from_folder(cls, folder: Path, dtype: str = "auto") -> "TextStates":
        """States of the Llama in a folder."""
        return cls(half_engine(folder, dtype), ChatTokenizer.from_folder(folder))

    def events(self, text: str) -> list[TokenEvent]:
        """Tokens of `text` with their embeddings; their texts joined are `text`."""
        return self.batch([text])[0]

    def batch(self, texts: Sequence[str]) -> list[list[TokenEvent]]:
        """`events` of several texts at once."""
        ids = [self.tokenizer.encode_literal(text) for text in texts]
        runs = [row[at : at + MAX_TOKENS] for row in ids for at in range(0, len(row), MAX_TOKENS)]
        hidden = iter(self._states(runs) if runs else [])
        out = []
        for text, row in zip(texts, ids, strict=True):
            parts = [next(hidden) for _ in range(0, len(row), MAX_TOKENS)]
            states = torch.cat(parts) if parts else torch.zeros(0, self.engine.d_model)
            out.append(self._events(text, row, states))
        return out

    def _states(self, runs: Sequence[Sequence[int]]) -> list[Tensor]:
        """(tokens, d_llama) of each run of token ids, all run at once."""
        longest = max(len(run) for run in runs)
        ids = torch.tensor([[0] * (longest - len(run)) + list(run) for run in runs])
        lengths = torch.tensor([len(run) for run in runs])
        mask = torch.arange(longest) >= (longest - lengths)[:, None]
        cache = self.engine.select(self._prompt, [0] * len(runs))
        output = self.engine.run(ids, mask, cache, _HIDDEN)
        if output.hidden is None:
            raise InputError("the engine returned no hidden states")
        return [states[longest - len(run) :].float() for states, run in zip(output.hidden, runs, strict=True)]

    def _events(self, text: str, ids: Sequence[int], states: Tensor) -> list[TokenEvent]:
        stream, events, said = TextStream(self.tokenizer), list[TokenEvent](), 0
        for token_id, state in zip(ids, states, strict=True):
            added = stream.push(token_id)
            said += len(added)
            events.append(TokenEvent(token_id, added, state))
        if "".join(event.text for event in events) != text:
            events = _aligned(text, events)
        return events


def _aligned(text: str, events: Sequence[TokenEvent]) -> list[TokenEvent]:
    """Events whose texts joined are `text`, for tokenizers that change it (unknown characters, spaces)."""
    out, at = [], 0
    for number, event in enumerate(events):
        end = len(text) if number == len(events) - 1 else min(at + len(event.text), len(text))
        out.append(replace(event, text=text[at:end]))
        at = end
    return out
