"""The feature cache gives back what was written, sees only complete shards, and refuses to mix front ends."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from recipes.data.features_cache import CacheItem, FeatureCache, FeatureCacheWriter, compute_features
from recipes.data.manifests import Utterance
from speech_core.errors import ConfigError, InputError
from speech_encoder.config import FeatureConfig
from speech_encoder.features import log_mel


def item(number, frames=None, view=0, text="hello"):
    rng = np.random.default_rng(number)
    features = rng.normal(-5, 3, (frames or 10 + number, 80)).astype(np.float16)
    utterance = Utterance(f"u{number}", "", text, "en", "s", 0.1, "c", "CC0", extra={"number": number})
    return CacheItem(utterance, features, ("noise",) if view else (), view)


def test_items_come_back_in_order_from_several_directories(tmp_path):
    first, second = FeatureCacheWriter(tmp_path / "a"), FeatureCacheWriter(tmp_path / "b")
    first.write_shard(1, [item(2), item(3, view=1)])
    first.write_shard(0, [item(0), item(1, text=None)])
    second.write_shard(0, [item(4)])
    cache = FeatureCache([tmp_path / "a", tmp_path / "b"])
    assert cache.ids == ["u0", "u1", "u2", "u3", "u4"]
    assert cache.lengths.tolist() == [10, 11, 12, 13, 14]
    assert cache.texts == ["hello", None, "hello", "hello", "hello"]
    assert cache.views == [0, 0, 0, 1, 0]
    assert cache.directory_numbers.tolist() == [0, 0, 0, 0, 1]
    assert [got.augmented for got in cache] == [False, False, False, True, False]
    assert cache.hours == pytest.approx(60 / 360_000)
    assert cache.sources() == [{"cache": "a", "hours": 0.0}, {"cache": "b", "hours": 0.0}]
    for index, got in enumerate(cache):
        assert np.array_equal(got.features, item(index).features)
        assert cache.utterance(index).extra == {"number": index}
    assert cache.record(3)["augment"] == ["noise"]
    cache.lengths[:] = [360_000, 360_000, 360_000, 360_000, 180_000]
    assert [source["hours"] for source in cache.sources()] == [4.0, 0.5]


def test_features_are_mapped_not_loaded(tmp_path):
    FeatureCacheWriter(tmp_path).write_shard(0, [item(0)])
    assert isinstance(FeatureCache([tmp_path])[0].features, np.memmap)


def test_a_shard_without_its_records_does_not_exist(tmp_path):
    writer = FeatureCacheWriter(tmp_path)
    writer.write_shard(0, [item(0)])

    def interrupted():
        yield item(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        writer.write_shard(1, interrupted())
    assert not writer.is_complete(1)
    assert len(FeatureCache([tmp_path])) == 1
    writer.write_shard(1, [item(1)])
    assert len(FeatureCache([tmp_path])) == 2


def test_a_complete_shard_is_not_written_again(tmp_path):
    writer = FeatureCacheWriter(tmp_path)
    assert writer.write_shard(0, [item(0)]) == 10
    assert writer.write_shard(0, iter(())) == 0
    assert len(FeatureCache([tmp_path])) == 1


def test_an_empty_shard_is_complete_and_empty(tmp_path):
    FeatureCacheWriter(tmp_path).write_shard(0, [])
    assert len(FeatureCache([tmp_path])) == 0


def test_other_front_ends_and_other_folders_are_refused(tmp_path):
    FeatureCacheWriter(tmp_path / "a")
    other = replace(FeatureConfig(), low_hz=50.0)
    FeatureCacheWriter(tmp_path / "b", other)
    with pytest.raises(ConfigError, match="another front end"):
        FeatureCacheWriter(tmp_path / "a", other)
    with pytest.raises(ConfigError, match="different front ends"):
        FeatureCache([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(InputError, match="no feature cache"):
        FeatureCache([tmp_path])
    with pytest.raises(InputError, match="at least one"):
        FeatureCache([])
    assert FeatureCache([tmp_path / "b"]).config == other


def test_stored_features_are_the_front_ends_to_half_precision(speech):
    stored = compute_features(speech, FeatureConfig())
    exact = log_mel(torch.from_numpy(speech), FeatureConfig()).numpy()
    assert stored.dtype == np.float16
    assert np.abs(stored - exact).max() < 0.01


def test_records_are_one_json_object_a_line(tmp_path):
    FeatureCacheWriter(tmp_path).write_shard(0, [item(0, text="мир"), item(1)])
    lines = (tmp_path / "shard-00000.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["offset"] for line in lines] == [0, 10]
    assert "мир" in lines[0]
