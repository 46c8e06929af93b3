"""Keys and values of a batch of sessions: a value that can be kept, forked, shortened, split and joined.

A cache is never changed by what comes after it. An engine that appends in place writes only behind the part a
cache can see, and copies first if another session has written there already; so a fork costs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from speech_core.errors import InputError

_SPARE_SLOTS = 64  # room left behind a copy, so that single steps append in place


@dataclass(frozen=True)
class KeyValueCache:
    """What a Llama remembers of each session; sessions end at the same slot and are padded on the left.

    keys, values: per layer (batch, kv_heads, capacity, d_head); the first `slots` belong to this cache.
    mask: (batch, slots) bool, True = a position of the session, False = padding.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    mask: Tensor
    filled: list[int] = field(default_factory=lambda: [0])  # slots written by anyone, shared by forks

    @property
    def batch_size(self) -> int:
        """Number of sessions."""
        return int(self.mask.shape[0])

    @property
    def slots(self) -> int:
        """Slots in use, padding included."""
        return int(self.mask.shape[1])

    @property
    def lengths(self) -> Tensor:
        """Positions of each session, (batch,) int64."""
        return self.mask.sum(1)


def reserve(cache: KeyValueCache, new_slots: int) -> KeyValueCache:
    """The same cache, with buffers that may be written at `slots` and the `new_slots - 1` after it."""
    needed = cache.slots + new_slots
    capacity = cache.keys[0].shape[2]
    if cache.filled[0] == cache.slots and needed <= capacity:
        cache.filled[0] = needed
        return cache
    spare = needed - cache.slots + _SPARE_SLOTS

    def copied(buffers: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(functional.pad(buffer[:, :, : cache.slots], (0, 0, 0, spare)) for buffer in buffers)

    return KeyValueCache(copied(cache.keys), copied(cache.values), cache.mask, [needed])


def select_sessions(cache: KeyValueCache, rows: Sequence[int]) -> KeyValueCache:
    """Sessions of the given rows, in that order; a row may come more than once, or not at all."""
    index = torch.tensor(list(rows), dtype=torch.int64, device=cache.mask.device)
    mask = cache.mask[index]
    first = _first_used_slot(mask)

    def chosen(buffers: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(buffer[:, :, first : cache.slots].index_select(0, index) for buffer in buffers)

    return KeyValueCache(chosen(cache.keys), chosen(cache.values), mask[:, first:], [mask.shape[1] - first])


def truncate_sessions(cache: KeyValueCache, lengths: Tensor) -> KeyValueCache:
    """Each session cut to its first `lengths[row]` positions, packed to the right without holes.

    lengths (batch,) int64; raises InputError if one is negative or longer than its session.
    """
    lengths = lengths.to(cache.mask.device)
    if lengths.shape != (cache.batch_size,) or bool(((lengths < 0) | (lengths > cache.lengths)).any()):
        raise InputError(f"cannot cut sessions of {cache.lengths.tolist()} positions to {lengths.tolist()}")
    slots = int(lengths.max()) if cache.batch_size else 0
    order = (~cache.mask).long().argsort(dim=1, stable=True)  # slots of each session's positions, in order
    wanted = torch.arange(slots, device=lengths.device)[None, :] - (slots - lengths)[:, None]
    source = order.gather(1, wanted.clamp(min=0))  # (batch, slots)

    def gathered(buffers: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(_gather_slots(buffer, source) for buffer in buffers)

    return KeyValueCache(gathered(cache.keys), gathered(cache.values), wanted >= 0, [slots])


def join_sessions(caches: Sequence[KeyValueCache]) -> KeyValueCache:
    """All sessions of several caches as one batch. Raises InputError if there is none."""
    if not caches:
        raise InputError("there is no cache to join")
    slots = max(cache.slots for cache in caches)

    def padded(cache: KeyValueCache, buffer: Tensor) -> Tensor:
        return functional.pad(buffer[:, :, : cache.slots], (0, 0, slots - cache.slots, 0))

    keys = tuple(
        torch.cat([padded(cache, cache.keys[layer]) for cache in caches])
        for layer in range(len(caches[0].keys))
    )
    values = tuple(
        torch.cat([padded(cache, cache.values[layer]) for cache in caches])
        for layer in range(len(caches[0].values))
    )
    mask = torch.cat([functional.pad(cache.mask, (slots - cache.slots, 0)) for cache in caches])
    return KeyValueCache(keys, values, mask, [slots])


def _first_used_slot(mask: Tensor) -> int:
    """Slots that are padding in every session can go."""
    used = mask.any(0).nonzero()
    return int(used[0]) if len(used) else mask.shape[1]


def _gather_slots(buffer: Tensor, source: Tensor) -> Tensor:
    """(batch, kv_heads, capacity, d_head), source (batch, slots) -> (batch, kv_heads, slots, d_head)."""
    index = source[:, None, :, None].expand(-1, buffer.shape[1], -1, buffer.shape[3])
    return buffer.gather(2, index)
