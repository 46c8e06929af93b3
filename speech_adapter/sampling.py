"""The next token from logits: the most likely one, or one drawn by temperature and top-p."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from speech_core.errors import ConfigError


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen. The same seed draws the same answer to the same prompt."""

    temperature: float = 0.0  # logits are divided by it; 0 takes the most likely token
    top_p: float = 1.0  # only the most likely tokens that together reach this probability are drawn
    seed: int | None = None  # None: another answer each time

    def __post_init__(self) -> None:
        if not 0.0 <= self.temperature <= 10.0:
            raise ConfigError(f"temperature is {self.temperature:g}: choose from 0 (greedy) to 10")
        if not 0.0 < self.top_p <= 1.0:
            raise ConfigError(f"top_p is {self.top_p:g}: choose above 0 and up to 1")

    @property
    def greedy(self) -> bool:
        """Whether nothing is left to chance."""
        return self.temperature == 0.0


class Chooser:
    """Chooses the tokens of one answer."""

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._random = torch.Generator()
        if sampling.seed is None:
            self._random.seed()
        else:
            self._random.manual_seed(sampling.seed)

    def choose(self, logits: Tensor) -> tuple[int, float]:
        """A token and its natural log-probability (of the Llama, before temperature and top-p).

        logits: (vocab,) float.
        """
        logits = logits.float().cpu()
        log_probs = logits.log_softmax(-1)
        token_id = int(logits.argmax()) if self._sampling.greedy else self._draw(logits)
        return token_id, float(log_probs[token_id])

    def _draw(self, logits: Tensor) -> int:
        probs, order = (logits / self._sampling.temperature).softmax(-1).sort(descending=True)
        before = probs.cumsum(-1) - probs  # of the more likely tokens: the first is always kept
        kept = probs.masked_fill(before >= self._sampling.top_p, 0.0)
        return int(order[torch.multinomial(kept, 1, generator=self._random)])
