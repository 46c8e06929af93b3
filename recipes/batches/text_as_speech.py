"""Texts in the place of speech: token embeddings as a recognizer gives them, long and inexact.

A soft prompt trained on single clean sentences repeats those alone: with noise of half a deviation on the
embeddings, or with three sentences, it begins to answer or to stop early.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from speech_core.errors import ConfigError

MIXED_SHARE = 0.3  # of the tokens are drawn towards another token


@dataclass(frozen=True)
class Disturbance:
    """How far text stands from clean single sentences."""

    join: int = 1  # most texts in one sequence
    noise: float = 0.0  # most noise, in deviations of the embeddings
    mix: float = 0.0  # farthest way to another token, as a share

    def __post_init__(self) -> None:
        if self.join < 1 or self.noise < 0 or not 0 <= self.mix < 1:
            raise ConfigError("need texts to join >= 1, noise >= 0 and 0 <= mix < 1")


def join_texts(texts: Sequence[str], most: int, generator: torch.Generator) -> list[str]:
    """The texts in groups of one size, 1 to `most`, small ones more often; the last may be smaller."""
    size = 1 + int(float(torch.rand((), generator=generator)) ** 2 * most)
    size = min(size, most)
    order = torch.randperm(len(texts), generator=generator).tolist()
    groups = [order[start : start + size] for start in range(0, len(order), size)]
    return [" ".join(texts[number] for number in group) for group in groups]


def disturb(embeds: Tensor, table: Tensor, config: Disturbance, generator: torch.Generator) -> Tensor:
    """Inexact embeddings: (tokens, d_llama) -> same; table (vocabulary, d_llama) is that of the Llama."""
    tokens = len(embeds)
    others = table[torch.randint(len(table), (tokens,), generator=generator)].to(embeds)
    drawn = torch.rand(tokens, generator=generator) < MIXED_SHARE
    ways = torch.rand(tokens, generator=generator) * config.mix * drawn
    level = float(torch.rand((), generator=generator)) * config.noise * float(table.float().std())
    noise = torch.randn(embeds.shape, generator=generator) * level
    return embeds + (others - embeds) * ways[:, None].to(embeds) + noise.to(embeds)
