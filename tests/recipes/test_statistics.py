"""Mean and deviation of the features equal a plain computation, and depend on nothing but cache and seed."""

import numpy as np
import pytest

from recipes.data.features_cache import FeatureCache
from recipes.data.statistics import feature_statistics
from speech_core.errors import InputError
from tests.speech_data import spoken, write_cache


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return FeatureCache([write_cache(tmp_path_factory.mktemp("cache"), spoken())])


def test_equal_the_statistics_of_all_frames(cache):
    frames = np.concatenate([item.features for item in cache]).astype(np.float64)
    mean, deviation = feature_statistics(cache)
    assert mean.shape == deviation.shape == (80,)
    np.testing.assert_allclose(mean, frames.mean(0), rtol=1e-5)
    np.testing.assert_allclose(deviation, frames.std(0), rtol=1e-4)


def test_a_sample_is_seeded(cache):
    first = feature_statistics(cache, most_items=2, seed=1)
    assert all((a == b).all() for a, b in zip(first, feature_statistics(cache, 2, 1), strict=True))
    assert not bool((first[0] == feature_statistics(cache, 2, seed=3)[0]).all())
    assert not bool((first[0] == feature_statistics(cache)[0]).all())


def test_a_bin_that_never_changes_does_not_divide_by_zero(tmp_path):
    silence = [(np.zeros(3200, np.float32), None)]
    mean, deviation = feature_statistics(FeatureCache([write_cache(tmp_path, silence)]))
    assert bool((deviation > 0).all())
    assert float(mean[0]) == pytest.approx(np.log(1e-6), rel=1e-3)


def test_an_empty_cache_is_refused(tmp_path):
    with pytest.raises(InputError, match="empty"):
        feature_statistics(FeatureCache([write_cache(tmp_path, [])]))
