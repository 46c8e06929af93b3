"""CTC in the Llama's embedding space: adapter outputs scored against the frozen rows of its embedding matrix.

So the adapter learns, without a pass through the Llama, to put its outputs where the Llama's tokens are
(after LegoSLM, arXiv 2505.11352). The head knows a subset of the Llama's vocabulary; index 0 is the blank.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from speech_core.masks import length_mask


class CtcHypothesis(NamedTuple):
    """Greedy result of one item: Llama token ids; first, last + 1 position, mean log-probability of each."""

    token_ids: list[int]
    starts: list[int]
    ends: list[int]
    log_probs: list[float]


class CtcHead(nn.Module):
    """Scores of blank and tokens; `token_ids[i]` is the Llama token of class i + 1."""

    token_ids: Tensor
    embeddings: Tensor

    def __init__(self, vocabulary: int, d_llama: int) -> None:
        super().__init__()
        self.register_buffer("token_ids", torch.zeros(vocabulary, dtype=torch.int64))
        self.register_buffer("embeddings", torch.zeros(vocabulary, d_llama), persistent=False)
        self.scale = nn.Parameter(torch.zeros(()))  # natural log of the factor on the dot products
        self.blank = nn.Parameter(torch.zeros(d_llama))
        self.bias = nn.Parameter(torch.zeros(vocabulary + 1))

    @torch.no_grad()
    def bind(self, token_embeddings: Tensor) -> None:
        """Take the frozen rows of the Llama's embedding matrix (llama vocabulary, d_llama)."""
        rows = token_embeddings[self.token_ids.to(token_embeddings.device)]
        self.embeddings = rows.float().to(self.blank.device)

    @torch.no_grad()
    def start(self, token_counts: Tensor, blank_share: float = 0.8) -> None:
        """Begin a new, bound head: prior probabilities as biases; an output equal to an embedding scores 8.

        token_counts (vocabulary,): how often each token occurs in the training text.
        """
        shares = (token_counts.float() + 1) / (token_counts.float() + 1).sum()
        self.bias[0], self.bias[1:] = math.log(blank_share), ((1 - blank_share) * shares).log()
        self.scale.fill_(float((8.0 / self.embeddings.square().sum(-1).mean()).log()))

    def scores(self, embeds: Tensor) -> Tensor:
        """(batch, positions, d_llama) -> (batch, positions, 1 + vocabulary), blank first, not normalised."""
        rows = torch.cat([self.blank[None], self.embeddings])
        return functional.linear(embeds * self.scale.exp(), rows.to(embeds.dtype), self.bias.to(embeds.dtype))

    def log_probs(self, embeds: Tensor) -> Tensor:
        """`scores`, normalised, in float32."""
        return self.scores(embeds).float().log_softmax(-1)

    def greedy(self, log_probs: Tensor, lengths: Tensor) -> list[CtcHypothesis]:
        """Best class of every position, repeats merged, blanks dropped."""
        best, classes = log_probs.max(-1)
        return [
            self._collapse(c[:length], b[:length])
            for c, b, length in zip(classes.cpu(), best.cpu(), lengths.tolist(), strict=True)
        ]

    def _collapse(self, classes: Tensor, best: Tensor) -> CtcHypothesis:
        values, counts = torch.unique_consecutive(classes, return_counts=True)
        ends = counts.cumsum(0)
        sums = torch.cat([best.new_zeros(1), best.cumsum(0)])
        spoken = values > 0
        first, last = (ends - counts)[spoken], ends[spoken]
        tokens = self.token_ids.cpu()[values[spoken] - 1]
        means = (sums[last] - sums[first]) / (last - first)
        return CtcHypothesis(tokens.tolist(), first.tolist(), last.tolist(), means.tolist())

    def compress(self, log_probs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """One embedding for each token the head hears: the expected token embedding over its positions.

        log_probs (batch, positions, classes) -> (batch, most tokens, d_llama), tokens (batch,). Trainable.
        """
        batch, positions, _ = log_probs.shape
        classes = log_probs.argmax(-1)
        valid = length_mask(lengths, positions)
        changed = functional.pad(classes[:, 1:] != classes[:, :-1], (1, 0), value=True)
        spoken = (classes > 0) & valid
        runs = (changed & spoken).cumsum(1)  # number of the token each position belongs to, from 1
        tokens = torch.where(spoken, runs, 0).amax(1) if positions else lengths
        tokens_most = int(tokens.max()) if batch else 0
        weights = log_probs[:, :, 1:].softmax(-1)  # blank left out
        expected = weights @ self.embeddings.to(weights.dtype)
        member = functional.one_hot(torch.where(spoken, runs, 0), tokens_most + 1)[:, :, 1:].to(weights.dtype)
        sums = member.transpose(1, 2) @ expected  # (batch, tokens, d_llama)
        counts = member.sum(1)[:, :, None].clamp(min=1)
        return sums / counts, tokens
