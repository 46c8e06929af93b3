"""Mean and deviation of cached features."""

import numpy as np
import pytest
import torch

from recipes.data.features_cache import CacheItem, FeatureCache, FeatureCacheWriter
from recipes.data.manifests import Utterance
from recipes.data.statistics import feature_statistics
from speech_core.errors import InputError


def test_statistics_are_those_of_all_frames_however_long_the_items_are(tmp_path):
    rng = np.random.default_rng(0)
    blocks = [rng.normal(-6, 3, (frames, 80)).astype(np.float16) for frames in (5, 400, 60)]
    utterance = Utterance("u", "", None, "en", "s", 1.0, "c", "CC0")
    FeatureCacheWriter(tmp_path).write_shard(0, [CacheItem(utterance, block) for block in blocks])
    mean, deviation = feature_statistics(FeatureCache([tmp_path]))
    frames = torch.from_numpy(np.concatenate(blocks).astype(np.float64))
    assert torch.allclose(mean.double(), frames.mean(0), atol=1e-5)
    assert torch.allclose(deviation.double(), frames.std(0, correction=0), atol=1e-5)


def test_an_empty_cache_is_refused(tmp_path):
    FeatureCacheWriter(tmp_path).write_shard(0, [])
    with pytest.raises(InputError, match="empty"):
        feature_statistics(FeatureCache([tmp_path]))
