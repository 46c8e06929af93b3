"""A teacher's states beside a feature cache, 8 bits a value: one for every STATE_FRAMES frames of each item.

`teacher.json` in the cache names the teacher and holds mean and deviation of each of its dimensions;
`shard-00000.teacher.npy` (states, d_teacher) has the states of the items of that shard one after the other,
as (state - mean) / deviation * STEPS, rounded. Caches with and without states can be mixed.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recipes.data.features_cache import FeatureCache
from recipes.data.whisper_states import STATE_FRAMES, States
from speech_core.errors import ConfigError

STEPS = 24.0  # of one deviation; values beyond 5.3 deviations are cut

Quantized = NDArray[np.int8]  # (states, d_teacher)


@dataclass(frozen=True)
class TeacherConfig:
    """What `teacher.json` holds; mean and deviation have one number for each dimension."""

    teacher: str
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def measure(cls, teacher: str, states: States) -> "TeacherConfig":
        """From some states of the teacher: (states, d_teacher)."""
        deviation = np.maximum(states.std(axis=0), 1e-4)
        return cls(teacher, tuple(states.mean(axis=0).tolist()), tuple(deviation.tolist()))

    @classmethod
    def read(cls, cache: Path) -> "TeacherConfig | None":
        """That of a cache, or None where it has no teacher."""
        path = cache / "teacher.json"
        if not path.exists():
            return None
        values = json.loads(path.read_text(encoding="utf-8"))
        return cls(values["teacher"], tuple(values["mean"]), tuple(values["deviation"]))

    def write(self, cache: Path) -> None:
        """Into a cache, atomically."""
        partial = cache / "teacher.json.partial"
        values = {"teacher": self.teacher, "mean": self.mean, "deviation": self.deviation}
        partial.write_text(json.dumps(values) + "\n", encoding="utf-8")
        partial.replace(cache / "teacher.json")

    def quantize(self, states: States) -> Quantized:
        """(states, d_teacher) in 8 bits."""
        scaled = (states - np.asarray(self.mean)) / np.asarray(self.deviation) * STEPS
        return np.asarray(np.clip(np.rint(scaled), -127, 127), dtype=np.int8)


def shard_path(shard: Path) -> Path:
    """Where the states of a shard lie; shard: its `.jsonl`."""
    return shard.with_name(shard.name.replace(".jsonl", ".teacher.npy"))


def state_counts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """States of items of so many frames."""
    return -(-lengths // STATE_FRAMES)


class TeacherStates:
    """Reads the states of the items of a feature cache, at zero mean and unit deviation."""

    def __init__(self, cache: FeatureCache) -> None:
        """Raises ConfigError if the directories of the cache had different teachers, or none had one."""
        configs = [TeacherConfig.read(directory) for directory in cache.directories]
        known = [config for config in configs if config is not None]
        if not known or len({(config.teacher, len(config.mean)) for config in known}) > 1:
            raise ConfigError(
                "the caches have no teacher, or different ones: run recipes.prepare_teacher with one model"
            )
        self.name, self.dimensions = known[0].teacher, len(known[0].mean)
        self._affine = {
            directory: _to_common(config, known[0])
            for directory, config in zip(cache.directories, configs, strict=True)
            if config is not None
        }
        self._counts = state_counts(cache.lengths)
        self._shards = [cache.shard_of(item) for item in range(len(cache))]
        self._offsets = _offsets(self._counts, self._shards)
        self._arrays: dict[Path, Quantized | None] = {}

    def __getitem__(self, item: int) -> States | None:
        """(states, dimensions) of one item, or None where its shard has none."""
        shard = self._shards[item]
        if shard not in self._arrays:
            path = shard_path(shard)
            there = shard.parent in self._affine and path.exists()
            self._arrays[shard] = np.load(path, mmap_mode="r") if there else None
        array = self._arrays[shard]
        if array is None:
            return None
        factor, offset = self._affine[shard.parent]
        first = self._offsets[item]
        return array[first : first + self._counts[item]].astype(np.float32) * factor + offset


def _to_common(own: TeacherConfig, common: TeacherConfig) -> tuple[States, States]:
    """Factor and offset from stored 8 bits to deviations from the mean of `common`."""
    deviation = np.asarray(common.deviation)
    factor = np.asarray(own.deviation) / deviation / STEPS
    offset = (np.asarray(own.mean) - np.asarray(common.mean)) / deviation
    return factor.astype(np.float32), offset.astype(np.float32)


def _offsets(counts: NDArray[np.int64], shards: list[Path]) -> list[int]:
    """First state of each item in its shard; the items of a shard are neighbours."""
    offsets: list[int] = []
    filled: dict[Path, int] = {}
    for count, shard in zip(counts.tolist(), shards, strict=True):
        offsets.append(filled.get(shard, 0))
        filled[shard] = offsets[-1] + count
    return offsets
