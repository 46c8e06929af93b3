"""The cache as a value, checked on buffers whose content names its place."""

import pytest
import torch

from speech_adapter.kv_cache import (
    KeyValueCache,
    join_sessions,
    reserve,
    select_sessions,
    truncate_sessions,
)
from speech_core.errors import InputError


def cache_of(mask):
    """Two layers; key and value at (row, slot) hold row * 100 + slot."""
    mask = torch.tensor(mask, dtype=torch.bool)
    rows, slots = mask.shape
    content = (torch.arange(rows)[:, None] * 100 + torch.arange(slots)).float()
    buffer = content[:, None, :, None].expand(rows, 2, slots, 4).contiguous()
    return KeyValueCache((buffer, buffer + 1000), (-buffer, -buffer - 1000), mask, [slots])


def contents(cache, row, layer=0):
    """What the valid slots of a session hold, in order."""
    return cache.keys[layer][row, 0, : cache.slots, 0][cache.mask[row]].tolist()


def test_reserve_writes_in_place_only_behind_the_newest():
    cache = cache_of([[1, 1, 1]])
    first = reserve(cache, 1)
    first.keys[0][:, :, 3] = 7.0
    longer = KeyValueCache(first.keys, first.values, torch.ones(1, 4, dtype=torch.bool), first.filled)
    again = reserve(longer, 2)
    assert again.keys[0] is first.keys[0]  # there was room
    fork = reserve(KeyValueCache(first.keys, first.values, cache.mask, first.filled), 1)
    assert fork.keys[0] is not first.keys[0]  # the slot behind it was taken
    fork.keys[0][:, :, 3] = 9.0
    assert float(first.keys[0][0, 0, 3, 0]) == 7.0
    assert contents(fork, 0) == contents(cache, 0)


def test_select_drops_repeats_and_trims_shared_padding():
    cache = cache_of([[0, 0, 1, 1], [0, 1, 1, 1], [1, 1, 1, 1]])
    chosen = select_sessions(cache, [1, 0, 1])
    assert chosen.slots == 3
    assert [contents(chosen, row) for row in range(3)] == [[101, 102, 103], [2, 3], [101, 102, 103]]
    assert contents(chosen, 1, layer=1) == [1002, 1003]
    assert select_sessions(cache, []).batch_size == 0


def test_truncate_packs_what_is_kept_to_the_right():
    cache = cache_of([[0, 1, 0, 1, 1], [1, 1, 1, 1, 1]])  # with a hole
    cut = truncate_sessions(cache, torch.tensor([2, 4]))
    assert cut.slots == 4
    assert cut.mask.tolist() == [[False, False, True, True], [True, True, True, True]]
    assert [contents(cut, row) for row in range(2)] == [[1, 3], [100, 101, 102, 103]]
    assert contents(cache, 0) == [1, 3, 4]  # the old one is as it was


def test_truncate_to_nothing_and_to_too_much():
    cache = cache_of([[0, 1, 1]])
    assert truncate_sessions(cache, torch.tensor([0])).slots == 0
    for lengths in ([3], [-1], [1, 1]):
        with pytest.raises(InputError, match="cannot cut"):
            truncate_sessions(cache, torch.tensor(lengths))


def test_join_aligns_ends():
    joined = join_sessions([cache_of([[1, 1]]), cache_of([[0, 1, 1, 1], [1, 1, 1, 1]])])
    assert joined.mask.tolist() == [[0, 0, 1, 1], [0, 1, 1, 1], [1, 1, 1, 1]]
    assert [contents(joined, row) for row in range(3)] == [[0, 1], [1, 2, 3], [100, 101, 102, 103]]
    assert joined.lengths.tolist() == [2, 3, 4]
    with pytest.raises(InputError):
        join_sessions([])
