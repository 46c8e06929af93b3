"""Speech with its phones, durations, pitch, power and spectra on disk: what prosody and synthesis train on.

A cache is a directory. `voice.json` names the frames and the phones; `shard-00000.frames.npy` holds the
spectral frames of its items in a row (frames, channels) float16, `shard-00000.f0.npy` their pitch (frames,)
float32 in Hz, 0 where unvoiced, and `shard-00000.jsonl` one record per item. A shard counts when its `.jsonl`
exists, which is renamed into place last: an interrupted run leaves nothing half.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipes.data.held_out import normalized_words
from speech_core.checkpoint import write_json
from speech_core.errors import ConfigError, InputError
from speech_core.events import Phone, SpokenWord
from speech_synthesis.config import FrameConfig
from tts_frontend.languages.en.phones import PHONES, SILENCE

DEV_SHARE = 50  # one text in so many is kept for evaluation
Frames = NDArray[np.float16]  # (frames, channels), as `speech_synthesis.mel` defines them


@dataclass(frozen=True)
class VoiceItem:
    """One utterance with all that is measured of it.

    phones: numbers in PHONES; phone_words: number of each phone's word, -1 for pauses; durations: frames of
    each phone, at least 1, summing to the frames; log_f0: mean natural logarithm of Hz over voiced frames,
    NaN without one; log_power: mean natural logarithm of power relative to full scale; f0_hz (frames,).
    """

    id: str
    text: str
    speaker: str
    corpus: str
    words: tuple[SpokenWord, ...]
    phones: tuple[int, ...]
    phone_words: tuple[int, ...]
    durations: NDArray[np.int64]  # (phones,)
    log_f0: NDArray[np.float32]  # (phones,)
    log_power: NDArray[np.float32]  # (phones,)
    f0_hz: NDArray[np.float32]  # (frames,)
    frames: Frames  # (frames, channels)
    extra: dict[str, Any] = field(default_factory=dict)
    power: NDArray[np.float32] | None = None  # (frames,) log power; known while it is prepared, not stored

    def check(self) -> None:
        """Raises InputError where the parts do not fit each other."""
        count = len(self.phones)
        if not (
            count == len(self.phone_words) == len(self.durations) == len(self.log_f0) == len(self.log_power)
        ):
            raise InputError(f"{self.id}: phones, their words, durations, pitch and power differ in number")
        if count == 0 or int(self.durations.min()) < 1:
            raise InputError(f"{self.id}: there must be phones, each of at least one frame")
        if not int(self.durations.sum()) == len(self.f0_hz) == len(self.frames):
            raise InputError(f"{self.id}: durations, pitch and spectra differ in frames")
        if max(self.phone_words) >= len(self.words) or not np.isfinite(self.log_power).all():
            raise InputError(f"{self.id}: a phone's word is missing, or its power is not finite")

    def frame_power(self) -> NDArray[np.float32]:
        """Log power of each frame: (frames,). Raises InputError for an item read from a cache."""
        if self.power is None:
            raise InputError(f"{self.id}: the power of its frames was not stored, only that of its phones")
        return self.power

    def phone_records(self) -> list[Phone]:
        """The phones as the front end gives them: with their place in the word and its punctuation."""
        records = []
        for index, (phone, word) in enumerate(zip(self.phones, self.phone_words, strict=True)):
            if word < 0:
                records.append(Phone(PHONES[phone]))
                continue
            first = self.phone_words.index(word)
            last = len(self.phone_words) - 1 - self.phone_words[::-1].index(word)
            places = (index - first, last - index)
            records.append(Phone(PHONES[phone], word, *places, self.words[word].punctuation))
        return records


def is_dev_text(text: str) -> bool:
    """Whether items of this text are kept for evaluation: fixed by its letters, the same in every cache."""
    import zlib

    return zlib.crc32(" ".join(normalized_words(text)).encode()) % DEV_SHARE == 0


def _record(item: VoiceItem, offset: int) -> dict[str, Any]:
    return {
        "id": item.id,
        "text": item.text,
        "speaker": item.speaker,
        "corpus": item.corpus,
        "words": [[w.text, w.start, w.end, w.punctuation] for w in item.words],
        "phones": [PHONES[phone] for phone in item.phones],
        "phone_words": list(item.phone_words),
        "durations": item.durations.tolist(),
        "log_f0": [None if np.isnan(v) else round(float(v), 4) for v in item.log_f0],
        "log_power": [round(float(v), 4) for v in item.log_power],
        "offset": offset,
        "frames": len(item.frames),
        "extra": item.extra,
    }


class VoiceCacheWriter:
    """Writes whole shards into a directory; several processes may write different shards."""

    def __init__(self, directory: Path, config: FrameConfig | None = None) -> None:
        """Raises ConfigError if the directory holds other frames or phones."""
        self.directory, self.config = directory, config or FrameConfig()
        directory.mkdir(parents=True, exist_ok=True)
        wanted = json.loads(json.dumps({"version": 1, "frames": asdict(self.config), "phones": PHONES}))
        path = directory / "voice.json"
        if not path.exists():
            write_json(path, wanted)
        elif json.loads(path.read_text(encoding="utf-8")) != wanted:
            raise ConfigError(f"{path} is of other frames or phones: write to an empty directory")

    def _path(self, index: int, suffix: str) -> Path:
        return self.directory / f"shard-{index:05d}{suffix}"

    def is_complete(self, index: int) -> bool:
        """Whether the shard was written to its end."""
        return self._path(index, ".jsonl").exists()

    def write_shard(self, index: int, items: Iterable[VoiceItem]) -> int:
        """Write one shard, replacing none; returns the frames written (0 if it was there)."""
        if self.is_complete(index):
            return 0
        frames: list[Frames] = [np.zeros((0, self.config.num_channels), np.float16)]
        pitch: list[NDArray[np.float32]] = [np.zeros(0, np.float32)]
        lines: list[str] = []
        offset = 0
        for item in items:
            item.check()
            lines.append(json.dumps(_record(item, offset), ensure_ascii=False) + "\n")
            frames.append(item.frames.astype(np.float16))
            pitch.append(item.f0_hz.astype(np.float32))
            offset += len(item.frames)
        for suffix, arrays in ((".frames.npy", frames), (".f0.npy", pitch)):
            partial = self._path(index, suffix + ".partial")
            with partial.open("wb") as out:
                np.save(out, np.concatenate(arrays))
            partial.replace(self._path(index, suffix))
        partial = self._path(index, ".jsonl.partial")
        partial.write_text("".join(lines), encoding="utf-8")
        partial.replace(self._path(index, ".jsonl"))
        return offset


class VoiceCache:
    """The items of one or more caches, in the order of directories, shards and records.

    split: "train", "dev" or "all"; the split is by text. `lengths` (items,) is in frames, `num_phones` in
    phones. Only complete shards are seen.
    """

    def __init__(self, directories: Sequence[Path], split: str = "all") -> None:
        """Raises InputError if there is no such cache or no item, ConfigError if their frames differ."""
        if split not in ("all", "train", "dev"):
            raise InputError(f"split is {split!r}: use all, train or dev")
        self.directories = list(directories)
        self.config = _common_config(self.directories)
        self._arrays: dict[Path, tuple[Frames, NDArray[np.float32]]] = {}
        self._entries: list[tuple[Path, dict[str, Any]]] = []
        for directory in self.directories:
            for path in sorted(directory.glob("shard-*.jsonl")):
                self._entries.extend((path, record) for record in _read_records(path, split))
        if not self._entries:
            raise InputError(
                f"no {split} item in {', '.join(map(str, directories))}: run recipes.prepare_voice"
            )
        self.lengths = np.asarray([record["frames"] for _, record in self._entries], np.int64)
        self.num_phones = np.asarray([len(record["phones"]) for _, record in self._entries], np.int64)

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> VoiceItem:
        path, record = self._entries[index]
        frames, pitch = self._open(path)
        place = slice(record["offset"], record["offset"] + record["frames"])
        return VoiceItem(
            **{name: record[name] for name in ("id", "text", "speaker", "corpus", "extra")},
            words=tuple(SpokenWord(*word) for word in record["words"]),
            phones=tuple(_PHONE_NUMBERS[symbol] for symbol in record["phones"]),
            phone_words=tuple(record["phone_words"]),
            durations=np.asarray(record["durations"], np.int64),
            log_f0=np.asarray([np.nan if v is None else v for v in record["log_f0"]], np.float32),
            log_power=np.asarray(record["log_power"], np.float32),
            f0_hz=pitch[place],
            frames=frames[place],
        )

    def __iter__(self) -> Iterator[VoiceItem]:
        return (self[index] for index in range(len(self)))

    @property
    def hours(self) -> float:
        """Hours of sound in all items."""
        return float(self.lengths.sum()) / self.config.frame_rate_hz / 3600.0

    def _open(self, path: Path) -> tuple[Frames, NDArray[np.float32]]:
        if path not in self._arrays:
            names = (path.with_suffix(".frames.npy"), path.with_suffix(".f0.npy"))
            frames, pitch = (np.load(name, mmap_mode="r") for name in names)
            self._arrays[path] = (frames, pitch)
        return self._arrays[path]


_PHONE_NUMBERS = {symbol: number for number, symbol in enumerate(PHONES)}
assert PHONES[0] == SILENCE


def _read_records(path: Path, split: str) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            record: dict[str, Any] = json.loads(line)
            if split == "all" or is_dev_text(record["text"]) == (split == "dev"):
                yield record


def _common_config(directories: Sequence[Path]) -> FrameConfig:
    if not directories:
        raise InputError("no voice cache was given: name at least one directory")
    configs = []
    for directory in directories:
        path = directory / "voice.json"
        if not path.is_file():
            raise InputError(
                f"{directory} is no voice cache (no voice.json): run recipes.prepare_voice first"
            )
        configs.append(json.loads(path.read_text(encoding="utf-8")))
    if any(config != configs[0] for config in configs):
        raise ConfigError("the voice caches have different frames or phones: prepare them alike")
    return FrameConfig(**configs[0]["frames"])
