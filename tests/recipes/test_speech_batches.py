"""Batches of cached speech: right items and seeds, resumable, shared between processes."""

from itertools import islice

import numpy as np
import pytest
import torch

from recipes.batches.speech_batches import SpeechBatch, SpeechBatches
from recipes.data.features_cache import FeatureCache
from recipes.data.teacher_states import TeacherStates
from speech_core.errors import InputError
from tests.speech_data import spoken, write_cache

TEXTS = ["a", "bad", "a cab", "dead", "face a cab", "feed", "bed", "a bad bed", "ace", "be"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return FeatureCache([write_cache(tmp_path_factory.mktemp("cache"), spoken(TEXTS))])


def same(left: SpeechBatch, right: SpeechBatch) -> bool:
    return torch.equal(left.features, right.features) and (left.items, left.seed) == (right.items, right.seed)


def take(batches: SpeechBatches, count: int) -> list[SpeechBatch]:
    return list(islice(iter(batches), count))


def test_a_batch_holds_features_lengths_and_texts_of_its_items(cache):
    for batch in take(SpeechBatches(cache, 300, seed=0), 6):
        assert batch.features.dtype == torch.float32
        assert batch.features.shape[0] * batch.features.shape[1] <= 300
        for row, length, item, text in zip(
            batch.features, batch.lengths.tolist(), batch.items, batch.texts, strict=True
        ):
            cached = cache[item]
            assert text == cached.text == TEXTS[item]
            assert np.array_equal(row[:length].numpy(), cached.features.astype(np.float32))
            assert not row[length:].any()


def test_an_epoch_gives_every_item_once_and_then_another_order(cache):
    source = SpeechBatches(cache, 300, seed=0)
    stream = iter(source)
    first: list[int] = []
    second: list[int] = []
    while source.sampler.epoch == 0:
        batch = next(stream)
        (first if source.sampler.epoch == 0 else second).extend(batch.items)
    assert sorted(first) == list(range(len(TEXTS)))
    assert second  # the epoch after it has begun


@pytest.mark.parametrize("before", [0, 1, 3, 9])
def test_resuming_gives_the_same_batches_with_the_same_seeds(cache, before):
    source = SpeechBatches(cache, 300, seed=4)
    stream = iter(source)
    for _ in range(before):
        next(stream)
    state = source.state_dict()
    expected = list(islice(stream, 6))
    resumed = SpeechBatches(cache, 300, seed=4)
    resumed.load_state_dict(state)
    assert all(same(a, b) for a, b in zip(take(resumed, 6), expected, strict=True))


def test_every_batch_has_a_seed_of_its_own(cache):
    seeds = [batch.seed for batch in take(SpeechBatches(cache, 300, seed=0), 30)]
    assert len(set(seeds)) == 30
    assert seeds != [batch.seed for batch in take(SpeechBatches(cache, 300, seed=1), 30)]
    assert all(0 <= seed < 2**63 for seed in seeds)  # torch takes no larger ones


def test_items_out_of_bounds_or_without_weight_never_come(cache):
    weights = np.ones(len(cache))
    weights[3] = 0
    source = SpeechBatches(cache, 90, seed=0, min_frames=40, weights=weights)
    seen = {item for batch in take(source, 40) for item in batch.items}
    assert seen == {i for i, n in enumerate(cache.lengths) if 40 <= n <= 90 and i != 3}
    with pytest.raises(InputError, match="no items"):
        SpeechBatches(cache, 20, seed=0)


def test_weights_say_how_often_an_item_comes(cache):
    weights = np.ones(len(cache))
    weights[2] = 3.0
    source = SpeechBatches(cache, 300, seed=0, weights=weights)
    stream, items = iter(source), []
    while source.sampler.epoch < 4:
        items += next(stream).items
    counts = np.bincount(items, minlength=len(cache))
    assert counts[2] / counts[1] == pytest.approx(3.0, rel=0.3)


def test_processes_share_the_items_and_draw_differently(cache):
    shares = [SpeechBatches(cache, 100, seed=0, share=(rank, 2)) for rank in range(2)]
    batches = [take(source, len(source.sampler.epoch_batches(0))) for source in shares]
    items = [sorted(item for batch in own for item in batch.items) for own in batches]
    assert not set(items[0]) & set(items[1])
    assert len(batches[0]) == len(batches[1])
    assert {b.seed for b in batches[0]}.isdisjoint({b.seed for b in batches[1]})


def test_fixed_batches_hold_every_chosen_item_once_in_order_of_length(cache):
    chosen = np.ones(len(cache))
    chosen[[0, 5]] = 0
    batches = SpeechBatches.fixed(cache, 300, chosen)
    items = [item for batch in batches for item in batch.items]
    assert sorted(items) == [1, 2, 3, 4, 6, 7, 8, 9]
    assert [int(cache.lengths[item]) for item in items] == sorted(cache.lengths[items].tolist())
    again = SpeechBatches.fixed(cache, 300, chosen)
    assert all(same(a, b) for a, b in zip(batches, again, strict=True))


def test_frame_rate_is_that_of_the_front_end(cache):
    assert SpeechBatches(cache, 300, seed=0).frame_rate_hz == 100.0


def test_a_teacher_gives_every_item_its_states(tmp_path):
    from tests.recipes.test_teacher_states import WIDTH, write_states

    folders = [write_cache(tmp_path / name, spoken(TEXTS[:4])) for name in ("taught", "not")]
    write_states(folders[0], 0)
    both = FeatureCache(folders)
    source = SpeechBatches(both, 300, seed=0)
    assert next(iter(source)).teacher is None
    source.teacher = TeacherStates(both)
    for batch in take(source, 8):
        assert batch.teacher is not None
        assert batch.teacher.shape[2] == WIDTH
        for row, item in zip(batch.teacher, batch.items, strict=True):
            states = source.teacher[item]
            known = 0 if states is None else len(states)
            assert (item < 4) == (states is not None)
            assert row[known:].isnan().all()
            if states is not None:
                assert np.array_equal(row[:known].numpy(), states)


def test_items_that_fit_no_batch_are_left_out_aloud(cache, caplog):
    longest = int(cache.lengths.max())
    batches = SpeechBatches(cache, longest - 1, seed=0)
    count = int((cache.lengths == longest).sum())
    assert len(batches.items) == len(TEXTS) - count
    assert f"{count} of {len(TEXTS)} items are left out" in caplog.text
    caplog.clear()
    SpeechBatches(cache, longest, seed=0, weights=np.arange(len(TEXTS)) % 2.0)  # unwanted ones do not count
    assert caplog.text == ""
