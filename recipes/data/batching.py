"""Batches of items of like length: little padding, order fixed by seed and epoch, resumable to the batch."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speech_core.errors import ConfigError, InputError

Items = NDArray[np.int64]  # (batch,) indices into `lengths`
Batch = TypeVar("Batch")

_BUCKET_RATIO = 1.04  # items whose lengths differ less may change places at random


class BatchSampler:
    """Endless batches of item indices, epoch after epoch.

    The padded size of a batch, its longest item times its items, never exceeds `max_frames`. After each batch
    `epoch` and `position` say where to go on, so `state_dict` taken then resumes with the next batch.
    """

    def __init__(
        self,
        lengths: NDArray[np.int64],
        max_frames: int,
        seed: int,
        weights: NDArray[np.float64] | None = None,
        short_first_epochs: int = 0,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        """lengths (items,) in frames; weights (items,): how often an item comes in an epoch on average.

        short_first_epochs: the first epochs run from short to long. share: (rank, ranks); each rank gets
        every ranks-th batch, all equally many. Raises InputError if an item fits no batch or none is left.
        """
        if lengths.size == 0:
            raise InputError("there are no items to batch")
        if int(lengths.max()) > max_frames or int(lengths.min()) < 1:
            raise InputError(
                f"items have {lengths.min()} to {lengths.max()} frames, a batch holds 1 to {max_frames}: "
                "leave these items out or enlarge the batch"
            )
        if weights is not None and (
            weights.shape != lengths.shape or weights.min() < 0 or weights.max() <= 0
        ):
            raise InputError("weights must be one number from 0 on for each item, not all 0")
        rank, ranks = share
        if not 0 <= rank < ranks:
            raise ConfigError(f"share is {share}: rank must be below the number of ranks")
        self.lengths = lengths.astype(np.int64)
        self.max_frames, self.seed, self.share = max_frames, seed, share
        self.short_first_epochs = short_first_epochs
        self._weights = weights
        self.epoch = 0
        self.position = 0  # batches of this epoch already given

    def __iter__(self) -> Iterator[Items]:
        while True:
            batches = self.epoch_batches(self.epoch)
            while self.position < len(batches):
                self.position += 1
                yield batches[self.position - 1]
            if not batches and not self._may_be_empty():
                raise InputError(
                    f"an epoch has fewer batches than the {self.share[1]} ranks: make batches smaller"
                )
            self.epoch += 1
            self.position = 0

    def epoch_batches(self, epoch: int) -> list[Items]:
        """All batches of one epoch in order; the same for the same seed."""
        rng = np.random.default_rng([self.seed, epoch])
        items = self._drawn_items(rng)
        items = items[rng.permutation(items.size)]
        if epoch < self.short_first_epochs:
            batches = self._cut(items[np.argsort(self.lengths[items], kind="stable")])
        else:
            buckets = np.floor(np.log(self.lengths[items]) / np.log(_BUCKET_RATIO))
            batches = self._cut(items[np.argsort(buckets, kind="stable")])
            batches = [batches[i] for i in rng.permutation(len(batches))]
        rank, ranks = self.share
        return batches[rank : len(batches) // ranks * ranks : ranks]

    def _drawn_items(self, rng: np.random.Generator) -> Items:
        """Each item floor(weight) times, and once more with the chance of the rest."""
        everything = np.arange(self.lengths.size)
        if self._weights is None:
            return everything
        times = np.floor(self._weights + rng.random(self.lengths.size)).astype(np.int64)
        return np.repeat(everything, times)

    def _cut(self, items: Items) -> list[Items]:
        """Consecutive items into batches as large as may be."""
        batches: list[Items] = []
        start, longest = 0, 0
        for end, length in enumerate(self.lengths[items].tolist()):
            longest = max(longest, length)
            if longest * (end - start + 1) > self.max_frames:
                batches.append(items[start:end])
                start, longest = end, length
        if start < items.size:
            batches.append(items[start:])
        return batches

    def _may_be_empty(self) -> bool:
        """Whether small weights can leave an epoch without items; the next one draws again."""
        return self._weights is not None and self.share[1] == 1

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands after the last batch it gave."""
        return {
            "epoch": self.epoch,
            "position": self.position,
            "seed": self.seed,
            "items": int(self.lengths.size),
            "max_frames": self.max_frames,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on after that batch; with other items or batch sizes, with the next epoch."""
        same = (state["seed"], state["items"], state["max_frames"]) == (
            self.seed,
            int(self.lengths.size),
            self.max_frames,
        )
        self.epoch = int(state["epoch"]) if same else int(state["epoch"]) + 1
        self.position = int(state["position"]) if same else 0


class ShuffledBatches(Generic[Batch]):
    """Endless batches of items of one size, in a new seeded order each epoch; resumable."""

    def __init__(self, count: int, size: int, seed: int, build: Callable[[Tensor], Batch]) -> None:
        """count: items; size: of a batch; build: makes a batch of the numbers (size,) of its items."""
        self._count, self._size, self._seed, self._build = count, size, seed, build
        self._position = {"epoch": 0, "batch": 0}

    def __iter__(self) -> Iterator[Batch]:
        while True:
            generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self._position["epoch"])
            parts = torch.split(torch.randperm(self._count, generator=generator), self._size)
            for number in range(self._position["batch"], len(parts)):
                self._position["batch"] = number + 1
                yield self._build(parts[number])
            self._position = {"epoch": self._position["epoch"] + 1, "batch": 0}

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands after the last batch it gave."""
        return dict(self._position)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on after that batch."""
        self._position = dict(state)


def collate(features: Sequence[NDArray[np.floating[Any]]]) -> tuple[Tensor, Tensor]:
    """Items padded with zeros: each (frames, mels) -> (batch, frames, mels) float32, lengths (batch,)."""
    if not features:
        raise InputError("there is nothing to collate")
    lengths = torch.tensor([item.shape[0] for item in features], dtype=torch.int64)
    padded = torch.zeros(len(features), int(lengths.max()), features[0].shape[1])
    for row, item in zip(padded, features, strict=True):
        row[: item.shape[0]] = torch.from_numpy(item.astype(np.float32))
    return padded, lengths
