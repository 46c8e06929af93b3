"""flite's phones end where its sound ends, at any pitch, pace and timbre; shards are seeded."""

import shutil

import numpy as np
import pytest

from recipes.data.sentences import Sentence
from recipes.data.teachers import FLITE_VOICES
from recipes.data.waveforms import SAMPLE_RATE
from recipes.losses.speech_losses import PHONES
from recipes.prepare_phones import PhoneShard, speak_with_phones
from speech_core.errors import AudioError

needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="the program flite is not installed")


@needs_flite
@pytest.mark.parametrize("voice", sorted(FLITE_VOICES))
def test_phones_end_with_the_sound(voice: str) -> None:
    audio, phones = speak_with_phones("He was here.", FLITE_VOICES[voice], np.random.default_rng(3))
    ends = [float(end) for _, end in phones]
    assert ends == sorted(ends)
    assert ends[-1] == pytest.approx(len(audio) / SAMPLE_RATE, abs=0.1)
    assert {name for name, _ in phones} <= set(PHONES)


@needs_flite
def test_a_shard_is_fixed_by_its_seed(tmp_path, noise_dir) -> None:
    sentences = (Sentence("Good morning.", "test", "CC0"), Sentence("It rains.", "test", "CC0"))
    shard = PhoneShard(tmp_path / "cache", 0, sentences, noise_dir, seed=5)
    first, second = list(shard.items()), list(shard.items())
    assert [item.utterance.text for item in first] == ["Good morning.", "It rains."]
    assert first[0].utterance.extra["phones"] == second[0].utterance.extra["phones"]
    np.testing.assert_array_equal(first[1].features, second[1].features)


def test_a_missing_program_is_one_clear_line(monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(AudioError, match="flite failed"):
        speak_with_phones("Hello.", FLITE_VOICES["slt"], np.random.default_rng(0))
