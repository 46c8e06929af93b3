"""The Llama as a reader of the texts that a beam search ends with: how likely is each as an answer?

The Llama sees the prompt without the speech and then a text, so that it tells what people say, not what was
heard: the beam knows that. A pass over a few texts costs about as much as checking one draft.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from speech_adapter.engine import EngineOutput, LlamaEngine, RunOptions
from speech_adapter.sequence import batches_of_like_length
from speech_adapter.tokenizer import ChatTokenizer

MOST_POSITIONS = 256  # each has a row of logits as wide as the vocabulary


@dataclass(frozen=True)
class RescoringOptions:
    """Which texts of a beam the Llama reads, and how much it counts."""

    most_texts: int = 4  # of the best of the beam; 0 or 1: it reads none
    margin: float = 2.0  # nats behind the best text, beyond which a text is not read
    weight: float = 0.25  # of the Llama's log-probability beside the beam's score
    bonus: float = 0.2  # for each class of the CTC head, in nats: a language model likes short texts


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
        whole = [self._tokenizer.encode(self._tokenizer.decode(text).strip()) for text in texts]
        scores = [0.0] * len(texts)
        for rows in batches_of_like_length([len(text) for text in whole], most_positions):
            for row, score in zip(rows, self._read([whole[row] for row in rows]), strict=True):
                scores[row] = score
        return scores

    def _read(self, texts: Sequence[Sequence[int]]) -> list[float]:
        longest = max(len(text) for text in texts)
        if longest == 0:
            return [float(self._first[self._ends].logsumexp(0))] * len(texts)
        ids = torch.tensor(
            [[*text, *[0] * (longest - len(text))] for text in texts]
        )  # nothing looks back at 0
        cache = self._engine.select(self._cache, [0] * len(texts))
        logits = self._engine.run(ids, cache=cache, options=RunOptions(num_logits=longest)).logits
        ends = [len(text) for text in texts]
        return [self._sum(row, text, end) for row, text, end in zip(logits, texts, ends, strict=True)]

    def _sum(self, logits: Tensor, text: Sequence[int], end: int) -> float:
        """logits (positions, vocab): behind each token of the text."""
        behind = torch.cat([self._first[None], logits[:end].log_softmax(-1)])
        said = behind[torch.arange(end), torch.tensor(text, dtype=torch.int64, device=behind.device)].sum()
        return float(said + behind[end, self._ends].logsumexp(0))
