"""Boolean masks; True always means valid, or may attend."""

from typing import NamedTuple

import torch
from torch import Tensor


class Chunking(NamedTuple):
    """How far attention and convolutions may look when audio is encoded in blocks.

    size: items of one block, which attend each other freely; left_context: items seen before the block.
    """

    size: int
    left_context: int


def length_mask(lengths: Tensor, total: int) -> Tensor:
    """True for items within each length: (batch,) -> (batch, total)."""
    return torch.arange(total, device=lengths.device)[None, :] < lengths[:, None]


def block_mask(total: int, chunking: Chunking, device: torch.device | None = None) -> Tensor:
    """True where query i may see key j: its own block and `left_context` items before it: (total, total)."""
    index = torch.arange(total, device=device)
    start = index // chunking.size * chunking.size  # first item of each query's block
    after = index[None, :] >= (start - chunking.left_context)[:, None]
    before = index[None, :] < (start + chunking.size)[:, None]
    return after & before


def attention_mask(lengths: Tensor, total: int, chunking: Chunking | None = None) -> Tensor:
    """Keys each query may see: (batch, 1, total, total), for `scaled_dot_product_attention`.

    Padding is never a key. A query always sees itself, so that rows of padding, never used, stay finite.
    """
    keys = length_mask(lengths, total)[:, None, None, :]
    itself = torch.eye(total, dtype=torch.bool, device=lengths.device)
    if chunking is None:
        return keys | itself
    return (keys & block_mask(total, chunking, lengths.device)) | itself
