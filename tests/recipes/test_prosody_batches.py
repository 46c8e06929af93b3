"""Batches of texts: joined texts keep their order, and the stream resumes."""

import itertools

import numpy as np
import pytest
import torch

from prosody.items import ProsodySet, write_shard
from recipes.batches.prosody_batches import ProsodyBatches, join_items
from recipes.data.batching import BatchSampler
from tests.prosody.test_items import make_item
from tests.prosody.texts import TINY


@pytest.fixture
def items(tmp_path):
    write_shard(tmp_path, 0, [make_item(number) for number in range(9)])
    return ProsodySet([tmp_path])


def make_batches(items, join_share):
    return ProsodyBatches(items, TINY, BatchSampler(items.num_phones, 120, 0), join_share)


def test_joined_texts_are_one_text():
    first, second = make_item(1), make_item(2)
    joined = join_items([first, second])
    assert joined.phones == first.phones + second.phones
    assert torch.equal(joined.targets.values, torch.cat([first.targets.values, second.targets.values]))
    assert len(joined.targets.voiced) == len(joined.phones)


@pytest.mark.parametrize("join_share", [0.0, 1.0])
def test_an_epoch_holds_every_phone_once(items, join_share):
    batches = make_batches(items, join_share)
    count = len(batches._sampler.epoch_batches(0))
    epoch = list(itertools.islice(batches, count))
    assert sum(int(batch.valid.sum()) for batch in epoch) == int(items.num_phones.sum())
    rows = sum(len(batch.valid) for batch in epoch)
    assert rows == len(items) if join_share == 0 else rows < len(items)


def test_it_resumes_with_the_next_batch(items):
    whole = list(itertools.islice(make_batches(items, 0.5), 7))
    stream = make_batches(items, 0.5)
    list(itertools.islice(stream, 4))
    again = make_batches(items, 0.5)
    again.load_state_dict(stream.state_dict())
    for before, after in zip(whole[4:], itertools.islice(again, 3), strict=True):
        assert np.array_equal(before.values.numpy(), after.values.numpy())
        assert before.seed == after.seed
