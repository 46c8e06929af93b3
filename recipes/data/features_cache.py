"""Log-mel features on disk: written once, read memory-mapped, complete shard by shard.

A cache is a directory. `cache.json` names the front end; `shard-00000.npy` holds the frames of its items one
after the other, float16 natural-log mel, not normalised; `shard-00000.jsonl` has one record per item. A shard
counts when its `.jsonl` exists, which is renamed into place last: an interrupted run leaves nothing half.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipes.data.manifests import Utterance, utterance_from_dict
from recipes.data.waveforms import Waveform
from speech_core.errors import ConfigError, InputError
from speech_encoder.config import FeatureConfig

Frames = NDArray[np.float16]  # (frames, mels)
_UTTERANCE_FIELDS = [f.name for f in fields(Utterance)]


def compute_features(audio: Waveform, config: FeatureConfig) -> Frames:
    """Log-mel of one recording as it is stored: (samples,) -> (frames, mels) float16."""
    import torch

    from speech_encoder.features import log_mel

    return log_mel(torch.from_numpy(audio), config).numpy().astype(np.float16)


@dataclass(frozen=True)
class CacheItem:
    """What the writer stores: an utterance, its features, and what was done to the sound."""

    utterance: Utterance
    features: Frames  # (frames, mels)
    augment: tuple[str, ...] = ()  # empty for a clean view
    view: int = 0  # number of the view; 0 is the clean one where there is one


class FeatureCacheWriter:
    """Writes whole shards into a directory; several processes may write different shards."""

    def __init__(self, directory: Path, config: FeatureConfig | None = None) -> None:
        """Raises ConfigError if the directory holds features of another front end."""
        self.directory = directory
        self.config = config or FeatureConfig()
        directory.mkdir(parents=True, exist_ok=True)
        self._check_or_write_config()

    def _check_or_write_config(self) -> None:
        path = self.directory / "cache.json"
        wanted = {"version": 1, "features": asdict(self.config)}
        if not path.exists():
            _write_atomically(path, json.dumps(wanted, indent=2) + "\n")
            return
        found = json.loads(path.read_text(encoding="utf-8"))
        if found != wanted:
            raise ConfigError(f"{path} is of another front end: write to an empty directory")

    def _path(self, index: int, suffix: str) -> Path:
        return self.directory / f"shard-{index:05d}{suffix}"

    def is_complete(self, index: int) -> bool:
        """Whether the shard was written to its end."""
        return self._path(index, ".jsonl").exists()

    def write_shard(self, index: int, items: Iterable[CacheItem]) -> int:
        """Write one shard atomically, replacing none; returns the frames written (0 if it was complete)."""
        if self.is_complete(index):
            return 0
        blocks: list[Frames] = []
        lines: list[str] = []
        offset = 0
        for item in items:
            frames = item.features.shape[0]
            record = asdict(item.utterance)
            record |= {"offset": offset, "frames": frames, "augment": list(item.augment), "view": item.view}
            lines.append(json.dumps(record, ensure_ascii=False))
            blocks.append(item.features)
            offset += frames
        empty = np.zeros((0, self.config.num_mels), np.float16)
        partial = self._path(index, ".npy.partial")
        with partial.open("wb") as out:
            np.save(out, np.concatenate([empty, *blocks]))
        partial.replace(self._path(index, ".npy"))
        _write_atomically(self._path(index, ".jsonl"), "".join(line + "\n" for line in lines))
        return offset


def _write_atomically(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


@dataclass(frozen=True, slots=True)
class CachedItem:
    """One item as the trainer reads it."""

    features: Frames  # (frames, mels), a view into the mapped file
    id: str
    text: str | None
    language: str
    speaker: str
    corpus: str
    view: int
    augmented: bool


@dataclass(frozen=True, slots=True)
class _Entry:
    """Where an item lies and the little that is kept in memory of it."""

    shard: int
    offset: int
    line_start: int  # byte offset of its record in the .jsonl
    id: str
    text: str | None
    language: str
    speaker: str
    corpus: str
    view: int
    augmented: bool


class FeatureCache:
    """The items of one or more cache directories, in the order of directories, shards and records.

    Only complete shards are seen; open the cache again to see those written since. `lengths` (items,) is in
    frames.
    """

    def __init__(self, directories: Sequence[Path]) -> None:
        """Raises InputError if a directory is no cache, ConfigError if their front ends differ."""
        if not directories:
            raise InputError("no feature cache was given: name at least one directory")
        self.directories = list(directories)
        self.config = _common_config(self.directories)
        self._shards: list[Path] = []
        self._arrays: dict[int, Frames] = {}
        self._entries: list[_Entry] = []
        lengths: list[int] = []
        for directory in self.directories:
            for path in sorted(directory.glob("shard-*.jsonl")):
                self._shards.append(path)
                for entry, frames in _read_shard(path, len(self._shards) - 1):
                    self._entries.append(entry)
                    lengths.append(frames)
        self.lengths: NDArray[np.int64] = np.asarray(lengths, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> CachedItem:
        entry = self._entries[index]
        frames = self._array(entry.shard)[entry.offset : entry.offset + int(self.lengths[index])]
        return CachedItem(
            features=frames,
            id=entry.id,
            text=entry.text,
            language=entry.language,
            speaker=entry.speaker,
            corpus=entry.corpus,
            view=entry.view,
            augmented=entry.augmented,
        )

    def __iter__(self) -> Iterator[CachedItem]:
        return (self[index] for index in range(len(self)))

    @property
    def texts(self) -> list[str | None]:
        """Text of every item, without touching its features."""
        return [entry.text for entry in self._entries]

    @property
    def directory_numbers(self) -> NDArray[np.int64]:
        """Which of `directories` every item lies in: (items,)."""
        numbers = {directory: number for number, directory in enumerate(self.directories)}
        of_shard = np.array([numbers[shard.parent] for shard in self._shards], dtype=np.int64)
        return of_shard[np.array([entry.shard for entry in self._entries], dtype=np.int64)]

    @property
    def views(self) -> list[int]:
        """View number of every item, without touching its features."""
        return [entry.view for entry in self._entries]

    @property
    def ids(self) -> list[str]:
        """Id of every item; the views of one recording share it."""
        return [entry.id for entry in self._entries]

    def shard_of(self, index: int) -> Path:
        """The `.jsonl` of the shard that holds an item."""
        return self._shards[self._entries[index].shard]

    @property
    def hours(self) -> float:
        """Hours of sound in all items."""
        return float(self.lengths.sum()) / self.config.frame_rate_hz / 3600.0

    def sources(self) -> list[dict[str, Any]]:
        """Name and hours of sound of each of `directories`, for the record of a training."""
        frames = np.bincount(self.directory_numbers, self.lengths, minlength=len(self.directories))
        hours = frames / self.config.frame_rate_hz / 3600.0
        return [
            {"cache": directory.name, "hours": round(float(found), 2)}
            for directory, found in zip(self.directories, hours, strict=True)
        ]

    def record(self, index: int) -> dict[str, Any]:
        """The whole stored record of one item, read from disk: utterance, offset, frames, augment, view."""
        entry = self._entries[index]
        with self._shards[entry.shard].open("rb") as lines:
            lines.seek(entry.line_start)
            record: dict[str, Any] = json.loads(lines.readline())
        return record

    def utterance(self, index: int) -> Utterance:
        """The stored utterance of one item, with provenance and translations."""
        record = self.record(index)
        return utterance_from_dict({name: record[name] for name in _UTTERANCE_FIELDS}, f"item {index}")

    def _array(self, shard: int) -> Frames:
        if shard not in self._arrays:
            self._arrays[shard] = np.load(self._shards[shard].with_suffix(".npy"), mmap_mode="r")
        return self._arrays[shard]


def _common_config(directories: Sequence[Path]) -> FeatureConfig:
    configs = []
    for directory in directories:
        path = directory / "cache.json"
        if not path.is_file():
            raise InputError(
                f"{directory} is no feature cache (no cache.json): run a preparation recipe first"
            )
        configs.append(json.loads(path.read_text(encoding="utf-8"))["features"])
    if any(config != configs[0] for config in configs):
        raise ConfigError("the feature caches have different front ends: prepare them with the same one")
    return FeatureConfig(**configs[0])


def _read_shard(path: Path, shard: int) -> Iterator[tuple[_Entry, int]]:
    position = 0
    with path.open("rb") as lines:
        for line in lines:
            record = json.loads(line)
            entry = _Entry(
                shard=shard,
                offset=record["offset"],
                line_start=position,
                id=record["id"],
                text=record["text"],
                language=record["language"],
                speaker=record["speaker"],
                corpus=record["corpus"],
                view=record["view"],
                augmented=bool(record["augment"]),
            )
            position += len(line)
            yield entry, record["frames"]
