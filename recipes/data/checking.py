"""Does a recogniser understand what a teacher spoke? Character errors by Whisper, short items packed."""

import logging
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recipes.data.waveforms import SAMPLE_RATE, Waveform

WINDOW_S = 28.0  # Whisper hears 30 s at once and pays for them whatever they hold
GAP_S = 0.8  # between packed items


def plain_characters(text: str) -> str:
    """Lower-case letters, digits and single spaces: what the error rate is counted on."""
    return " ".join(re.sub(r"[^a-z0-9 ]", "", re.sub(r"[-.,;:?!]", " ", text.lower())).split())


@dataclass
class TeacherCounts:
    """What became of one teacher's items."""

    items: int = 0
    seconds: float = 0.0
    failed: int = 0  # the teacher spoke nothing
    checked: int = 0
    dropped: int = 0  # over the limit
    characters: int = 0  # of checked texts
    errors: int = 0

    def add(self, other: "TeacherCounts") -> None:
        """Add the counts of another shard."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass
class CheckReport:
    """Counts by teacher; one a shard, summed for a table."""

    teachers: dict[str, TeacherCounts] = field(default_factory=dict)

    def of(self, teacher: str) -> TeacherCounts:
        """The counts of one teacher, made when new."""
        return self.teachers.setdefault(teacher, TeacherCounts())

    def add(self, other: "CheckReport") -> None:
        """Add the counts of another shard."""
        for name, counts in other.teachers.items():
            self.of(name).add(counts)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {name: asdict(counts) for name, counts in sorted(self.teachers.items())}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "CheckReport":
        """From JSON."""
        return cls({name: TeacherCounts(**counts) for name, counts in values.items()})

    def table(self) -> str:
        """Tab-separated, one line a teacher."""
        lines = ["teacher\titems\thours\tfailed\tchecked\tdropped\tCER %"]
        for name, c in sorted(self.teachers.items()):
            rate = f"{100 * c.errors / c.characters:.1f}" if c.characters else "-"
            lines.append(
                f"{name}\t{c.items}\t{c.seconds / 3600:.2f}\t{c.failed}\t{c.checked}\t{c.dropped}\t{rate}"
            )
        return "\n".join(lines) + "\n"


class WhisperChecker:
    """Counts character errors of spoken items with a Whisper model of faster-whisper, on one thread."""

    def __init__(self, model: Path | str) -> None:
        from faster_whisper import WhisperModel

        logging.getLogger("faster_whisper").setLevel(logging.WARNING)
        self._model = WhisperModel(str(model), device="cpu", compute_type="int8", cpu_threads=1)

    def transcribe(self, audio: Waveform) -> str:
        """Plain characters heard in at most 30 s of sound."""
        segments, _ = self._model.transcribe(
            audio, language="en", beam_size=1, condition_on_previous_text=False, without_timestamps=True
        )
        return plain_characters(" ".join(segment.text for segment in segments))

    def count_errors(self, items: Sequence[tuple[Waveform, str]]) -> list[int]:
        """Character errors of each item (sound, text); a bad count from a packed window is checked alone."""
        errors = [0] * len(items)
        for pack in pack_items([audio.size / SAMPLE_RATE for audio, _ in items]):
            together = _join_sounds([items[i][0] for i in pack])
            counts = split_errors([items[i][1] for i in pack], self.transcribe(together))
            for i, count in zip(pack, counts, strict=True):
                doubtful = len(pack) > 1 and count > 0.15 * len(plain_characters(items[i][1]))
                alone = split_errors([items[i][1]], self.transcribe(items[i][0]))[0] if doubtful else count
                errors[i] = min(count, alone)
        return errors


def _join_sounds(sounds: Sequence[Waveform]) -> Waveform:
    gap = np.zeros(round(GAP_S * SAMPLE_RATE), np.float32)
    return np.concatenate([part for sound in sounds for part in (sound, gap)][:-1])


def pack_items(durations_s: Sequence[float], window_s: float = WINDOW_S) -> list[list[int]]:
    """Indices of consecutive items that fit one window together; an item over the window is alone."""
    packs: list[list[int]] = []
    filled_s = window_s
    for index, duration_s in enumerate(durations_s):
        if filled_s + GAP_S + duration_s > window_s:
            packs.append([])
            filled_s = -GAP_S
        packs[-1].append(index)
        filled_s += GAP_S + duration_s
    return packs


def split_errors(texts: Sequence[str], heard: str) -> list[int]:
    """Character errors of each text when `heard` is what was understood of all of them, in order.

    One alignment of the joined texts; an insertion counts for the item of the character it follows.
    """
    references = [plain_characters(text) for text in texts]
    owners = [item for item, text in enumerate(references) for _ in range(len(text) + 1)][:-1]
    joined = " ".join(references)
    costs = _edit_costs(joined, heard)
    errors = [0] * len(texts)
    row, column = len(joined), len(heard)
    while row or column:
        owner = owners[max(row - 1, 0)] if owners else 0
        here = costs[row, column]
        if row and column and here == costs[row - 1, column - 1] + (joined[row - 1] != heard[column - 1]):
            errors[owner] += joined[row - 1] != heard[column - 1]
            row, column = row - 1, column - 1
        elif row and here == costs[row - 1, column] + 1:
            errors[owner] += 1
            row -= 1
        else:
            errors[owner] += 1
            column -= 1
    return errors


def _edit_costs(reference: str, heard: str) -> NDArray[np.int64]:
    """Least edits between every two beginnings: (len(reference) + 1, len(heard) + 1)."""
    codes = np.asarray([ord(character) for character in heard], dtype=np.int64)
    columns = np.arange(len(heard) + 1)
    costs = np.empty((len(reference) + 1, len(heard) + 1), dtype=np.int64)
    costs[0] = columns
    for row, character in enumerate(reference, start=1):
        before = costs[row - 1]
        best = before + 1
        best[1:] = np.minimum(best[1:], before[:-1] + (codes != ord(character)))
        costs[row] = np.minimum.accumulate(best - columns) + columns  # insertions run along the row
    return costs
