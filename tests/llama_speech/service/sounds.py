"""Sounds people make without words, at 16 kHz: hums like "mhm" and coughs, from a source and resonances."""

import numpy as np
from scipy.signal import lfilter

from speech_core.pcm import Audio

RATE_HZ = 16_000


def mhm(seed: int) -> Audio:
    """A closed mouth, 0.4 to 0.8 s: a voice of some pitch through the nose, with a breath in the middle."""
    generator = np.random.default_rng(seed)
    seconds, pitch_hz = generator.uniform(0.4, 0.8), generator.uniform(90, 250)
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    glide = 1 + generator.uniform(-0.4, 0.4) * (time_s / seconds - 0.5)
    pulses = np.diff(np.floor(np.cumsum(pitch_hz * glide) / RATE_HZ), prepend=0) > 0
    voice = pulses + 0.01 * generator.standard_normal(time_s.size)
    nose = (generator.uniform(220, 320), 80), (1_000, 250), (2_200, 350)
    sound = lfilter([1, 0.9], [1], _resonances(voice, nose, at_rest=True))
    breath = 0.15 * np.abs(sound).max() * lfilter([0.2], [1, -0.8], generator.standard_normal(time_s.size))
    sound = np.where(np.abs(time_s - 0.4 * seconds) < 0.05, breath, sound)
    sound = sound * np.minimum(1, np.minimum(time_s, seconds - time_s) / 0.05)
    return np.asarray(0.1 * sound / np.sqrt((sound**2).mean()), dtype=np.float32)


def cough(seed: int) -> Audio:
    """A burst of noise through an open throat, 0.15 to 0.35 s."""
    generator = np.random.default_rng(seed)
    time_s = np.arange(round(generator.uniform(0.15, 0.35) * RATE_HZ)) / RATE_HZ
    throat = (generator.uniform(500, 900), 200), (generator.uniform(1_200, 2_000), 300)
    sound = _resonances(generator.standard_normal(time_s.size), throat)
    sound = sound * np.exp(-time_s / 0.08) * np.minimum(1, time_s / 0.008)
    return np.asarray(0.3 * sound / np.abs(sound).max(), dtype=np.float32)


def _resonances(
    source: np.ndarray, places: tuple[tuple[float, float], ...], at_rest: bool = False
) -> np.ndarray:
    """A source through resonances (frequency and bandwidth in Hz) in a row."""
    for frequency_hz, bandwidth_hz in places:
        radius = np.exp(-np.pi * bandwidth_hz / RATE_HZ)
        poles = [1, -2 * radius * np.cos(2 * np.pi * frequency_hz / RATE_HZ), radius**2]
        source = lfilter([sum(poles) if at_rest else 1], poles, source)
    return source
