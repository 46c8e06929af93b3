"""What the Llama is given of speech whose words are in doubt: of each token the mean over likely texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher

import torch
from torch import Tensor

Embed = Callable[[Tensor], Tensor]  # token ids (...) -> embeddings (..., d_llama)


def expected_embeddings(texts: Sequence[Sequence[int]], scores: Sequence[float], embed: Embed) -> Tensor:
    """The embedding of each token of the first text, expected over all of them: (tokens, d_llama).

    texts: token ids. scores: natural log-probability of each text, up to a constant. Where a text has as many
    other tokens in the place of some of the first, these count as much as it is likely; elsewhere the first
    text's own do.
    """
    rows = torch.tensor([_in_place_of(texts[0], text) for text in texts])
    weights = torch.tensor(scores).softmax(0)
    embeddings = embed(rows)
    return torch.einsum("t,tnd->nd", weights.to(embeddings), embeddings)


def _in_place_of(first: Sequence[int], other: Sequence[int]) -> list[int]:
    """The first text with what the other one has in its stead, token for token."""
    tokens = list(first)
    changes = SequenceMatcher(None, first, other, autojunk=False).get_opcodes()
    for kind, begin, end, other_begin, other_end in changes:
        if kind == "replace" and end - begin == other_end - other_begin:
            tokens[begin:end] = other[other_begin:other_end]
    return tokens
