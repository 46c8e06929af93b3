"""What the CTC head hears, greedily or with a language model, and what of it the Llama is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speech_adapter.beam_search import BeamOptions, Found, align, beam_search, foreseen
from speech_adapter.ctc import CtcHead, CtcHypothesis
from speech_adapter.language_model import LanguageModel
from speech_adapter.rescoring import RescoringOptions
from speech_core.errors import CheckpointError

Reader = Callable[[Sequence[Sequence[int]]], list[float]]  # texts as Llama tokens -> log-probabilities


class Draft(NamedTuple):
    """The text heard, and (tokens, d_llama) what the Llama is given if blanks are left out."""

    heard: CtcHypothesis
    compressed: Tensor


class Drafter:
    """Reads the scores of a CTC head; the same for an item alone and in a batch."""

    def __init__(
        self,
        ctc: CtcHead,
        model: LanguageModel | None,
        beam: BeamOptions,
        rescoring: RescoringOptions | None = None,
    ) -> None:
        """model: of the same classes; without one the likeliest class of each position is taken.

        Raises CheckpointError if the model is of other classes.
        """
        if model is not None and model.token_ids != ctc.token_ids.tolist():
            raise CheckpointError("the language model is of another speech_adapter: pack both anew")
        self._ctc, self._model, self._beam = ctc, model, beam
        self._rescoring = rescoring or RescoringOptions()

    def __call__(self, log_probs: Tensor, lengths: Tensor, reader: Reader | None = None) -> list[Draft]:
        """log_probs (batch, positions, 1 + vocabulary), lengths (batch,) -> a draft of each item.

        reader: has a say in which of the texts found is the draft.
        """
        greedy = self._ctc.greedy(log_probs, lengths)
        embeds, counts = self._ctc.compress(log_probs, lengths)
        drafts = [Draft(*pair) for pair in zip(greedy, _cut(embeds, counts), strict=True)]
        if self._model is None:
            return drafts
        heard = [row for row, draft in enumerate(drafts) if draft.heard.token_ids]
        rows = [log_probs[row, : int(lengths[row])].float().cpu().numpy() for row in heard]
        found = [beam_search(scores, self._model, self._beam) for scores in rows]
        for row, scores, numbers in zip(heard, rows, self._chosen(found, reader), strict=True):
            drafts[row] = self._placed(scores, numbers, drafts[row])
        return drafts

    def _chosen(self, found: Sequence[list[Found]], reader: Reader | None) -> list[list[int]]:
        """Of the texts found in each item the best, by the reader too if there is one."""
        options = self._rescoring
        if reader is None or options.most_texts < 2:
            return [texts[0].numbers for texts in found]
        near = [
            [one for one in texts[: options.most_texts] if one.score >= texts[0].score - options.margin]
            for texts in found
        ]
        unsure = [one for texts in near if len(texts) > 1 for one in texts]
        said = iter(reader([self._tokens(one.numbers) for one in unsure]))
        scores = {
            id(one): one.score + options.weight * next(said) + options.bonus * len(one.numbers)
            for one in unsure
        }
        return [max(texts, key=lambda one: scores.get(id(one), 0.0)).numbers for texts in near]

    def _tokens(self, numbers: Sequence[int]) -> list[int]:
        assert self._model is not None
        return [self._model.token_ids[number - 1] for number in numbers]

    def _placed(self, scores: NDArray[np.float32], numbers: list[int], greedy: Draft) -> Draft:
        """A text in its places, scores (positions, 1 + vocabulary); the greedy one if it has no room."""
        spans = align(scores, numbers)
        if not spans:
            return greedy
        means = [float(scores[first:last, n].mean()) for n, (first, last) in zip(numbers, spans, strict=True)]
        tokens = self._tokens(numbers)
        heard = CtcHypothesis(tokens, [first for first, _ in spans], [last for _, last in spans], means)
        return Draft(heard, self._expected(scores, numbers, spans))

    def _expected(
        self, scores: NDArray[np.float32], numbers: Sequence[int], spans: Sequence[tuple[int, int]]
    ) -> Tensor:
        """The expected embedding of each token, by what is heard in its place and what the text foresees."""
        assert self._model is not None
        state, likely = self._model.start(), []
        for number, (first, last) in zip(numbers, spans, strict=True):
            likely.append(scores[first:last, 1:].mean(0) + foreseen(self._model, state, self._beam))
            state = self._model.advance(state, number)
        embeddings = self._ctc.embeddings
        weights = torch.from_numpy(np.stack(likely)).to(embeddings.device).softmax(-1)
        return weights.to(embeddings.dtype) @ embeddings


def _cut(padded: Tensor, lengths: Tensor) -> list[Tensor]:
    return [row[:length] for row, length in zip(padded, lengths.tolist(), strict=True)]
