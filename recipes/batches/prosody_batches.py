"""Batches of texts with their prosody, of like length, resumable; several texts may be joined to one."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from prosody.config import ProsodyConfig
from prosody.items import ProsodyItem, ProsodySet
from prosody.likelihood import ProsodyBatch, make_batch
from prosody.targets import Targets
from recipes.data.batching import BatchSampler


def join_items(items: Sequence[ProsodyItem]) -> ProsodyItem:
    """Texts of one speaker read one after the other, as one."""
    groups = tuple(group for item in items for group in item.groups)
    values = torch.cat([item.targets.values for item in items])
    voiced = torch.cat([item.targets.voiced for item in items])
    return replace(items[0], groups=groups, targets=Targets(values, voiced))


class ProsodyBatches:
    """An endless, resumable stream of training batches."""

    def __init__(
        self, items: ProsodySet, config: ProsodyConfig, sampler: BatchSampler, join_share: float = 0.0
    ) -> None:
        """join_share: share of batches in which two or three texts of a speaker are joined to one."""
        self._items, self._config = items, config
        self._sampler, self._join_share = sampler, join_share

    def __iter__(self) -> Iterator[ProsodyBatch]:
        for indices in self._sampler:
            seed = self._sampler.seed * 1_000_003 + self._sampler.epoch * 100_003 + self._sampler.position
            items = [self._items[int(number)] for number in indices]
            yield make_batch(self._joined(items, np.random.default_rng(seed)), self._config, seed)

    def _joined(self, items: list[ProsodyItem], random: np.random.Generator) -> list[ProsodyItem]:
        if random.random() >= self._join_share:
            return items
        joined: list[ProsodyItem] = []
        for speaker in sorted({item.speaker for item in items}):
            own = [item for item in items if item.speaker == speaker]
            size = int(random.integers(2, 4))
            joined += [join_items(own[start : start + size]) for start in range(0, len(own), size)]
        return joined

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands."""
        return self._sampler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._sampler.load_state_dict(state)
