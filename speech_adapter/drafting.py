"""What the CTC head hears, greedily or with a language model, and what of it the Llama is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from speech_adapter.beam_search import BeamOptions, Found, align, beam_search
from speech_adapter.ctc import CtcHead, CtcHypothesis
from speech_adapter.expected_embeddings import Embed, expected_embeddings
from speech_adapter.language_model import LanguageModel
from speech_adapter.rescoring import RescoringOptions
from speech_adapter.tokenizer import ChatTokenizer
from speech_adapter.whole_tokens import whole_tokens
from speech_core.errors import CheckpointError

Reader = Callable[[Sequence[Sequence[int]]], list[float]]  # texts as Llama tokens -> log-probabilities


class Draft(NamedTuple):
    """The text heard in the Llama's own tokens, and (tokens, d_llama) what it is given without blanks."""

    heard: CtcHypothesis
    compressed: Tensor


@dataclass(frozen=True)
class LlamaText:
    """How the Llama writes, and reads: its tokenizer, and the embeddings of token ids."""

    tokenizer: ChatTokenizer
    embed: Embed


class Drafter:
    """Reads the scores of a CTC head; the same for an item alone and in a batch."""

    def __init__(
        self,
        ctc: CtcHead,
        text: LlamaText,
        model: LanguageModel | None,
        beam: BeamOptions,
        rescoring: RescoringOptions | None = None,
    ) -> None:
        """model: of the same classes; without one the likeliest class of each position is taken.

        Raises CheckpointError if the model is of other classes.
        """
        if model is not None and model.token_ids != ctc.token_ids.tolist():
            raise CheckpointError("the language model is of another speech_adapter: pack both anew")
        self._ctc, self._text, self._model, self._beam = ctc, text, model, beam
        self._rescoring = rescoring or RescoringOptions()

    def __call__(self, log_probs: Tensor, lengths: Tensor, reader: Reader | None = None) -> list[Draft]:
        """log_probs (batch, positions, 1 + vocabulary), lengths (batch,) -> a draft of each item.

        reader: has a say in which of the texts found is the draft.
        """
        greedy = self._ctc.greedy(log_probs, lengths)
        embeds, counts = self._ctc.compress(log_probs, lengths)
        drafts = [
            Draft(whole_tokens(heard, self._text.tokenizer), compressed)
            for heard, compressed in zip(greedy, _cut(embeds, counts), strict=True)
        ]
        if self._model is None:
            return drafts
        heard = [row for row, draft in enumerate(drafts) if draft.heard.token_ids]
        rows = [log_probs[row, : int(lengths[row])].float().cpu().numpy() for row in heard]
        found = [self._near(beam_search(scores, self._model, self._beam)) for scores in rows]
        for row, scores, texts in zip(heard, rows, self._judged(found, reader), strict=True):
            drafts[row] = self._placed(scores, texts, drafts[row])
        return drafts

    def _near(self, found: list[Found]) -> list[Found]:
        """The texts of a beam that are in question."""
        least = found[0].score - self._rescoring.margin
        return [one for one in found[: max(self._rescoring.most_texts, 1)] if one.score >= least]

    def _judged(self, found: Sequence[list[Found]], reader: Reader | None) -> list[list[Found]]:
        """The texts of each item, best first, with what the reader says of them if there is one."""
        if reader is None:
            return list(found)
        unsure = [one for texts in found if len(texts) > 1 for one in texts]
        said = iter(reader([self._tokens(one.numbers) for one in unsure]))
        return [self._told(texts, said) if len(texts) > 1 else texts for texts in found]

    def _told(self, texts: list[Found], said: Iterator[float]) -> list[Found]:
        """The texts of one item, best first, each with what is said of it."""
        weight, bonus = self._rescoring.weight, self._rescoring.bonus
        gains = [weight * next(said) + bonus * len(one.numbers) for one in texts]
        judged = [Found(one.numbers, one.score + gain) for one, gain in zip(texts, gains, strict=True)]
        return sorted(judged, key=lambda one: one.score, reverse=True)

    def _tokens(self, numbers: Sequence[int]) -> list[int]:
        assert self._model is not None
        return [self._model.token_ids[number - 1] for number in numbers]

    def _placed(self, scores: NDArray[np.float32], texts: list[Found], greedy: Draft) -> Draft:
        """The best text in its places, scores (positions, 1 + vocabulary); the greedy one without room."""
        numbers = texts[0].numbers
        spans = align(scores, numbers)
        if not spans:
            return greedy
        means = [float(scores[first:last, n].mean()) for n, (first, last) in zip(numbers, spans, strict=True)]
        starts, ends = [first for first, _ in spans], [last for _, last in spans]
        tokenizer = self._text.tokenizer
        heard = whole_tokens(CtcHypothesis(self._tokens(numbers), starts, ends, means), tokenizer)
        others = [tokenizer.encode(tokenizer.decode(self._tokens(one.numbers))) for one in texts[1:]]
        likely = [one.score for one in texts]
        return Draft(heard, expected_embeddings([heard.token_ids, *others], likely, self._text.embed))


def _cut(padded: Tensor, lengths: Tensor) -> list[Tensor]:
    return [row[:length] for row, length in zip(padded, lengths.tolist(), strict=True)]
