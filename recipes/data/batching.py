"""Batches of similar length in a seeded order that can be taken up again at any batch."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speech_core.errors import InputError

Indices = NDArray[np.int64]


def collate(features: Sequence[NDArray[Any]]) -> tuple[Tensor, Tensor]:
    """Pad items with zeros: [(frames, mels)] -> (batch, most frames, mels) float32, lengths (batch,)."""
    lengths = torch.tensor([len(item) for item in features], dtype=torch.int64)
    padded = torch.zeros(len(features), int(lengths.max()), features[0].shape[1])
    for row, item in zip(padded, features, strict=True):
        row[: len(item)] = torch.from_numpy(np.asarray(item, dtype=np.float32))
    return padded, lengths


class BatchSampler:
    """Endless lists of item numbers; every epoch holds each item once, or `weights[i]` times on average.

    Items of an epoch are sorted by length with a little jitter, cut where a padded batch would exceed `max_frames`,
    and the batches shuffled; the first `short_first_epochs` epochs keep them in order of length instead.
    """

    def __init__(
        self,
        lengths: Indices,
        max_frames: int,
        seed: int = 0,
        weights: NDArray[np.float64] | None = None,
        short_first_epochs: int = 0,
    ) -> None:
        """lengths (items,) in frames. Raises InputError when there are no items or one exceeds a batch."""
        if not len(lengths):
            raise InputError("there are no items to make batches of: check the caches and the length limits")
        if int(lengths.max()) > max_frames:
            raise InputError(f"an item has {int(lengths.max())} frames, a batch {max_frames}: allow larger batches")
        self.lengths, self.max_frames, self.seed = lengths, max_frames, seed
        self.weights = np.ones(len(lengths)) if weights is None else weights
        self.short_first_epochs = short_first_epochs
        self.epoch, self.position = 0, 0

    def epoch_batches(self, epoch: int) -> list[Indices]:
        """All batches of one epoch, the same at every call."""
        random = np.random.default_rng([self.seed, epoch])
        copies = np.floor(self.weights + random.random(len(self.weights))).astype(np.int64)
        items = np.repeat(np.arange(len(self.lengths)), copies)
        jittered = self.lengths[items] * random.uniform(0.98, 1.02, len(items))
        batches = self._cut(items[np.argsort(jittered, kind="stable")])
        if epoch >= self.short_first_epochs:
            random.shuffle(batches)  # type: ignore[arg-type]
        return batches

    def _cut(self, items: Indices) -> list[Indices]:
        batches, start, longest = [], 0, 0
        for end, length in enumerate(self.lengths[items].tolist()):
            longest = max(longest, length)
            if longest * (end - start + 1) > self.max_frames:
                batches.append(items[start:end])
                start, longest = end, length
        return [*batches, items[start:]] if start < len(items) else batches

    def __iter__(self) -> Iterator[Indices]:
        while True:
            batches = self.epoch_batches(self.epoch)
            while self.position < len(batches):
                self.position += 1
                yield batches[self.position - 1]
            self.epoch, self.position = self.epoch + 1, 0

    def state_dict(self) -> dict[str, Any]:
        """Where the sampler stands after the last batch it gave."""
        return {"epoch": self.epoch, "position": self.position, "items": len(self.lengths)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on after that batch; with other items than before, at the start of the next epoch."""
        same = state["items"] == len(self.lengths)
        self.epoch = state["epoch"] if same else state["epoch"] + 1
        self.position = state["position"] if same else 0
