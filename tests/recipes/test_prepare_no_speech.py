"""No-speech items: seeded, silent text, resumable, and music never used."""

from pathlib import Path

import numpy as np
import pytest

from recipes.data.features_cache import FeatureCache
from recipes.data.waveforms import SAMPLE_RATE
from recipes.prepare_no_speech import MADE, RunConfig, coloured, item, prepare
from speech_core.pcm import write_wav


@pytest.fixture
def noise_dir(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for folder in ("background", "noises", "rooms", "music"):
        (tmp_path / folder).mkdir()
        level = 0.9 if folder == "music" else 0.1
        audio = (level * random.uniform(-1, 1, SAMPLE_RATE)).astype(np.float32)
        write_wav(tmp_path / folder / "a.wav", audio, SAMPLE_RATE)
    return tmp_path


def test_items_are_seeded_and_have_an_empty_text(noise_dir: Path, tmp_path: Path) -> None:
    config = RunConfig(noise_dir=noise_dir, out=tmp_path / "cache", items=24, longest_s=2.0)
    prepare(config)
    cache = FeatureCache([config.out])
    assert len(cache) == 24
    assert cache.texts == [""] * 24
    noises = [np.ones(SAMPLE_RATE, dtype=np.float32)]
    again = item(0, config, noises)  # even numbers are made, whatever the recordings
    np.testing.assert_array_equal(again.features, cache[0].features)
    assert prepare(config) == 0.0  # complete shards stay


@pytest.mark.parametrize("name", sorted(MADE))
def test_made_sounds_have_the_length_asked_for_and_no_overload(name: str) -> None:
    audio = MADE[name](12_345, np.random.default_rng(1))
    assert audio.shape == (12_345,)
    assert float(np.abs(audio).max()) <= 1.0


def test_coloured_noise_falls_with_frequency() -> None:
    power = np.abs(np.fft.rfft(coloured(65_536, 2.0, np.random.default_rng(2)))) ** 2
    ratio_db = 10 * np.log10(power[100:200].mean() / power[1000:2000].mean())
    assert ratio_db == pytest.approx(20.0, abs=2.0)
