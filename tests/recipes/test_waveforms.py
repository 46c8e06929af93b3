"""Reading, resampling and levels of sound."""

import numpy as np
import pytest
import soundfile

from recipes.data.waveforms import (
    SAMPLE_RATE,
    active_rms,
    limit_peak,
    normalize_loudness,
    read_audio,
    resample,
    trim_silence,
)
from speech_core.errors import AudioError


def tone(seconds, hz=440.0, rate=SAMPLE_RATE):
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def test_any_rate_and_channel_count_is_read_as_16_khz_mono(tmp_path):
    left = tone(0.5, rate=44_100)
    soundfile.write(tmp_path / "a.wav", np.stack([left, -0.5 * left], axis=1), 44_100)
    audio = read_audio(tmp_path / "a.wav")
    assert audio.dtype == np.float32
    assert abs(audio.size - 8000) <= 1
    assert np.abs(audio[500:-500] - 0.25 * tone(0.5)[: audio.size][500:-500]).max() < 1e-3


def test_a_piece_of_a_file_is_read(tmp_path):
    audio = np.arange(16_000, dtype=np.float32) / 16_000
    soundfile.write(tmp_path / "a.wav", audio, 16_000, subtype="FLOAT")
    assert np.array_equal(read_audio(tmp_path / "a.wav", 0.25, 0.5), audio[4000:12_000])
    assert np.array_equal(read_audio(tmp_path / "a.wav", 0.75), audio[12_000:])


def test_files_that_cannot_be_used_are_audio_errors(tmp_path):
    (tmp_path / "text.wav").write_text("no sound", encoding="utf-8")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.float32), 16_000)
    for name in ("text.wav", "empty.wav", "missing.wav"):
        with pytest.raises(AudioError, match=name):
            read_audio(tmp_path / name)


def test_resampling_keeps_a_tone():
    assert np.abs(resample(tone(0.5, rate=8000), 8000, 16_000)[500:7500] - tone(0.5)[500:7500]).max() < 2e-3
    assert resample(np.zeros(0, np.float32), 8000, 16_000).size == 0


def test_pauses_do_not_count_for_the_level():
    sound = tone(0.5)
    padded = np.concatenate([np.zeros(32_000, np.float32), sound])
    assert active_rms(padded) == pytest.approx(active_rms(sound), rel=0.02)
    assert active_rms(np.zeros(0, np.float32)) == 0.0


@pytest.mark.parametrize("gain", [0.01, 1.0, 3.0])
def test_loudness_becomes_the_one_asked_for(gain):
    level = active_rms(normalize_loudness(tone(1.0) * np.float32(gain), -23.0))
    assert 20 * np.log10(level) == pytest.approx(-23.0, abs=0.1)


def test_silence_stays_and_peaks_are_limited():
    assert not normalize_loudness(np.zeros(1000, np.float32)).any()
    spiky = np.zeros(16_000, np.float32)
    spiky[::4000] = 0.5
    assert np.abs(normalize_loudness(spiky, -6.0)).max() <= 0.99 + 1e-6
    assert np.abs(limit_peak(np.asarray([2.0, -1.0], np.float32))).max() == pytest.approx(0.99)


def test_silence_at_the_ends_is_cut_and_a_little_kept():
    padded = np.concatenate([np.zeros(16_000, np.float32), tone(0.5), np.zeros(24_000, np.float32)])
    trimmed = trim_silence(padded, keep_s=0.1)
    assert abs(trimmed.size - (8000 + 2 * 1600)) <= 320
    assert trim_silence(np.zeros(16_000, np.float32)).size == 16_000
