import numpy as np
import pytest

from llama_speech.evaluation.pitch import measure_f0
from speech_core.errors import InputError

RATE, HOP = 24_000, 300


def tone(f0_hz, seconds=1.0):
    """A buzz: harmonics that fall off."""
    turns = np.cumsum(np.broadcast_to(f0_hz, round(seconds * RATE))) / RATE
    return sum(0.2 / k * np.sin(2 * np.pi * k * turns) for k in range(1, 12)).astype(np.float32)


@pytest.mark.parametrize("f0_hz", [75.0, 120.0, 201.0, 333.0, 460.0])
def test_a_level_tone(f0_hz):
    found = measure_f0(tone(f0_hz), RATE, HOP)
    assert found.shape == (80,)
    assert found[3:-3] == pytest.approx(f0_hz, rel=0.01)


def test_a_moving_tone():
    f0_hz = np.linspace(150, 300, RATE)
    found = measure_f0(tone(f0_hz), RATE, HOP)
    assert found[4:-4] == pytest.approx(f0_hz[::HOP][4:-4], rel=0.02)


def test_a_tone_that_fades_in_noise_is_followed():
    turns = np.arange(2 * RATE) / RATE
    f0_hz = 180 * 2 ** (0.3 * np.sin(2 * np.pi * 3 * turns))
    sound = tone(f0_hz, 2.0) * (0.55 + 0.45 * np.cos(2 * np.pi * 6 * turns))
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * RATE)
    found = measure_f0((sound + noise).astype(np.float32), RATE, HOP)
    heard = found > 0
    assert heard.mean() > 0.45  # 0.38 without a path
    assert np.abs(np.log2(found[heard] / f0_hz[::HOP][heard])).max() < 150 / 1200


def test_noise_and_silence_have_no_pitch():
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    assert (measure_f0(noise, RATE, HOP) > 0).mean() < 0.05
    assert not measure_f0(np.zeros(RATE, np.float32), RATE, HOP).any()


def test_nothing_and_low_rates():
    assert measure_f0(np.zeros(100, np.float32), RATE, HOP).shape == (0,)
    with pytest.raises(InputError):
        measure_f0(np.zeros(100, np.float32), 1000, HOP)
