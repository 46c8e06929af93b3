"""The Llama as a reader of the texts that a beam search ends with: how likely is each as an answer?

The Llama sees the prompt without the speech and then a text, so that it tells what people say, not what was
heard: the beam knows that. The texts of a beam differ in few words: read as one tree, sixteen of them cost
about what four do one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from speech_adapter.engine import EngineOutput, LlamaEngine, RunOptions
from speech_adapter.tokenizer import ChatTokenizer

MOST_POSITIONS = 256  # each has a row of logits as wide as the vocabulary


@dataclass(frozen=True)
class RescoringOptions:
    """Which texts of a beam the Llama reads, and how much it counts."""

    most_texts: int = 16  # of the best of the beam; 0 or 1: it reads none
    margin: float = 4.0  # nats behind the best text, beyond which a text is not read
    weight: float = 0.5  # of the Llama's log-probability beside the beam's score
    bonus: float = 0.4  # for each class of the CTC head, in nats: a language model likes short texts


class LlamaReader:
    """Natural log-probabilities of texts by a Llama, each as a whole answer to one prompt."""

    def __init__(self, engine: LlamaEngine, tokenizer: ChatTokenizer, opening: EngineOutput) -> None:
        """opening: the prompt up to the answer, run for one session with its last logits."""
        self._engine, self._tokenizer, self._cache = engine, tokenizer, opening.cache
        self._first = opening.logits[0, -1].log_softmax(-1)
        self._ends = torch.tensor(sorted(tokenizer.end_ids), device=self._first.device)

    def __call__(self, texts: Sequence[Sequence[int]], most_positions: int = MOST_POSITIONS) -> list[float]:
        """Log-probability of each text and of an end behind it; the Llama runs so many positions at once.

        texts: token ids, of parts of words too; they are read in the tokens the Llama itself would write.
        """
        whole = [tuple(self._tokenizer.encode(self._tokenizer.decode(text).strip())) for text in texts]
        scores: dict[tuple[int, ...], float] = {}
        for tree in _trees(sorted(set(whole)), most_positions):
            scores.update(self._read(tree))
        return [scores[text] for text in whole]

    def _read(self, tree: _Tree) -> dict[tuple[int, ...], float]:
        """Log-probability of each text of a tree: that of all that begin alike is worked out once."""
        ends = self._first[self._ends].logsumexp(0)[None]
        behind = self._first[tree.token_ids[:0]]  # of each token, behind its parent
        if tree.token_ids:
            ids, parents = torch.tensor([[tree.token_ids], [tree.parents]], device=self._first.device)
            cache = self._engine.select(self._cache, [0])
            options = RunOptions(num_logits=len(tree.token_ids))
            logits = self._engine.run(ids, cache=cache, options=options, parents=parents).logits[0]
            sums = logits.logsumexp(-1)
            ends = torch.cat([ends, logits[:, self._ends].logsumexp(-1) - sums])
            first = self._first[ids[0]]
            behind = torch.where(parents[0] < 0, first, logits[parents[0], ids[0]] - sums[parents[0]])
        steps, last = behind.tolist(), ends.tolist()
        return {
            text: sum(steps[place] for place in path) + last[path[-1] + 1 if path else 0]
            for text, path in tree.paths.items()
        }


@dataclass(frozen=True)
class _Tree:
    """Texts that share beginnings: each token with the place of the one before it (-1: none)."""

    token_ids: list[int]
    parents: list[int]
    paths: dict[tuple[int, ...], list[int]]  # the places of each text


def _trees(texts: Sequence[tuple[int, ...]], most_positions: int) -> Iterator[_Tree]:
    """Texts, in order, as trees of at most so many tokens; a longer text has one of its own."""
    tree, places = _Tree([], [], {}), dict[tuple[int, ...], int]()
    for text in texts:
        known = next(size for size in range(len(text), -1, -1) if size == 0 or text[:size] in places)
        if tree.paths and len(tree.token_ids) + len(text) - known > most_positions:
            yield tree
            tree, places, known = _Tree([], [], {}), {}, 0
        for size in range(known + 1, len(text) + 1):
            tree.parents.append(places.get(text[: size - 1], -1))
            places[text[:size]] = len(tree.token_ids)
            tree.token_ids.append(text[size - 1])
        tree.paths[text] = [places[text[:size]] for size in range(1, len(text) + 1)]
    if tree.paths:
        yield tree
