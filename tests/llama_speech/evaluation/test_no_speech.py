"""Audio without speech is what it says it is, and words in it are counted."""

import numpy as np
import pytest

from llama_speech.evaluation.no_speech import (
    NOISE_RMS,
    count_words,
    evaluate_no_speech,
    looped_music,
    make_no_speech_files,
    pink_noise,
)
from speech_core.audio import load_audio, write_wav
from speech_core.errors import InputError


def band_power(audio, low_hz, high_hz):
    spectrum = np.abs(np.fft.rfft(audio)) ** 2
    hz = np.fft.rfftfreq(len(audio), 1 / 16000)
    return spectrum[(hz >= low_hz) & (hz < high_hz)].sum()


def test_pink_noise_has_equal_power_per_octave():
    noise = pink_noise(160_000, np.random.default_rng(0))
    assert np.sqrt(np.mean(noise**2)) == pytest.approx(1.0, rel=1e-4)
    octaves = [band_power(noise, low, 2 * low) for low in (125, 250, 500, 1000, 2000, 4000)]
    assert max(octaves) / min(octaves) < 1.25


def test_files_have_the_length_level_and_seed(tmp_path):
    files = make_no_speech_files(tmp_path / "a", 0.05, None, seed=3)
    assert list(files) == ["silence", "white noise", "pink noise"]
    audio = {kind: load_audio(path, 16000) for kind, path in files.items()}
    assert {len(samples) for samples in audio.values()} == {48_000}
    assert not audio["silence"].any()
    for kind in ("white noise", "pink noise"):
        assert np.sqrt(np.mean(audio[kind] ** 2)) == pytest.approx(NOISE_RMS, rel=0.05)
    again = make_no_speech_files(tmp_path / "b", 0.05, None, seed=3)
    assert all(files[kind].read_bytes() == again[kind].read_bytes() for kind in files)
    other = make_no_speech_files(tmp_path / "c", 0.05, None, seed=4)
    assert files["pink noise"].read_bytes() != other["pink noise"].read_bytes()


def test_music_is_looped_to_the_length(tmp_path):
    for name, level in (("a", 0.25), ("b", 0.5)):
        write_wav(tmp_path / f"{name}.wav", np.full(1000, level, dtype=np.float32), 16000)
    (tmp_path / "notes.txt").write_text("no music")
    music = looped_music(tmp_path, 5000)
    assert music.shape == (5000,)
    assert music[[0, 999, 1000, 1999, 2000, 4999]] == pytest.approx(
        [0.25, 0.25, 0.5, 0.5, 0.25, 0.25], abs=1e-4
    )
    assert "music" in make_no_speech_files(tmp_path / "out", 0.01, tmp_path)


def test_bad_requests(tmp_path):
    with pytest.raises(InputError, match="holds no music"):
        looped_music(tmp_path, 10)
    with pytest.raises(InputError, match="more than 0"):
        make_no_speech_files(tmp_path, 0, None)


@pytest.mark.parametrize(
    ("text", "words"), [("", 0), ("...", 0), ("♪ ♪", 0), ("[Music]", 1), ("Thank you.", 2)]
)
def test_words_hold_a_letter_or_digit(text, words):
    assert count_words(text) == words


def test_each_system_is_counted_on_each_kind(tmp_path, good, bad):
    files = make_no_speech_files(tmp_path / "audio", 0.01, None)
    renamed = {
        kind: path.rename(path.parent / name)
        for (kind, path), name in zip(files.items(), ("one.wav", "two.wav", "three.wav"), strict=True)
    }
    found = evaluate_no_speech(renamed, 0.01, [good, bad], tmp_path / "cache")
    table = {(item.kind, item.system): (item.words, item.error is None) for item in found}
    assert table[("silence", "command:good")] == (6, True)
    assert table[("pink noise", "command:good")] == (2, True)
    assert table[("pink noise", "command:bad")] == (0, False)
    assert len(found) == 6
