"""The streaming resampler equals the whole-signal one under any chunking."""

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_core.errors import AudioError, StreamClosedError
from speech_core.resampling import StreamingResampler, resample

RATES = [(44100, 16000), (8000, 16000), (48000, 16000), (11025, 16000), (16000, 24000), (16000, 16000)]
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 9973).astype(np.float32)


def streamed(audio: np.ndarray, rates: tuple[int, int], sizes: list[int]) -> np.ndarray:
    stream = StreamingResampler(*rates)
    parts, start = [], 0
    for size in [*sizes, audio.size]:
        parts.append(stream.push(audio[start : start + size]))
        start += size
    parts.append(stream.flush())
    assert stream.flush().size == 0
    return np.concatenate(parts)


@settings(max_examples=60, deadline=None)
@given(
    rates=st.sampled_from(RATES),
    length=st.sampled_from([0, 1, 159, 160, 161, 9973]),
    sizes=st.lists(st.sampled_from([0, 1, 7, 160, 1000, 4096]), max_size=40),
)
def test_streaming_equals_offline(rates, length, sizes):
    audio = NOISE[:length]
    assert np.array_equal(streamed(audio, rates, sizes), resample(audio, *rates))


@pytest.mark.parametrize("rates", RATES)
def test_resample_equals_the_library_on_the_whole(rates):
    assert np.allclose(resample(NOISE, *rates), soxr.resample(NOISE, *rates, quality="HQ"), atol=1e-6)


@pytest.mark.parametrize("rates", RATES)
def test_tone_keeps_pitch_level_and_length(rates):
    source, target = rates
    times = np.arange(source) / source
    tone = np.sin(2 * np.pi * 300 * times).astype(np.float32)
    expected = np.sin(2 * np.pi * 300 * np.arange(target) / target)
    result = resample(tone, source, target)
    assert result.size == target
    assert np.allclose(result[500:-500], expected[500:-500], atol=1e-3)


def test_push_after_flush_is_refused():
    stream = StreamingResampler(8000, 16000)
    stream.flush()
    with pytest.raises(StreamClosedError):
        stream.push(NOISE)


@pytest.mark.parametrize("rate", [0, -1, 999, 2_000_000_000])
def test_impossible_rates_are_refused(rate):
    with pytest.raises(AudioError, match="outside 1000 to 768000 Hz"):
        StreamingResampler(rate, 16000)
