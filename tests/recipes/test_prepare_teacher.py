"""States written beside caches: complete, resumable, one hearing for all views of a recording."""

import numpy as np
import pytest

from recipes import prepare_teacher
from recipes.data.features_cache import CacheItem, FeatureCache, FeatureCacheWriter, compute_features
from recipes.data.manifests import Utterance
from recipes.data.teacher_states import TeacherConfig, TeacherStates, shard_path, state_counts
from recipes.prepare_teacher import stretch
from speech_encoder.config import FeatureConfig
from tests.speech_data import spoken, tone_words, write_cache
from tests.whisper_model import write_whisper


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    return write_whisper(tmp_path_factory.mktemp("models") / "whisper")


def teach(whisper, *caches, more: tuple[str, ...] = ()) -> None:
    prepare_teacher.main(["--whisper", str(whisper), "--caches", *map(str, caches), *more])


def test_every_item_gets_its_states_and_a_second_run_adds_nothing(whisper, tmp_path):
    folder = write_cache(tmp_path / "words", spoken())
    teach(whisper, folder)
    cache = FeatureCache([folder])
    states = TeacherStates(cache)
    assert [len(states[item]) for item in range(len(cache))] == state_counts(cache.lengths).tolist()
    path = shard_path(cache.shard_of(0))
    before = path.stat().st_mtime_ns
    teach(whisper, folder)
    assert path.stat().st_mtime_ns == before
    assert TeacherConfig.read(folder).teacher == "whisper"


def test_other_views_get_the_states_of_the_clean_one_stretched(whisper, tmp_path):
    config = FeatureConfig()
    audio = tone_words("a bad cab")
    views = [audio, audio[: len(audio) * 9 // 10]]
    utterance = Utterance("clip", "", "a bad cab", "en", "s", 1.0, corpus="c", licence="CC0-1.0")
    items = [CacheItem(utterance, compute_features(sound, config), (), n) for n, sound in enumerate(views)]
    FeatureCacheWriter(tmp_path / "views", config).write_shard(0, items)
    teach(whisper, tmp_path / "views")
    states = TeacherStates(FeatureCache([tmp_path / "views"]))
    clean, other = states[0], states[1]
    assert len(other) < len(clean)
    np.testing.assert_allclose(other, stretch(clean, len(other)), atol=0.05)


def test_stretching_keeps_a_slope_and_the_ends():
    slope = np.linspace(0, 1, 50, dtype=np.float32)[:, None]
    longer = stretch(slope, 60)[:, 0]
    assert longer.shape == (60,)
    np.testing.assert_allclose(np.diff(longer)[1:-1], 50 / 60 / 49, rtol=1e-3)
    assert (longer[0], longer[-1]) == (0.0, 1.0)
    assert np.array_equal(stretch(slope, 50), slope)
    assert stretch(slope[:0], 0).shape == (0, 1)


def test_another_teacher_is_refused_and_no_cache_is_an_error(whisper, tmp_path):
    folder = write_cache(tmp_path / "words", spoken(["a"]))
    teach(whisper, folder)
    other = write_whisper(tmp_path / "other", seed=1)
    with pytest.raises(SystemExit, match="has states of whisper"):
        teach(other, folder)
    with pytest.raises(SystemExit, match="--caches"):
        teach(whisper)
