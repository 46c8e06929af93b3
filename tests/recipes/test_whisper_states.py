"""Whisper's features from ours, windows that hold every item, states that do not depend on company."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipes.data.features_cache import compute_features
from recipes.data.whisper_states import (
    GAP_FRAMES,
    MAX_WINDOW_FRAMES,
    STATE_FRAMES,
    WINDOW_FRAMES,
    WhisperEncoder,
    band_mixture,
    pack_windows,
    whisper_features,
)
from speech_encoder.config import FeatureConfig
from tests.speech_data import recorded
from tests.whisper_model import write_whisper

CONFIG = FeatureConfig()


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return WhisperEncoder(write_whisper(tmp_path_factory.mktemp("whisper")), CONFIG)


def test_features_are_close_to_those_whisper_makes_of_the_sound():
    from faster_whisper.feature_extractor import FeatureExtractor

    audio, _ = recorded()[0]
    own = whisper_features(compute_features(audio, CONFIG), CONFIG)
    theirs = np.asarray(FeatureExtractor()(audio, padding=0)).T[: len(own)]
    loud = theirs > theirs.max() - 1.0  # 40 dB; below, our floor is another
    difference = (own - own.max()) - (theirs - theirs.max())
    assert np.abs(difference[loud]).mean() < 0.08  # of a range of 1.0
    assert np.corrcoef(own[loud], theirs[loud])[0, 1] > 0.93


def test_loudness_changes_nothing_and_silence_is_finite():
    audio, _ = recorded()[0]
    loud, quiet = (
        whisper_features(compute_features(sound, CONFIG), CONFIG) for sound in (audio, 0.25 * audio)
    )
    speech = loud > loud.max() - 0.75  # 30 dB
    assert np.abs(loud - quiet)[speech].max() < 0.05
    silent = whisper_features(compute_features(np.zeros(16_000, np.float32), CONFIG), CONFIG)
    assert np.isfinite(silent).all()


def test_the_mixture_takes_no_power_away():
    mixture = band_mixture(CONFIG)
    assert mixture.shape == (80, 80)
    assert mixture.min() >= 0
    centres = (mixture * np.arange(80)[:, None]).sum(0) / mixture.sum(0)
    assert (np.diff(centres) > -0.5).all()  # low bands from low ones


@given(st.lists(st.integers(0, MAX_WINDOW_FRAMES), max_size=30))
def test_windows_hold_every_item_once_in_order_with_gaps(lengths):
    windows = list(pack_windows(lengths))
    assert [item for window in windows for item, _ in window] == list(range(len(lengths)))
    for window in windows:
        end = -GAP_FRAMES
        for item, start in window:
            assert start % STATE_FRAMES == 0
            assert start >= end + GAP_FRAMES or (start == 0 and end < 0)
            end = start + lengths[item]
        assert end <= (WINDOW_FRAMES if len(window) > 1 else MAX_WINDOW_FRAMES)


def test_every_item_has_a_state_for_every_four_frames(encoder):
    rng = np.random.default_rng(0)
    items = [rng.normal(size=(frames, 80)).astype(np.float16) for frames in (5, 1, 0, 400, 1203, 3100)]
    states = encoder.states(items)
    assert [len(found) for found in states] == [2, 1, 0, 100, 301, 775]
    assert all(np.isfinite(found).all() for found in states)


def test_a_long_item_is_heard_in_pieces_and_sound_matters(encoder):
    rng = np.random.default_rng(1)
    long, other = (rng.normal(size=(frames, 80)).astype(np.float32) for frames in (3400, 3000))
    (whole,) = encoder.states([long])
    (again,) = encoder.states([long])
    assert np.array_equal(whole, again)
    assert not np.allclose(encoder.states([other])[0], whole[:750])
    assert len(whole) == 850
