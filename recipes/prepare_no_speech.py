"""Items in which nobody speaks, with an empty text, so that a recognizer learns to stay silent.

    python -m recipes.prepare_no_speech --noise-dir SPEECH/noise --out DATA/no-speech --items 600

Half are windows of recorded noise (background/ and noises/, never music/), half are made: silence, hum,
white, pink and brown noise, beeps, clicks; all at random levels. The seed fixes them.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recipes.data.augment import change_volume, load_augmenter
from recipes.data.features_cache import CacheItem, FeatureCacheWriter, compute_features
from recipes.data.manifests import Utterance
from recipes.data.waveforms import SAMPLE_RATE, Waveform
from recipes.loop.command import run_command
from recipes.loop.options import option
from speech_encoder.config import FeatureConfig

logger = logging.getLogger(__name__)

ITEMS_OF_A_SHARD = 200


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    noise_dir: Path = option(Path(), "folder with background/ and noises/")
    out: Path = option(Path(), "feature cache to write")
    items: int = option(600, "number of items")
    shortest_s: float = option(1.0, "shortest item")
    longest_s: float = option(8.0, "longest item")
    seed: int = option(0, "seed")


def coloured(samples: int, slope: float, random: np.random.Generator) -> Waveform:
    """Noise whose power falls as frequency to the minus `slope`: 0 white, 1 pink, 2 brown; peak 1."""
    spectrum = np.fft.rfft(random.standard_normal(samples))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1.0) ** (slope / 2)
    audio = np.fft.irfft(spectrum, samples)
    return np.asarray(audio / np.abs(audio).max(), dtype=np.float32)


def hum(samples: int, random: np.random.Generator) -> Waveform:
    """Mains or fan: a few harmonics of one low pitch."""
    time_s = np.arange(samples) / SAMPLE_RATE
    pitch_hz = random.uniform(40, 400)
    parts = [np.sin(2 * np.pi * pitch_hz * n * time_s) * random.random() / n for n in range(1, 6)]
    return np.asarray(np.sum(parts, axis=0) / 5, dtype=np.float32)


def beeps(samples: int, random: np.random.Generator) -> Waveform:
    """Tones of a fifth of a second with pauses."""
    time_s = np.arange(samples) / SAMPLE_RATE
    steps = random.choice([0, 0, 300, 440, 660, 880, 1200], size=samples // 3200 + 1).repeat(3200)[:samples]
    return (0.5 * np.sin(2 * np.pi * steps * time_s)).astype(np.float32)


def clicks(samples: int, random: np.random.Generator) -> Waveform:
    """Single loud samples now and then."""
    audio = np.zeros(samples, dtype=np.float32)
    audio[random.integers(0, samples, max(1, samples // 4000))] = 1.0
    return audio


MADE: dict[str, Callable[[int, np.random.Generator], Waveform]] = {
    "silence": lambda samples, random: np.zeros(samples, dtype=np.float32),
    "white": lambda samples, random: coloured(samples, 0.0, random),
    "pink": lambda samples, random: coloured(samples, 1.0, random),
    "brown": lambda samples, random: coloured(samples, 2.0, random),
    "hum": hum,
    "beeps": beeps,
    "clicks": clicks,
}


def item(number: int, config: RunConfig, noises: list[Waveform]) -> CacheItem:
    """The item of a number; the same at every call."""
    random = np.random.default_rng([config.seed, number])
    samples = int(random.uniform(config.shortest_s, config.longest_s) * SAMPLE_RATE)
    name = "recorded" if number % 2 else str(random.choice(list(MADE)))
    audio = _window(noises, samples, random) if number % 2 else MADE[name](samples, random)
    audio = change_volume(audio, random.uniform(-50, -3))
    utterance = Utterance(
        id=f"no-speech-{number:06d}",
        audio="",
        text="",
        language="en",
        speaker="none",
        duration_s=samples / SAMPLE_RATE,
        corpus="no-speech",
        licence="CC BY 4.0, Apache-2.0" if name == "recorded" else "CC0",
    )
    return CacheItem(utterance, compute_features(audio, FeatureConfig()), (name,))


def _window(noises: list[Waveform], samples: int, random: np.random.Generator) -> Waveform:
    """A random part of a random recording, repeated where it is short."""
    noise = noises[int(random.integers(len(noises)))]
    start = int(random.integers(len(noise)))
    return np.take(noise, np.arange(start, start + samples), mode="wrap").astype(np.float32)


def prepare(config: RunConfig) -> float:
    """Write the missing shards; returns the hours in the cache written by this call."""
    noises = list(load_augmenter(config.noise_dir).noises.values())
    writer = FeatureCacheWriter(config.out)
    frames = 0
    for shard, start in enumerate(range(0, config.items, ITEMS_OF_A_SHARD)):
        numbers = range(start, min(start + ITEMS_OF_A_SHARD, config.items))
        frames += writer.write_shard(shard, (item(number, config, noises) for number in numbers))
        logger.info("shard %d done", shard)
    return frames / writer.config.frame_rate_hz / 3600


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    logger.info("%.2f hours written", run_command(RunConfig, prepare, __doc__ or "", argv))


if __name__ == "__main__":
    main()
