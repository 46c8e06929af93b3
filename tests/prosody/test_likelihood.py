"""Nats of phones: masks, batches against single texts, and that all terms count."""

from dataclasses import replace

import pytest
import torch

from prosody.items import ProsodySet, write_shard
from prosody.likelihood import TERMS, fixed_batches, make_batch, nats
from speech_core.errors import InputError
from tests.prosody.test_items import make_item
from tests.prosody.texts import TINY, make_model


def test_nats_of_a_batch_equal_those_of_its_texts():
    model, items = make_model(), [make_item(number) for number in (3, 0, 2)]
    batch = make_batch(items, TINY)
    together = nats(model(batch.inputs, batch.values, batch.voiced), batch)
    for row, item in enumerate(items):
        single = make_batch([item], TINY)
        alone = nats(model(single.inputs, single.values, single.voiced), single)
        count = len(item.phones)
        for name in TERMS:
            torch.testing.assert_close(together[name][row, :count], alone[name][0], atol=1e-4, rtol=1e-4)
            assert not together[name][row, count:].any()
        assert not alone["f0"][0][~item.targets.voiced].any()
        assert all((alone[name][0] > 0).any() for name in TERMS)


def test_seconds_are_the_sum_of_durations():
    item = make_item(4)
    expected = float(item.targets.values[:, 0].exp().sum())
    assert make_batch([item, item], TINY).seconds == pytest.approx(2 * expected, rel=1e-5)


def test_speakers_are_found_by_name():
    config = replace(TINY, speakers=("x", "default"), means=TINY.means * 2, deviations=TINY.deviations * 2)
    assert make_batch([make_item(0)], config).inputs.speakers.tolist() == [1]
    with pytest.raises(InputError, match="'y'"):
        make_batch([make_item(0, speaker="y")], config)


def test_fixed_batches_hold_everything_once(tmp_path):
    write_shard(tmp_path, 0, [make_item(number) for number in range(8)])
    items = ProsodySet([tmp_path])
    batches = fixed_batches(items, TINY, 60)
    assert sum(int(batch.valid.sum()) for batch in batches) == int(items.num_phones.sum())
    assert len(batches) > 2
    assert all(batch.valid.numel() <= 60 or len(batch.valid) == 1 for batch in batches)
