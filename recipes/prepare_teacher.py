"""States of Whisper's encoder beside feature caches, for distillation in `recipes.finetune_speech`.

    python -m recipes.prepare_teacher --whisper MODEL_DIR --caches DATA/real-en DATA/synthetic-en
    python -m recipes.prepare_teacher --whisper MODEL_DIR --caches DATA/real-en --max-shards 1   # for a look

The teacher hears the cached features, not the sound (recipes/data/whisper_states.py). Of a recording with
several views it hears the clean one, and the others get its states, stretched where the speed was changed:
cleaner targets at a fraction of the time. About 150 times real time on one core with tiny.en. It resumes.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recipes.data.features_cache import FeatureCache
from recipes.data.teacher_states import TeacherConfig, shard_path, state_counts
from recipes.data.whisper_states import States, WhisperEncoder
from recipes.loop.command import run_command
from recipes.loop.options import option
from speech_core.errors import ConfigError, InputError

logger = logging.getLogger(__name__)

MEASURED_ITEMS = 200  # for mean and deviation
_AT_ONCE = 64  # items given to the teacher together; they are packed in the order of length


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    whisper: Path = option(Path(), "folder of a Whisper model for faster-whisper")
    caches: tuple[Path, ...] = option((), "feature caches; the states are written into them")
    max_shards: int = option(0, "stop after so many new shards of a cache; 0 = all")


def stretch(states: States, count: int) -> States:
    """Another number of states over the same sound, by linear interpolation: -> (count, d_teacher)."""
    if count == len(states) or len(states) == 0 or count == 0:
        return states[:count]
    places = (np.arange(count) + 0.5) * len(states) / count - 0.5
    places = np.clip(places, 0, len(states) - 1)
    low = np.floor(places).astype(np.int64)
    share = (places - low).astype(np.float32)[:, None]
    high = np.minimum(low + 1, len(states) - 1)
    return np.asarray(states[low] * (1 - share) + states[high] * share, dtype=np.float32)


def heard_items(cache: FeatureCache, items: list[int]) -> dict[int, int]:
    """Of each item the one the teacher hears in its place: the clean view of its recording, if any."""
    clean = {
        (name, directory): number
        for number, (name, view, directory) in enumerate(
            zip(cache.ids, cache.views, cache.directory_numbers.tolist(), strict=True)
        )
        if view == 0
    }
    names, directories = cache.ids, cache.directory_numbers.tolist()
    return {item: clean.get((names[item], directories[item]), item) for item in items}


def teach(cache: FeatureCache, items: list[int], encoder: WhisperEncoder) -> Iterator[States]:
    """States of the items, in order."""
    heard = heard_items(cache, items)
    wanted = sorted(set(heard.values()), key=lambda item: int(cache.lengths[item]))
    states: dict[int, States] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        states |= zip(part, encoder.states([cache[item].features for item in part]), strict=True)
    counts = state_counts(cache.lengths)
    for item in items:
        yield stretch(states[heard[item]], int(counts[item]))


def _config_of(cache: FeatureCache, directory: Path, name: str, encoder: WhisperEncoder) -> TeacherConfig:
    """What `teacher.json` says; measured and written for a cache that has none."""
    found = TeacherConfig.read(directory)
    if found is not None:
        if found.teacher != name:
            raise ConfigError(f"{directory} has states of {found.teacher}: remove them to use {name}")
        return found
    chosen = np.random.default_rng(0).permutation(len(cache))[:MEASURED_ITEMS].tolist()
    config = TeacherConfig.measure(name, np.concatenate(list(teach(cache, chosen, encoder))))
    config.write(directory)
    return config


def prepare(config: RunConfig) -> float:
    """Write the missing shards of states; returns the hours of sound they cover."""
    if not config.caches:
        raise InputError("no cache was given: name at least one with --caches")
    frames = 0
    for directory in config.caches:
        cache = FeatureCache([directory])
        encoder = WhisperEncoder(config.whisper, cache.config)
        teacher = _config_of(cache, directory, config.whisper.name, encoder)
        shards: dict[Path, list[int]] = {}
        for item in range(len(cache)):
            shards.setdefault(cache.shard_of(item), []).append(item)
        missing = [shard for shard in shards if not shard_path(shard).exists()]
        for shard in missing[: config.max_shards or None]:
            started = time.monotonic()
            _write(shard_path(shard), cache, shards[shard], encoder, teacher)
            covered = int(cache.lengths[shards[shard]].sum())
            frames += covered
            speed = covered / cache.config.frame_rate_hz / (time.monotonic() - started)
            logger.info("%s of %s, %.0f times real time", shard_path(shard).name, directory.name, speed)
    return frames / cache.config.frame_rate_hz / 3600


def _write(
    path: Path, cache: FeatureCache, items: list[int], encoder: WhisperEncoder, teacher: TeacherConfig
) -> None:
    states = np.concatenate([teacher.quantize(part) for part in teach(cache, items, encoder)])
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as out:
        np.save(out, states)
    partial.replace(path)


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    logger.info("%.2f hours covered", run_command(RunConfig, prepare, __doc__ or "", argv))


if __name__ == "__main__":
    main()
