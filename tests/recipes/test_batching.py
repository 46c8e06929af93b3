"""Batches: every item as often as wanted, no batch too large, little padding, resumable to the batch."""

from itertools import chain, islice

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from recipes.data.batching import BatchSampler, ShuffledBatches, collate
from speech_core.errors import ConfigError, InputError

LENGTHS = st.lists(st.integers(1, 900), min_size=1, max_size=60).map(
    lambda xs: np.asarray(xs, dtype=np.int64)
)


@given(LENGTHS, st.integers(900, 4000), st.integers(0, 5), st.integers(0, 3))
def test_an_epoch_has_every_item_once_and_no_batch_is_too_large(lengths, max_frames, seed, epoch):
    batches = BatchSampler(lengths, max_frames, seed).epoch_batches(epoch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(lengths.size))
    assert all(lengths[batch].max() * batch.size <= max_frames for batch in batches)


@given(LENGTHS, st.integers(0, 20), st.integers(0, 5))
def test_resuming_gives_the_batches_an_uninterrupted_run_gives(lengths, given_before, seed):
    whole = BatchSampler(lengths, 1000, seed)
    stream = iter(whole)
    for _ in range(given_before):
        next(stream)
    state = whole.state_dict()
    expected = [batch.tolist() for batch in islice(stream, 8)]
    resumed = BatchSampler(lengths, 1000, seed)
    resumed.load_state_dict(state)
    assert [batch.tolist() for batch in islice(iter(resumed), 8)] == expected


def test_epochs_and_seeds_differ_and_repeat():
    lengths = np.random.default_rng(0).integers(50, 900, 200)
    first = [batch.tolist() for batch in BatchSampler(lengths, 3000, 1).epoch_batches(0)]
    assert first == [batch.tolist() for batch in BatchSampler(lengths, 3000, 1).epoch_batches(0)]
    assert first != [batch.tolist() for batch in BatchSampler(lengths, 3000, 1).epoch_batches(1)]
    assert first != [batch.tolist() for batch in BatchSampler(lengths, 3000, 2).epoch_batches(0)]


def test_padding_stays_under_five_percent_on_speech_like_lengths():
    lengths = np.random.default_rng(0).lognormal(5.7, 0.7, 5000).clip(30, 3000).astype(np.int64)
    batches = BatchSampler(lengths, 16_000, 0).epoch_batches(0)
    padded = sum(int(lengths[batch].max()) * batch.size for batch in batches)
    assert 0.0 < 1.0 - int(lengths.sum()) / padded < 0.05


def test_first_epochs_run_from_short_to_long():
    lengths = np.random.default_rng(0).integers(50, 900, 300)
    sampler = BatchSampler(lengths, 3000, 0, short_first_epochs=1)
    longest = [int(lengths[batch].max()) for batch in sampler.epoch_batches(0)]
    assert longest == sorted(longest)
    later = [int(lengths[batch].max()) for batch in sampler.epoch_batches(1)]
    assert later != sorted(later)


def test_weights_say_how_often_an_item_comes():
    lengths = np.full(300, 100)
    weights = np.repeat([0.0, 0.5, 2.0], 100)
    sampler = BatchSampler(lengths, 1000, 0, weights)
    epochs = [np.concatenate(sampler.epoch_batches(epoch)) for epoch in range(20)]
    counts = np.sum([np.bincount(items, minlength=300) for items in epochs], axis=0)
    assert counts[:100].sum() == 0
    assert 0.4 < counts[100:200].mean() / 20 < 0.6
    assert (counts[200:] == 40).all()


def test_ranks_share_the_batches_evenly():
    lengths = np.random.default_rng(0).integers(50, 900, 101)
    parts = [BatchSampler(lengths, 2000, 0, share=(rank, 3)).epoch_batches(0) for rank in range(3)]
    assert len({len(part) for part in parts}) == 1
    items = np.concatenate([batch for part in parts for batch in part])
    assert len(set(items.tolist())) == items.size


def test_too_few_batches_for_the_ranks_is_an_error_not_an_endless_loop():
    with pytest.raises(InputError, match="ranks"):
        next(iter(BatchSampler(np.asarray([10]), 100, 0, share=(1, 2))))


def test_changed_data_gives_up_the_epoch_begun():
    sampler = BatchSampler(np.full(50, 100), 1000, 0)
    next(iter(sampler))
    grown = BatchSampler(np.full(80, 100), 1000, 0)
    grown.load_state_dict(sampler.state_dict())
    assert (grown.epoch, grown.position) == (1, 0)


@pytest.mark.parametrize(
    ("lengths", "weights", "share", "error"),
    [
        ([], None, (0, 1), InputError),
        ([2000], None, (0, 1), InputError),
        ([0], None, (0, 1), InputError),
        ([10, 20], [0.0, 0.0], (0, 1), InputError),
        ([10, 20], [1.0], (0, 1), InputError),
        ([10], None, (2, 2), ConfigError),
    ],
)
def test_wrong_input_is_refused(lengths, weights, share, error):
    weights = None if weights is None else np.asarray(weights)
    with pytest.raises(error):
        BatchSampler(np.asarray(lengths, dtype=np.int64), 1000, 0, weights, share=share)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6))
def test_collate_pads_with_zeros_and_keeps_every_value(lengths):
    rng = np.random.default_rng(0)
    items = [rng.standard_normal((length, 4)).astype(np.float16) for length in lengths]
    features, got = collate(items)
    assert features.dtype == torch.float32
    assert got.tolist() == lengths
    assert features.shape == (len(items), max(lengths), 4)
    for row, item in zip(features, items, strict=True):
        assert torch.equal(row[: item.shape[0]], torch.from_numpy(item.astype(np.float32)))
        assert not row[item.shape[0] :].any()


def test_collate_of_nothing_is_an_error():
    with pytest.raises(InputError, match="nothing"):
        collate([])


def test_shuffled_batches_hold_every_item_once_an_epoch_in_another_order():
    stream = iter(ShuffledBatches(10, 4, seed=1, build=Tensor.tolist))
    epochs = [[next(stream) for _ in range(3)] for _ in range(2)]
    assert [len(batch) for batch in epochs[0]] == [4, 4, 2]
    assert [sorted(chain.from_iterable(epoch)) for epoch in epochs] == [list(range(10))] * 2
    assert epochs[0] != epochs[1]


def test_shuffled_batches_go_on_where_they_stood():
    first, second = (ShuffledBatches(27, 4, seed=1, build=Tensor.tolist) for _ in range(2))
    stream = iter(first)
    for _ in range(9):
        next(stream)
    second.load_state_dict(first.state_dict())
    again = iter(second)
    assert [next(again) for _ in range(5)] == [next(stream) for _ in range(5)]
