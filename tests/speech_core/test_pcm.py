"""PCM16 both ways, mono mixing, WAV writing."""

import wave

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from speech_core.errors import AudioError
from speech_core.pcm import float_to_pcm16, mono_array, pcm16_to_float, write_wav


@given(st.lists(st.integers(-32768, 32767), max_size=50))
def test_pcm16_survives_the_way_there_and_back(values):
    data = np.array(values, dtype="<i2").tobytes()
    assert float_to_pcm16(pcm16_to_float(data)) == data


def test_float_to_pcm16_clips():
    assert np.frombuffer(float_to_pcm16(np.array([-2, -1, 0, 1, 2], np.float32)), "<i2").tolist() == [
        -32768, -32768, 0, 32767, 32767,
    ]  # fmt: skip


def test_half_a_sample_is_refused():
    with pytest.raises(AudioError, match="16-bit PCM of 3 bytes ends in half a sample"):
        pcm16_to_float(b"abc")


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([0.5, -0.5]), [0.5, -0.5]),
        (np.array([16384, -32768], np.int16), [0.5, -1.0]),
        (np.array([2**30, -(2**31)], np.int32), [0.5, -1.0]),
        (np.array([128, 0], np.uint8), [0.0, -1.0]),
        (np.array([[0.2, 0.4, 0.0], [0.4, 0.0, 0.0]]), [0.3, 0.2, 0.0]),
        (np.array([[0.2, 0.4, 0.0], [0.4, 0.0, 0.0]]).T, [0.3, 0.2, 0.0]),
        (torch.tensor([0.25, 0.5]), [0.25, 0.5]),
        ([0.25, 0.5], [0.25, 0.5]),
        (np.array([1.5, -3.0]), [1.0, -1.0]),
    ],
)
def test_mono_array(array, expected):
    audio = mono_array(array)
    assert audio.dtype == np.float32
    assert audio.tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([np.nan]), "not numbers"),
        (np.array([np.inf]), "not numbers"),
        (np.array([20000.0, 1.0]), r"audio peaks at 20000, float samples lie in \[-1, 1\]: divide"),
        (np.zeros((2, 2, 2)), r"audio array has shape \(2, 2, 2\)"),
        (np.float32(1), r"audio array has shape \(\)"),
        (np.array(["a"]), "audio array has type <U1"),
        (np.array([1 + 1j]), "complex128"),
    ],
)
def test_unusable_arrays_are_refused(array, message):
    with pytest.raises(AudioError, match=message):
        mono_array(array)


def test_write_wav(tmp_path):
    path = tmp_path / "a.wav"
    write_wav(path, np.array([0.5, -0.5], np.float32), 24000)
    with wave.open(str(path)) as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate(), wav.getnframes()) == (
            1,
            2,
            24000,
            2,
        )
        assert wav.readframes(2) == np.array([16384, -16384], "<i2").tobytes()
    assert [file.name for file in tmp_path.iterdir()] == ["a.wav"]


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"old")
    with pytest.raises(wave.Error):
        write_wav(path, np.zeros(2, np.float32), -1)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.wav"]
