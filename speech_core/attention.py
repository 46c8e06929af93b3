"""Rotary self-attention shared by the Conformer and the adapter.

Rotary pairs are split in halves: dimension i turns with dimension i + head_size / 2.
Source: Su et al., arXiv 2104.09864.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class AttentionState(NamedTuple):
    """Rotated keys and values of the left context: (batch, heads, context <= left_context, d_head) each."""

    keys: Tensor
    values: Tensor


def rotary_angles(start: int, total: int, d_head: int, base: float) -> Tensor:
    """Cosines and sines of positions start .. start + total - 1: (2, total, d_head / 2), float32."""
    rates = base ** (-torch.arange(0, d_head, 2, dtype=torch.float64) / d_head)
    angles = torch.arange(start, start + total, dtype=torch.float64)[:, None] * rates
    return torch.stack([angles.cos(), angles.sin()]).float()


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Turn each pair of `x` (batch, heads, total, d_head) by the angle of its position."""
    cos, sin = angles.to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """Softmax attention, (batch, heads, items, d_head) each; mask as (batch, heads, queries, keys).

    `scaled_dot_product_attention`, but for 16 bits on a CPU plain products: there its kernel takes two to
    five times as long at the lengths of speech.
    """
    if query.device.type != "cpu" or query.dtype not in (torch.bfloat16, torch.float16):
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    if mask is not None:
        scores.masked_fill_(~mask, torch.finfo(scores.dtype).min)
    heads: Tensor = scores.float().softmax(-1).to(value.dtype) @ value
    return heads


class RotaryAttention(nn.Module):
    """Multi-head self-attention with rotary positions; values are never turned."""

    def __init__(self, d_model: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)

    def _project(self, x: Tensor, angles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        batch, total, d_model = x.shape
        qkv = self.qkv(x).view(batch, total, 3, self.num_heads, d_model // self.num_heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (batch, heads, total, d_head)
        return rotate(query, angles), rotate(key, angles), value

    def _join(self, heads: Tensor) -> Tensor:
        out: Tensor = self.out(heads.transpose(1, 2).flatten(2))
        return out

    def forward(self, x: Tensor, angles: Tensor, mask: Tensor) -> Tensor:
        """(batch, total, d_model) -> same; mask (batch, 1, total, total), True = may attend."""
        query, key, value = self._project(x, angles)
        return self._join(attend(query, key, value, mask))

    def init_state(self, batch: int, device: torch.device, dtype: torch.dtype) -> AttentionState:
        """The state before the first block: no context."""
        d_head = self.out.in_features // self.num_heads
        empty = torch.zeros(batch, self.num_heads, 0, d_head, device=device, dtype=dtype)
        return AttentionState(empty, empty)

    def step(
        self, x: Tensor, angles: Tensor, state: AttentionState, left_context: int
    ) -> tuple[Tensor, AttentionState]:
        """One block, which sees itself and the context kept in `state`; the state given is not changed."""
        query, key, value = self._project(x, angles)
        keys = torch.cat([state.keys, key], dim=2)
        values = torch.cat([state.values, value], dim=2)
        out = self._join(attend(query, keys, values))
        kept = max(keys.shape[2] - left_context, 0)
        return out, AttentionState(keys[:, :, kept:], values[:, :, kept:])
