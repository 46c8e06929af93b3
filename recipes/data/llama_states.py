"""Middle-layer states of a Llama over given texts, as if each answered an empty prompt.

So the speaking half is trained (arXiv 2407.21783, section 8.1): there is no conversation in front of the
text. The prompt is run once and shared; texts of like length are run together, and only the layers up to the
middle one.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from speech_adapter.engine import RunOptions, middle_layer
from speech_adapter.engine_fast import FastEngine
from speech_adapter.llama_weights import WeightFiles, read_sizes
from speech_adapter.prompts import Turn, render
from speech_adapter.tokenizer import ChatTokenizer
from speech_core.errors import InputError


@dataclass(frozen=True)
class TextStates:
    """One text. hidden: (tokens, d_llama) float32; ends: characters up to the end of each token."""

    token_ids: list[int]
    ends: list[int]
    hidden: Tensor


class StateReader:
    """A Llama cut off behind its middle layer."""

    def __init__(self, llama: Path, dtype: str = "auto") -> None:
        """llama: its folder; dtype: float32, bfloat16, or auto, the faster."""
        sizes = read_sizes(llama)
        self.layer = middle_layer(sizes.num_layers)
        self.tokenizer = ChatTokenizer.from_folder(llama)
        self._engine = FastEngine(replace(sizes, num_layers=self.layer), WeightFiles(llama), dtype)
        self._engine.middle_layer = self.layer
        prompt = render(self.tokenizer, [Turn("user", ("",))])
        ids = [number for piece in prompt if isinstance(piece, list) for number in piece]
        self._cache = self._engine.run(torch.tensor([ids]), options=RunOptions(num_logits=0)).cache
        self._room = sizes.max_positions - len(ids)

    @property
    def d_model(self) -> int:
        """Width of the states."""
        return self._engine.d_model

    def read(self, texts: Sequence[str], batch_tokens: int = 1024) -> Iterator[tuple[int, TextStates]]:
        """Number of a text and its states, in order of length. Raises InputError for one that is too long."""
        ids = [self.tokenizer.encode_literal(text) for text in texts]
        order = sorted(range(len(texts)), key=lambda number: len(ids[number]))
        if order and len(ids[order[-1]]) > self._room:
            raise InputError(f"text {order[-1]} has {len(ids[order[-1]])} tokens, most are {self._room}")
        for part in _batches(order, [len(tokens) for tokens in ids], batch_tokens):
            hidden = self._run([ids[number] for number in part])
            for number, states in zip(part, hidden, strict=True):
                yield number, TextStates(ids[number], self._ends(ids[number], texts[number]), states)

    def _run(self, ids: list[list[int]]) -> list[Tensor]:
        """States of some texts, (tokens, d_llama) each; padding stands on the left."""
        longest = max(len(tokens) for tokens in ids)
        if longest == 0:
            return [torch.zeros(0, self.d_model) for _ in ids]
        rows = torch.tensor([[0] * (longest - len(tokens)) + tokens for tokens in ids])
        mask = torch.tensor([[place >= longest - len(tokens) for place in range(longest)] for tokens in ids])
        cache = self._engine.select(self._cache, [0] * len(ids))
        output = self._engine.run(rows, mask, cache, RunOptions(num_logits=0, hidden=True))
        if output.hidden is None:
            raise AssertionError("the engine gave no states")
        return [row[longest - len(tokens) :] for row, tokens in zip(output.hidden, ids, strict=True)]

    def _ends(self, ids: list[int], text: str) -> list[int]:
        """Where the text of each token ends; a character cut by tokens ends with its last one."""
        ends = []
        for count in range(1, len(ids) + 1):
            ends.append(len(self.tokenizer.decode(ids[:count]).rstrip("\ufffd")))
        return [*ends[:-1], len(text)] if ends else []


def _batches(order: Sequence[int], sizes: Sequence[int], most: int) -> Iterator[list[int]]:
    """Runs of `order`, by size, so that padded they hold about `most` items; one at least."""
    rest = iter(order)
    for first in rest:
        part = [first]
        for number in itertools.islice(rest, max(0, most // max(sizes[first], 1) - 1)):
            part.append(number)
        yield part
