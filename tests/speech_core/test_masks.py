"""Masks equal their definitions written as loops."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from speech_core.masks import Chunking, attention_mask, block_mask, length_mask

TOTALS = st.integers(0, 14)
CHUNKINGS = st.builds(Chunking, st.integers(1, 6), st.integers(0, 8))


def sees(query: int, key: int, chunking: Chunking) -> bool:
    """Whether a query may see a key, by the words of the design: its own block, and so much before it."""
    first = query - query % chunking.size
    return first - chunking.left_context <= key < first + chunking.size


@given(st.lists(TOTALS, min_size=1, max_size=4), TOTALS)
def test_length_mask_is_true_for_items_within_each_length(lengths, total):
    mask = length_mask(torch.tensor(lengths), total)
    assert mask.tolist() == [[item < length for item in range(total)] for length in lengths]
    assert mask.dtype == torch.bool


@given(TOTALS, CHUNKINGS)
def test_block_mask_shows_the_own_block_and_the_context_before_it(total, chunking):
    expected = [[sees(query, key, chunking) for key in range(total)] for query in range(total)]
    assert block_mask(total, chunking).tolist() == expected


@given(st.lists(TOTALS, min_size=1, max_size=3), TOTALS, st.none() | CHUNKINGS)
def test_attention_mask_hides_padding_and_leaves_every_row_something(lengths, total, chunking):
    mask = attention_mask(torch.tensor(lengths), total, chunking)
    assert mask.shape == (len(lengths), 1, total, total)
    assert bool(mask.any(-1).all()) or total == 0  # a row without a key would give NaN
    for item, length in enumerate(lengths):
        for query in range(min(length, total)):
            seen = [key < length and (chunking is None or sees(query, key, chunking)) for key in range(total)]
            assert mask[item, 0, query].tolist() == seen
