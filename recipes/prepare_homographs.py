"""Cache the Llama's states around each homograph of the Wikipedia Homograph Data.

    python -m recipes.prepare_homographs --text-dir DIR --llama LLAMA --out DATA/homographs

Kept are the states of the token before the homograph, its last token, the four behind it and the last of the
sentence, in float16. The Llama reads each sentence as its answer to an empty prompt. Shards that are there
are skipped, so it resumes. On one core about 300 tokens a second: half an hour.
"""

import logging
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from llama_speech.text_states import TextStates
from recipes.data.homographs import SPLITS, HomographSentence, read_homographs
from recipes.loop.command import run_command
from recipes.loop.options import option
from speech_core.events import TokenEvent

logger = logging.getLogger(__name__)

SHARD = 512
_BATCH = 32
BEHIND = 4
"""Tokens behind the word that are kept; the slots are before, word, 1 to BEHIND, last."""


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    text_dir: Path = option(Path(), "folder with homographs/")
    llama: Path = option(Path(), "folder of the Llama")
    out: Path = option(Path(), "folder to write")
    dtype: str = option("auto", "of the Llama's weights", choices=("auto", "float32", "bfloat16"))
    limit: int = option(0, "sentences of each split, for a trial; 0 = all")
    stop_after_s: float = option(0.0, "stop, resumable, after so much time; 0 = when done")


@dataclass(frozen=True)
class HomographStates:
    """A split. states (sentences, slots, d_llama) float16; known (sentences, slots) bool: it is there."""

    states: Tensor
    known: Tensor


def slots_of(events: Sequence[TokenEvent], sentence: HomographSentence) -> tuple[Tensor, Tensor]:
    """(slots, d_llama) float16 and (slots,) bool; slots outside the sentence are zero."""
    ends = list(accumulate(len(event.text) for event in events))
    first, last = bisect_right(ends, sentence.start), bisect_right(ends, sentence.end - 1)
    places = [first - 1, last, *range(last + 1, last + 1 + BEHIND), len(events) - 1]
    rows = [events[place].embedding if 0 <= place < len(events) else None for place in places]
    width = next(row.shape[0] for row in rows if row is not None)
    known = torch.tensor([row is not None for row in rows])
    return torch.stack([torch.zeros(width) if row is None else row for row in rows]).half(), known


def prepare(config: RunConfig) -> int:
    """Write the missing shards; returns how many were written."""
    reader, written, start = None, 0, time.monotonic()
    for split in SPLITS:
        sentences = read_homographs(config.text_dir, split)[: config.limit or None]
        for first in range(0, len(sentences), SHARD):
            path = config.out / f"{split}-{first:05d}.safetensors"
            if path.exists():
                continue
            if config.stop_after_s and time.monotonic() - start > config.stop_after_s:
                logger.info("stopped; the same command goes on")
                return written
            reader = reader or TextStates.from_folder(config.llama, config.dtype)
            _write(path, reader, sentences[first : first + SHARD])
            written += 1
            logger.info("%s written", path.name)
    return written


def _write(path: Path, reader: TextStates, sentences: list[HomographSentence]) -> None:
    states = torch.zeros(len(sentences), BEHIND + 3, reader.engine.d_model, dtype=torch.float16)
    known = torch.zeros(len(sentences), BEHIND + 3, dtype=torch.bool)
    order = sorted(range(len(sentences)), key=lambda number: len(sentences[number].text))
    for first in range(0, len(order), _BATCH):  # of like length, so that little is padding
        part = order[first : first + _BATCH]
        events = reader.batch([sentences[number].text for number in part])
        for number, row in zip(part, events, strict=True):
            states[number], known[number] = slots_of(row, sentences[number])
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file({"states": states, "known": known}, partial)
    partial.replace(path)


def load_states(folder: Path, split: str) -> HomographStates:
    """All of a split, in the order of its sentences."""
    shards = [load_file(path) for path in sorted(folder.glob(f"{split}-*.safetensors"))]
    return HomographStates(*(torch.cat([shard[name] for shard in shards]) for name in ("states", "known")))


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    logger.info("%d shards written", run_command(RunConfig, prepare, __doc__ or "", argv))


if __name__ == "__main__":
    main()
