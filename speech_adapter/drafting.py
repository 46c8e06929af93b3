"""What the CTC head hears, greedily or with a language model, and what of it the Llama is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speech_adapter.beam_search import BeamOptions, align, beam_search
from speech_adapter.ctc import CtcHead, CtcHypothesis
from speech_adapter.language_model import LanguageModel
from speech_core.errors import CheckpointError


class Draft(NamedTuple):
    """The text heard, and (tokens, d_llama) what the Llama is given if blanks are left out."""

    heard: CtcHypothesis
    compressed: Tensor


class Drafter:
    """Reads the scores of a CTC head; the same for an item alone and in a batch."""

    def __init__(self, ctc: CtcHead, model: LanguageModel | None, options: BeamOptions) -> None:
        """model: of the same classes; without one the likeliest class of each position is taken.

        Raises CheckpointError if the model is of other classes.
        """
        if model is not None and model.token_ids != ctc.token_ids.tolist():
            raise CheckpointError("the language model is of another speech_adapter: pack both anew")
        self._ctc, self._model, self._options = ctc, model, options

    def __call__(self, log_probs: Tensor, lengths: Tensor) -> list[Draft]:
        """log_probs (batch, positions, 1 + vocabulary), lengths (batch,) -> a draft of each item."""
        greedy = self._ctc.greedy(log_probs, lengths)
        embeds, counts = self._ctc.compress(log_probs, lengths)
        drafts = [Draft(*pair) for pair in zip(greedy, _cut(embeds, counts), strict=True)]
        if self._model is None:
            return drafts
        rows = _cut(log_probs, lengths)
        return [
            self._searched(row, draft) if draft.heard.token_ids else draft
            for row, draft in zip(rows, drafts, strict=True)
        ]

    def _searched(self, log_probs: Tensor, greedy: Draft) -> Draft:
        """The best text by sound and language, (positions, 1 + vocabulary); the greedy one if it has none."""
        assert self._model is not None
        scores = log_probs.float().cpu().numpy()
        numbers = beam_search(scores, self._model, self._options)
        spans = align(scores, numbers)
        if not spans:
            return greedy
        means = [float(scores[first:last, n].mean()) for n, (first, last) in zip(numbers, spans, strict=True)]
        tokens = [self._model.token_ids[number - 1] for number in numbers]
        heard = CtcHypothesis(tokens, [first for first, _ in spans], [last for _, last in spans], means)
        return Draft(heard, self._expected(scores, numbers, spans))

    def _expected(
        self, scores: NDArray[np.float32], numbers: Sequence[int], spans: Sequence[tuple[int, int]]
    ) -> Tensor:
        """The expected embedding of each token, by what is heard in its place and what the text foresees."""
        assert self._model is not None
        state, likely = self._model.start(), []
        for number, (first, last) in zip(numbers, spans, strict=True):
            foreseen = self._options.weight * self._model.log_probs(state)[1:]
            likely.append(scores[first:last, 1:].mean(0) + foreseen)
            state = self._model.advance(state, number)
        embeddings = self._ctc.embeddings
        weights = torch.from_numpy(np.stack(likely)).to(embeddings.device).softmax(-1)
        return weights.to(embeddings.dtype) @ embeddings


def _cut(padded: Tensor, lengths: Tensor) -> list[Tensor]:
    return [row[:length] for row, length in zip(padded, lengths.tolist(), strict=True)]
