"""Blocks of the prosody model: history, phones and tokens are attended in turn, then two linear layers.

Source: arXiv 2407.21783, section 8.2 (dual cross-attention, two fully connected layers). Keys of phones carry
the place of the phone, keys of tokens that of their group, both as rotary positions, so that what counts is
how far away they stand.
"""

import functools
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from prosody.config import ProsodyConfig
from speech_core.attention import AttentionState, RotaryAttention, attend, rotate


class Views(NamedTuple):
    """What the steps of a batch see; True = may attend.

    step_angles: rotary angles of the steps; group_angles: of their groups; the masks are (batch or 1, 1,
    steps, keys), None where every key may be seen.
    """

    step_angles: Tensor
    group_angles: Tensor | None
    history: Tensor | None
    phones: Tensor | None
    tokens: Tensor | None


class Memory(NamedTuple):
    """Keys and values of one layer: of phones and of tokens (None for a model without them)."""

    phones: AttentionState
    tokens: AttentionState | None


def angles_at(positions: Tensor, config: ProsodyConfig) -> Tensor:
    """Cosines and sines at positions (batch, items): (2, batch, 1, items, d_head / 2), float32."""
    rates = _rates(config.d_head, config.rope_base).to(positions.device)
    angles = positions[:, None, :, None].double() * rates
    return torch.stack([angles.cos(), angles.sin()]).float()


@functools.lru_cache(maxsize=8)
@torch.inference_mode(False)  # kept for training too, whoever asks first
def _rates(d_head: int, base: float) -> Tensor:
    return base ** (-torch.arange(0, d_head, 2, dtype=torch.float64) / d_head)


class CrossAttention(nn.Module):
    """Attention from steps to a memory; it may also attend to nothing, for which a value is learned."""

    def __init__(self, d_model: int, d_memory: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(d_model, d_model)
        self.key_value = nn.Linear(d_memory, 2 * d_model)
        self.nothing = nn.Parameter(torch.zeros(num_heads, d_model // num_heads))
        self.out = nn.Linear(d_model, d_model)

    def _heads(self, x: Tensor) -> Tensor:
        batch, items, width = x.shape
        return x.view(batch, items, self.num_heads, width // self.num_heads).transpose(1, 2)

    def remember(self, memory: Tensor, angles: Tensor) -> AttentionState:
        """Turned keys and values of a memory (batch, items, d_memory)."""
        keys, values = self.key_value(memory).chunk(2, dim=-1)
        return AttentionState(rotate(self._heads(keys), angles), self._heads(values))

    def forward(self, x: Tensor, angles: Tensor, memory: AttentionState, mask: Tensor | None) -> Tensor:
        """(batch, steps, d_model) -> same; mask (batch, 1, steps, items), True = may attend."""
        query = rotate(self._heads(self.query(x)), angles)
        batch, heads, _, d_head = memory.keys.shape
        nothing = self.nothing[None, :, None].expand(batch, heads, 1, d_head).to(query.dtype)
        keys = torch.cat([torch.zeros_like(nothing), memory.keys.to(query.dtype)], dim=2)
        values = torch.cat([nothing, memory.values.to(query.dtype)], dim=2)
        if mask is not None:
            mask = functional.pad(mask, (1, 0), value=True)
        heads_out = attend(query, keys, values, mask)
        out: Tensor = self.out(heads_out.transpose(1, 2).flatten(2))
        return out


class Block(nn.Module):
    """Self-attention, attention to phones, attention to tokens, two fully connected layers; all pre-norm."""

    def __init__(self, config: ProsodyConfig) -> None:
        super().__init__()
        width, heads = config.d_model, config.num_heads
        self.history_norm = nn.LayerNorm(width)
        self.history = RotaryAttention(width, heads)
        self.phones_norm = nn.LayerNorm(width)
        self.phones = CrossAttention(width, width, heads)
        if config.uses_tokens:
            self.tokens_norm = nn.LayerNorm(width)
            self.tokens = CrossAttention(width, config.d_llama, heads)
        self.feed_norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, config.d_feedforward)
        self.down = nn.Linear(config.d_feedforward, width)
        self.dropout = nn.Dropout(config.dropout)

    def remember(
        self, phones: Tensor, angles: Tensor, tokens: Tensor | None, token_angles: Tensor | None
    ) -> Memory:
        """Keys and values of phones (batch, phones, d_model) and tokens (batch, tokens, d_llama)."""
        of_phones = self.phones.remember(phones, angles)
        if tokens is None or token_angles is None:
            return Memory(of_phones, None)
        return Memory(of_phones, self.tokens.remember(tokens, token_angles))

    def forward(self, x: Tensor, memory: Memory, views: Views) -> Tensor:
        """(batch, steps, d_model) -> same."""
        assert views.history is not None
        x = x + self.dropout(self.history(self.history_norm(x), views.step_angles, views.history))
        return self._rest(x, memory, views)

    def step(
        self, x: Tensor, state: tuple[AttentionState, Memory], views: Views, left_context: int
    ) -> tuple[Tensor, AttentionState]:
        """One step (batch, 1, d_model) with the history so far; returns the new history."""
        history, memory = state
        angles = views.step_angles
        attended, history = self.history.step(self.history_norm(x), angles, history, left_context)
        return self._rest(x + attended, memory, views), history

    def _rest(self, x: Tensor, memory: Memory, views: Views) -> Tensor:
        seen = self.phones(self.phones_norm(x), views.step_angles, memory.phones, views.phones)
        x = x + self.dropout(seen)
        if memory.tokens is not None:
            assert views.group_angles is not None
            seen = self.tokens(self.tokens_norm(x), views.group_angles, memory.tokens, views.tokens)
            x = x + self.dropout(seen)
        hidden = functional.silu(self.up(self.feed_norm(x)))
        out: Tensor = x + self.dropout(self.down(self.dropout(hidden)))
        return out
