"""Cache the Llama's middle-layer states of the samples in which the tagger has something to choose.

    python -m recipes.normalizer_states --data TEXT_TN --out DIR [--llama FOLDER] [--samples 22000]

Reads train.jsonl and dev.jsonl of `recipes.prepare_text`. Writes states.f16 (tokens x d_llama, 16-bit
floats) and index.jsonl (text, first row, where each token's text ends). Starting it again goes on.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from llama_speech.default_llama import find_or_make_default_llama
from llama_speech.text_states import TextStates
from recipes.batches.normalizer_places import Draw, StateCache, drawn_items, item_of, read_samples
from recipes.loop.command import run_command
from recipes.loop.options import option
from tts_frontend.config import TaggerConfig
from tts_frontend.languages import load_language

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    data: Path = option(Path(), "folder of recipes.prepare_text")
    out: Path = option(Path(), "folder to write, outside the checkout")
    llama: Path | None = option(None, "folder of the Llama (default: the default one)")
    samples: int = option(22_000, "training samples, drawn evenly from the sources by share")
    most_chars: int = option(240, "longer training samples are left out")
    seed: int = option(0, "of the draw")


def chosen_texts(config: RunConfig) -> Iterator[str]:
    """The real held-out samples with a choice in them, those that choose settings, then the training samples
    that are drawn.
    """
    rules = tuple(rule.name for rule in load_language("en").inventory.rules)
    tagger = TaggerConfig("en", rules)
    for sample in read_samples(config.data / "dev.jsonl"):
        if sample["source"] != "generated" and item_of(sample, tagger).places:
            yield sample["written"]
    draw = Draw(config.samples, config.most_chars, seed=config.seed)
    for part in (replace(draw, tuning=True), draw):
        for item in drawn_items(config.data / "train.jsonl", tagger, part):
            yield item.text


def cache_states(config: RunConfig) -> int:
    """Write what is not there yet; return the number of texts in the cache."""
    config.out.mkdir(parents=True, exist_ok=True)
    index, states = config.out / "index.jsonl", config.out / "states.f16"
    known = StateCache(config.out).places if index.exists() and index.stat().st_size else {}
    done = set(known)
    rows = max((start + len(ends) for start, ends in known.values()), default=0)
    llama = TextStates.from_folder(config.llama or find_or_make_default_llama())
    width = llama.engine.d_model
    if states.exists():
        with states.open("r+b") as file:
            file.truncate(rows * width * 2)  # what an interrupted run wrote without its line of the index
    with states.open("ab") as data, index.open("a", encoding="utf-8") as lines:
        for texts in _batches(chosen_texts(config), done):
            for text, events in zip(texts, llama.batch(texts), strict=True):
                ends = np.cumsum([len(event.text) for event in events]).tolist()
                vectors = [event.embedding.numpy() for event in events if event.embedding is not None]
                data.write(np.stack(vectors).astype(np.float16).tobytes())
                data.flush()
                line = {"text": text, "start": rows, "width": width, "ends": ends}
                lines.write(json.dumps(line, ensure_ascii=False) + "\n")
                rows += len(ends)
            lines.flush()
            logger.info("%d texts, %d tokens", len(done), rows)
    return len(done)


def _batches(texts: Iterator[str], done: set[str]) -> Iterator[list[str]]:
    """Texts that are not done, some of similar length at a time; they are done when they come out."""
    while ahead := list(islice(texts, 512)):
        new = sorted({text for text in ahead if text not in done}, key=len)
        for at in range(0, len(new), 16):
            done.update(new[at : at + 16])
            yield new[at : at + 16]


def main(argv: list[str] | None = None) -> None:
    """Run the recipe."""
    logger.info("%d texts written", run_command(RunConfig, cache_states, __doc__ or "", argv))


if __name__ == "__main__":
    main()
