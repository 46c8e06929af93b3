"""Stored states come back within their step, at unit deviation, beside the right items."""

import numpy as np
import pytest

from recipes.data.features_cache import FeatureCache
from recipes.data.teacher_states import STEPS, TeacherConfig, TeacherStates, shard_path, state_counts
from speech_core.errors import ConfigError
from tests.speech_data import spoken, write_cache

WIDTH = 5


def states_of(cache: FeatureCache, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    level = np.arange(WIDTH) * 3.0
    return [
        rng.normal(level, 2.0, (count, WIDTH)).astype(np.float32) for count in state_counts(cache.lengths)
    ]


def write_states(folder, seed: int, teacher: str = "whisper") -> list[np.ndarray]:
    cache = FeatureCache([folder])
    states = states_of(cache, seed)
    config = TeacherConfig.measure(teacher, np.concatenate(states))
    config.write(folder)
    np.save(shard_path(cache.shard_of(0)), np.concatenate([config.quantize(part) for part in states]))
    return states


@pytest.fixture
def caches(tmp_path):
    return [
        write_cache(tmp_path / name, spoken(texts)) for name, texts in (("a", ["bad", "a"]), ("b", ["cab"]))
    ]


def test_states_come_back_in_the_measure_of_the_first_cache(caches):
    written = write_states(caches[0], 0) + write_states(caches[1], 1)
    config = TeacherConfig.read(caches[0])
    assert config is not None
    states = TeacherStates(FeatureCache(caches))
    assert (states.name, states.dimensions) == ("whisper", WIDTH)
    for item, wanted in enumerate(written):
        found = states[item]
        expected = (wanted - np.array(config.mean)) / np.array(config.deviation)
        assert found is not None
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1.0 / STEPS)
    joined = np.concatenate([states[0], states[1]])
    np.testing.assert_allclose(joined.mean(0), 0, atol=0.03)
    np.testing.assert_allclose(joined.std(0), 1, atol=0.03)


def test_a_cache_without_states_has_none(caches):
    write_states(caches[1], 1)
    states = TeacherStates(FeatureCache(caches))
    assert states[0] is None
    assert states[2] is not None
    assert len(states[2]) == state_counts(FeatureCache(caches).lengths)[2]


def test_values_far_off_are_cut_and_not_wrapped():
    config = TeacherConfig("t", (0.0,), (1.0,))
    assert config.quantize(np.array([[1e6], [-1e6]], np.float32)).tolist() == [[127], [-127]]


def test_no_teacher_or_two_are_an_error(caches):
    with pytest.raises(ConfigError, match="prepare_teacher"):
        TeacherStates(FeatureCache(caches))
    write_states(caches[0], 0)
    write_states(caches[1], 1, "another")
    with pytest.raises(ConfigError, match="different"):
        TeacherStates(FeatureCache(caches))
