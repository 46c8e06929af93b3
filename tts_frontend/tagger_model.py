"""The tagger as a trainable module: a streaming LSTM over TN tokens, a second one over the right context,
cross-attention to the Llama's middle-layer states, and scores for the rules.

Source: arXiv 2407.21783, 8.2 (streaming LSTM sequence tagger with cross-attention to Llama embeddings); the
LSTM over a limited right context realises its lookahead, as in latency-controlled bidirectional LSTMs.
`tagger.py` runs the same weights one token at a time, without torch.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from tts_frontend.config import TaggerConfig


class TaggerBatch(NamedTuple):
    """Sentences and the places in them where a reading is chosen. Masks are True where something is.

    rows (rows,), row_starts (batch * tokens,): table rows of all tokens, one token after the other;
    token_mask (batch, tokens); sentence, token (places,): where each place is; window (places, steps):
    tokens from the last one of the right context back to the place's own; window_mask; states (batch,
    llama_tokens, d_llama); visible (places, llama_tokens); allowed, right (places, rules): rules that have a
    reading there, and those whose reading is the wanted one; rule_scores (places, rules): the rules' own.
    """

    rows: Tensor
    row_starts: Tensor
    token_mask: Tensor
    sentence: Tensor
    token: Tensor
    window: Tensor
    window_mask: Tensor
    states: Tensor | None
    visible: Tensor | None
    allowed: Tensor
    right: Tensor
    rule_scores: Tensor


class LlamaAttention(nn.Module):
    """Attention of a place to the Llama's states; a learned key and value stand for having none."""

    mean: Tensor
    scale: Tensor

    def __init__(self, config: TaggerConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.query = nn.Linear(config.d_query, config.d_query)
        self.key = nn.Linear(config.d_llama, config.d_query, bias=False)
        self.value = nn.Linear(config.d_llama, config.d_query, bias=False)
        self.no_key = nn.Parameter(torch.zeros(config.d_query))
        self.no_value = nn.Parameter(torch.zeros(config.d_query))
        self.register_buffer("mean", torch.zeros(config.d_llama))
        self.register_buffer("scale", torch.ones(config.d_llama))

    def forward(self, query: Tensor, states: Tensor, visible: Tensor, sentence: Tensor) -> Tensor:
        """query (places, d_query), states (batch, llama_tokens, d_llama) -> (places, d_query)."""
        states = (states - self.mean) * self.scale
        keys = self._heads(self.key(states)[sentence], self.no_key)  # (places, heads, llama_tokens + 1, d)
        values = self._heads(self.value(states)[sentence], self.no_value)
        queries = self.query(query).view(len(query), self.num_heads, 1, -1)
        mask = functional.pad(visible, (1, 0), value=True)[:, None, None]
        attended = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        return attended.flatten(1)

    def _heads(self, projected: Tensor, none: Tensor) -> Tensor:
        joined = torch.cat([none.expand(len(projected), 1, -1), projected], dim=1)
        return joined.view(*joined.shape[:2], self.num_heads, -1).transpose(1, 2)


class TaggerModel(nn.Module):
    """Scores of the rules at places in text; called with a batch it gives (loss, metrics)."""

    def __init__(self, config: TaggerConfig) -> None:
        super().__init__()
        self.config = config
        self.table = nn.EmbeddingBag(config.num_rows, config.d_token, mode="sum")
        nn.init.normal_(self.table.weight, std=0.2)
        self.left = nn.LSTM(config.d_token, config.d_hidden, batch_first=True)
        self.right = nn.LSTM(config.d_token, config.d_hidden, batch_first=True)
        self.joined = nn.Linear(2 * config.d_hidden + config.d_token, config.d_query)
        self.attention = LlamaAttention(config) if config.d_llama else None
        self.hidden = nn.Linear(config.d_query * (2 if config.d_llama else 1), config.d_query)
        self.output = nn.Linear(config.d_query, len(config.rules))
        nn.init.zeros_(self.output.weight)  # it begins with the rules' own choice
        nn.init.zeros_(self.output.bias)
        self.dropout = nn.Dropout(0.1)

    def scores(self, batch: TaggerBatch) -> Tensor:
        """(places, rules), the rules' own included, before anything is forbidden."""
        tokens = self.table(batch.rows, batch.row_starts).view(*batch.token_mask.shape, -1)
        tokens = self.dropout(tokens / math.sqrt(8))
        past = self.left(tokens)[0][batch.sentence, batch.token]  # (places, d_hidden)
        future = self._future(tokens, batch)
        own = tokens[batch.sentence, batch.token]
        query = torch.tanh(self.joined(torch.cat([past, future, own], dim=-1)))
        if self.attention is not None and batch.states is not None and batch.visible is not None:
            context = self.attention(query, batch.states, batch.visible, batch.sentence)
            query = torch.cat([query, context], dim=-1)
        scores: Tensor = self.output(self.dropout(torch.relu(self.hidden(query))))
        return scores + self.config.rule_weight * batch.rule_scores

    def _future(self, tokens: Tensor, batch: TaggerBatch) -> Tensor:
        """(places, d_hidden): the right context read backwards up to the place itself."""
        window = tokens[batch.sentence[:, None], batch.window]  # (places, steps, d_token)
        states = self.right(window)[0]
        last = batch.window_mask.sum(1) - 1
        own: Tensor = states[torch.arange(len(last)), last]
        return own

    def forward(self, batch: TaggerBatch) -> tuple[Tensor, dict[str, float]]:
        """Negative log-probability of the right readings among the allowed ones, mean over places."""
        scores = self.scores(batch).float().masked_fill(~batch.allowed, -torch.inf)
        right = scores.masked_fill(~batch.right, -torch.inf)
        loss = (scores.logsumexp(1) - right.logsumexp(1)).mean()
        chosen = scores.argmax(1)
        accuracy = batch.right[torch.arange(len(chosen)), chosen].float().mean()
        return loss, {"accuracy": float(accuracy)}
