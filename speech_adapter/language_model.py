"""A language model over the classes of a CTC head: n-grams with interpolated Kneser-Ney smoothing, as a trie.

Source: Chen and Goodman, "An empirical study of smoothing techniques for language modeling" (1999), section
3; the probability of a class is what its n-gram has left after a discount, plus a share of the probability
after one class less of context. `recipes.train_language_model` counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_core.checkpoint import read_json, write_json
from speech_core.errors import CheckpointError

State = tuple[
    int, ...
]  # the node of the last classes, for each length from none to the longest that is known
_FILE, _SIZES = "ngrams.safetensors", "config.json"


@dataclass(frozen=True)
class Level:
    """All n-grams of one length in the order of the trie; those of one context stand together.

    last (ngrams,) uint16 their last class; own (ngrams,) float32 their probability beyond that of the shorter
    context; first_child (ngrams + 1,) where those one class longer begin; rest (ngrams,) float32 the share
    that the shorter context gives to what follows them. The longest have neither of these two.
    """

    last: NDArray[np.uint16]
    own: NDArray[np.float32]
    first_child: NDArray[np.uint32]
    rest: NDArray[np.float32]


class LanguageModel:
    """Probabilities of the next class; class 0, the blank, stands for the start of a text."""

    FILES = (_SIZES, _FILE)

    def __init__(self, token_ids: Sequence[int], levels: Sequence[Level]) -> None:
        """token_ids: Llama token of each class but the blank; levels: n-grams of length 1, 2, ..."""
        self.token_ids, self.levels = list(token_ids), list(levels)
        classes = len(self.token_ids) + 1
        single = self.levels[0]
        even = np.full(classes, 1.0 / max(classes - 1, 1), dtype=np.float32)
        even[0] = 0.0
        rest = 1.0 - float(single.own.sum())
        self._unigrams = even * rest
        self._unigrams[single.last] += single.own
        known = np.maximum(self._unigrams[1:], np.float32(1e-9))
        self.log_frequencies: NDArray[np.float32] = np.log(known)  # (classes without the blank,)

    def start(self) -> State:
        """The state before the first class of a text."""
        return self.advance((), 0)

    def advance(self, state: State, number: int) -> State:
        """The state after one more class."""
        nodes = []
        for length, node in enumerate((-1, *state)):
            child = self._child(length, node, number)
            if child < 0:
                break
            nodes.append(child)
        return tuple(nodes)

    def _child(self, length: int, node: int, number: int) -> int:
        """Number of the n-gram that goes on from one of `length` classes with another; -1 if unknown."""
        if length >= len(self.levels) - 1:  # the longest are the context of nothing
            return -1
        first, last = self._children(length, node)
        place = first + int(np.searchsorted(self.levels[length].last[first:last], number))
        return place if place < last and self.levels[length].last[place] == number else -1

    def _children(self, length: int, node: int) -> tuple[int, int]:
        if length == 0:
            return 0, len(self.levels[0].last)
        starts = self.levels[length - 1].first_child
        return int(starts[node]), int(starts[node + 1])

    def log_probs(self, state: State) -> NDArray[np.float32]:
        """Natural log-probability of each class as the next: (classes,); the blank never comes."""
        found = self._unigrams
        for length, node in enumerate(state, start=1):
            first, last = self._children(length, node)
            found = found * self.levels[length - 1].rest[node]
            longer = self.levels[length]
            found[longer.last[first:last]] += longer.own[first:last]
        with np.errstate(divide="ignore"):
            logarithms: NDArray[np.float32] = np.log(found)
        return logarithms

    def save(self, folder: Path) -> None:
        """Write the component: half precision, a few megabytes for a million n-grams."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        tensors: dict[str, NDArray[Any]] = {"token_ids": np.array(self.token_ids, dtype=np.uint32)}
        for number, level in enumerate(self.levels, start=1):
            tensors[f"{number}.last"] = level.last
            tensors[f"{number}.own"] = level.own.astype(np.float16)
            tensors[f"{number}.first_child"] = level.first_child
            tensors[f"{number}.rest"] = level.rest.astype(np.float16)
        save_file(tensors, folder / _FILE)
        write_json(folder / _SIZES, {"order": len(self.levels)})

    @classmethod
    def load(cls, folder: Path) -> LanguageModel:
        """Read the component. Raises CheckpointError if files are missing or damaged."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        sizes = read_json(folder / _SIZES)
        try:
            tensors = load_file(folder / _FILE)
            levels = [
                Level(
                    tensors[f"{number}.last"],
                    tensors[f"{number}.own"].astype(np.float32),
                    tensors[f"{number}.first_child"],
                    tensors[f"{number}.rest"].astype(np.float32),
                )
                for number in range(1, int(sizes["order"]) + 1)
            ]
            return cls(tensors["token_ids"].tolist(), levels)
        except (OSError, KeyError, SafetensorError) as error:
            raise CheckpointError(f"{folder} is no language model ({error}): copy it again") from None
