"""Texts with the prosody they were read with, on disk: what the model is trained and measured on.

A set is a folder. `shard-00000.jsonl` has one record per text, `shard-00000.states.npy` the Llama's states
of its tokens one after the other, (tokens, d_llama) float16; (0, 0) where none were kept. A shard counts when
its `.jsonl` exists, which is renamed into place last.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prosody.targets import Targets
from speech_core.errors import InputError
from speech_core.events import Phone, PhoneGroup


@dataclass(frozen=True)
class ProsodyItem:
    """One text: its phones in groups with the Llama's tokens, and the quantities of each phone."""

    id: str
    text: str
    speaker: str
    groups: tuple[PhoneGroup, ...]
    targets: Targets  # (phones, 3), (phones,)

    @property
    def phones(self) -> list[Phone]:
        """All phones in order."""
        return [phone for group in self.groups for phone in group.phones]


def write_shard(folder: Path, index: int, items: Iterable[ProsodyItem]) -> int:
    """Write one shard, replacing none; returns the number of its items (0 if it was there)."""
    path = folder / f"shard-{index:05d}.jsonl"
    if path.exists():
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    lines, states, offset = [], [], 0
    for item in items:
        record = _record(item)
        embeddings = [group.embeddings for group in item.groups if group.embeddings is not None]
        if embeddings:
            states.append(torch.cat(embeddings).half().numpy())
            record["offset"] = offset
            offset += len(states[-1])
        lines.append(json.dumps(record, ensure_ascii=False) + "\n")
    partial = path.with_suffix(".partial")
    with partial.open("wb") as out:
        np.save(out, np.concatenate(states) if states else np.zeros((0, 0), np.float16))
    partial.replace(path.with_suffix(".states.npy"))
    partial.write_text("".join(lines), encoding="utf-8")
    partial.replace(path)
    return len(lines)


def _record(item: ProsodyItem) -> dict[str, Any]:
    groups = [
        {
            "phones": [[p.symbol, p.word, p.place, p.remaining, p.punctuation] for p in group.phones],
            "token_ids": list(group.token_ids),
        }
        for group in item.groups
    ]
    values = [[round(value, 5) for value in row] for row in item.targets.values.tolist()]
    return {
        "id": item.id,
        "text": item.text,
        "speaker": item.speaker,
        "groups": groups,
        "values": values,
        "voiced": [int(flag) for flag in item.targets.voiced.tolist()],
        "offset": None,
    }


class ProsodySet(Sequence[ProsodyItem]):
    """The items of one or more folders, in the order of folders, shards and records."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Raises InputError if there is no item."""
        self._records: list[tuple[Path, dict[str, Any]]] = []
        self._arrays: dict[Path, NDArray[np.float16]] = {}
        for folder in folders:
            for path in sorted(folder.glob("shard-*.jsonl")):
                with path.open(encoding="utf-8") as lines:
                    self._records += [(path, json.loads(line)) for line in lines]
        if not self._records:
            raise InputError(f"no text in {', '.join(map(str, folders))}: run recipes.prepare_prosody first")
        self.num_phones = np.array([len(record["voiced"]) for _, record in self._records], np.int64)

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._item(number) for number in range(*index.indices(len(self)))]
        return self._item(index)

    def __iter__(self) -> Iterator[ProsodyItem]:
        return (self._item(number) for number in range(len(self)))

    @property
    def speakers(self) -> list[str]:
        """Speaker of every item."""
        return [record["speaker"] for _, record in self._records]

    def _item(self, index: int) -> ProsodyItem:
        path, record = self._records[index]
        states = self._states(path, record)
        groups, place = [], 0
        for group in record["groups"]:
            ids = tuple(group["token_ids"])
            own = None if states is None else states[place : place + len(ids)]
            place += len(ids)
            groups.append(PhoneGroup(tuple(Phone(*phone) for phone in group["phones"]), (), ids, own))
        values = torch.tensor(record["values"], dtype=torch.float32).view(-1, 3)
        targets = Targets(values, torch.tensor(record["voiced"], dtype=torch.bool))
        return ProsodyItem(record["id"], record["text"], record["speaker"], tuple(groups), targets)

    def _states(self, path: Path, record: dict[str, Any]) -> Tensor | None:
        if record["offset"] is None:
            return None
        if path not in self._arrays:
            self._arrays[path] = np.load(path.with_suffix(".states.npy"), mmap_mode="r")
        count = sum(len(group["token_ids"]) for group in record["groups"])
        rows = self._arrays[path][record["offset"] : record["offset"] + count]
        return torch.from_numpy(rows.astype(np.float32))
