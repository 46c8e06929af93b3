"""Recordings of every form as the same blocks (files and arrays through the model: test_api.py)."""

import numpy as np
import pytest

from llama_speech.recordings import opener
from speech_core.audio import AudioLimits
from speech_core.errors import AudioError
from tests.audio_files import tone, wav_bytes


def samples_of(audio, sample_rate=None):
    return np.concatenate(list(opener(audio, sample_rate, AudioLimits())()))


def test_bytes_arrays_and_mappings_give_the_same_samples():
    data = wav_bytes(tone(2.5, 16_000))
    samples = samples_of(data)
    assert samples.size == 40_000
    for other in (
        samples_of(samples, 16_000),
        samples_of({"array": samples, "sampling_rate": 16_000}),
        samples_of({"bytes": data}),
        samples_of({"array": samples}, 16_000),
    ):
        np.testing.assert_array_equal(other, samples)


def test_an_array_without_a_rate_is_refused_when_it_is_read():
    read = opener(np.zeros(10, np.float32), None, AudioLimits())
    with pytest.raises(AudioError, match="pass sample_rate="):
        list(read())
