"""Batches of cached speech: features, lengths, texts, and a seed of their own for everything random."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recipes.data.batching import BatchSampler, collate
from recipes.data.features_cache import FeatureCache
from recipes.data.teacher_states import TeacherStates

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SpeechBatch:
    """features (batch, frames, mels) log-mel, lengths (batch,), texts, and a seed of this batch alone."""

    features: Tensor
    lengths: Tensor
    texts: list[str | None]
    items: list[int]
    seed: int
    extras: list[dict[str, Any]] = field(default_factory=list)  # what else is known of each utterance
    records: list[dict[str, Any]] = field(default_factory=list)  # each utterance as it is stored
    teacher: Tensor | None = None  # (batch, states, d_teacher), NaN past the end and where none is known


class SpeechBatches:
    """Endless batches of a cache; resumable to the batch, and each batch always carries the same seed."""

    def __init__(
        self,
        cache: FeatureCache,
        max_frames: int,
        seed: int,
        min_frames: int = 1,
        weights: NDArray[np.float64] | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        """weights (items,): how often an item comes in an epoch; 0, or a length out of bounds: never.

        share: (process, processes); each process gets batches of its own.
        """
        wanted = np.full(len(cache.lengths), True) if weights is None else weights > 0
        chosen = wanted & (cache.lengths >= min_frames) & (cache.lengths <= max_frames)
        left_out = int(wanted.sum() - chosen.sum())
        if left_out:
            logger.warning(
                "%d of %d items are left out: shorter than %d or longer than %d frames, as much as a batch",
                *(left_out, int(wanted.sum()), min_frames, max_frames),
            )
        self.cache, self.seed = cache, seed
        self.teacher: TeacherStates | None = None  # set to have its states in the batches
        self.items = np.flatnonzero(chosen)
        kept = None if weights is None else weights[self.items]
        self.share = share
        self.sampler = BatchSampler(cache.lengths[self.items], max_frames, seed, kept, share=share)

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second."""
        return self.cache.config.frame_rate_hz

    def __iter__(self) -> Iterator[SpeechBatch]:
        for chosen in self.sampler:
            yield self._batch(self.items[chosen].tolist(), self.sampler.epoch, self.sampler.position)

    def _batch(self, items: list[int], epoch: int, position: int) -> SpeechBatch:
        cached = [self.cache[item] for item in items]
        features, lengths = collate([item.features for item in cached])
        seed = int(np.random.default_rng([self.seed, epoch, position, self.share[0]]).integers(2**62))
        records = [self.cache.record(item) for item in items]
        texts, extras = [item.text for item in cached], [record["extra"] for record in records]
        return SpeechBatch(features, lengths, texts, items, seed, extras, records, self._states(items))

    def _states(self, items: list[int]) -> Tensor | None:
        """The teacher's states of the items, padded with NaN."""
        if self.teacher is None:
            return None
        states = [self.teacher[item] for item in items]
        longest = max((len(found) for found in states if found is not None), default=0)
        padded = torch.full((len(items), longest, self.teacher.dimensions), torch.nan)
        for row, found in zip(padded, states, strict=True):
            if found is not None:
                row[: len(found)] = torch.from_numpy(found)
        return padded

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands after the last batch it gave."""
        return self.sampler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on after that batch."""
        self.sampler.load_state_dict(state)

    @classmethod
    def fixed(
        cls, cache: FeatureCache, max_frames: int, weights: NDArray[np.float64] | None = None
    ) -> list[SpeechBatch]:
        """Every item of a cache (of weight above 0) once, in order of length: for evaluation."""
        batches = cls(cache, max_frames, seed=0, weights=weights)
        cut = BatchSampler(cache.lengths[batches.items], max_frames, 0, None, short_first_epochs=1)
        chosen = cut.epoch_batches(0)
        return [
            batches._batch(batches.items[items].tolist(), 0, number) for number, items in enumerate(chosen)
        ]
