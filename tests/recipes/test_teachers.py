"""Teachers speak: the right length, repeatably, a new voice for each seed. Skipped where not installed."""

import importlib.util
import shutil

import numpy as np
import pytest

from recipes.data.teachers import TEACHER_SHARES, HibariVoice, draw_hibari_voice, make_teacher
from recipes.data.waveforms import SAMPLE_RATE
from speech_core.errors import InputError

TEXT = "She had your dark suit in greasy wash water all year."


def installed(name):
    family = name.split("-")[0]
    if family in ("flite", "espeak"):
        return shutil.which({"flite": "flite", "espeak": "espeak-ng"}[family]) is not None
    return importlib.util.find_spec({"hibari": "hibari", "pico": "py_nanotts"}[family]) is not None


@pytest.mark.parametrize("name", TEACHER_SHARES)
def test_a_teacher_speaks_repeatably_and_varies_with_the_seed(name):
    if not installed(name):
        pytest.skip(f"{name} is not installed")
    teacher = make_teacher(name)
    assert teacher.name == name
    assert teacher.licence
    audio, settings = teacher.speak(TEXT, np.random.default_rng(1))
    again, same_settings = teacher.speak(TEXT, np.random.default_rng(1))
    other, other_settings = teacher.speak(TEXT, np.random.default_rng(2))
    assert audio.dtype == np.float32
    assert 2.0 < audio.size / SAMPLE_RATE < 7.0
    assert 0.02 < np.abs(audio).max() <= 1.0
    if not name.startswith("pico"):  # its engine makes other pauses now and then
        assert np.array_equal(audio, again)
    assert settings == same_settings
    assert settings != other_settings
    assert audio.shape != other.shape or not np.array_equal(audio, other)


@pytest.mark.skipif(not installed("hibari"), reason="hibari is not installed")
def test_hibari_changes_pitch_and_formants_as_told(monkeypatch):
    import recipes.data.teachers as module

    teacher = make_teacher("hibari")

    def sound(**voice):
        monkeypatch.setattr(module, "draw_hibari_voice", lambda rng: HibariVoice(**voice))
        return teacher.speak("Oh no, I am all alone now.", np.random.default_rng(0))[0]

    def centroid_hz(audio):
        power = np.square(np.abs(np.fft.rfft(audio)))
        return float((power * np.linspace(0, SAMPLE_RATE / 2, power.size)).sum() / power.sum())

    def pitch_hz(audio):
        """Median over frames of the strongest autocorrelation peak between 60 and 400 Hz."""
        frames = np.lib.stride_tricks.sliding_window_view(audio, 1024)[::512]
        loud = frames[np.square(frames).mean(1) > 0.3 * np.square(frames).mean()]
        spectrum = np.square(np.abs(np.fft.rfft(loud, 2048)))
        peaks = np.fft.irfft(spectrum)[:, 40:266].argmax(1) + 40
        return float(np.median(SAMPLE_RATE / peaks))

    plain = sound()
    assert pitch_hz(sound(pitch=0.6)) == pytest.approx(0.6 * pitch_hz(plain), rel=0.12)
    assert sound(pace=0.8).size > 1.15 * plain.size
    assert centroid_hz(sound(formants=1.15)) > centroid_hz(plain) > centroid_hz(sound(formants=0.85))
    assert centroid_hz(sound(tilt_db=4.0)) > centroid_hz(plain)


def test_drawn_voices_stay_in_the_range_that_was_listened_to():
    voices = [draw_hibari_voice(np.random.default_rng(seed)) for seed in range(300)]
    assert 0.5 <= min(v.pitch for v in voices) < 0.55
    assert 1.3 < max(v.pitch for v in voices) <= 1.4
    assert min(v.formants for v in voices) >= 0.8
    assert max(v.formants for v in voices) <= 1.18
    assert len({v.seed for v in voices}) == 300


def test_held_out_voices_and_unknown_names_are_refused():
    for name in ("flite-awb", "kokoro", "piper-joe", "pico-de-DE"):
        with pytest.raises(InputError, match=name):
            make_teacher(name)


def test_shares_are_those_of_the_mix():
    assert sum(TEACHER_SHARES.values()) == pytest.approx(1.0)
    assert TEACHER_SHARES["espeak-ng"] <= 0.04
    assert TEACHER_SHARES["hibari"] >= 0.5
