"""Train the text normalizer's tagger: which of the rules' readings is right, from both sides of its place.

    python -m recipes.prepare_text --data TEXT/tn --out TEXT_TN
    python -m recipes.normalizer_states --data TEXT_TN --out STATES          # the Llama's states, once
    python -m recipes.train_normalizer --data TEXT_TN --states STATES --run-dir RUNS/normalizer \
        --max-steps 1500 --learning-rate 2e-3 --precision fp32

The paper's baselines come from the same code: `--no-llama`, and `--right-context 48` for the whole sentence.
`recipes.normalizer_table` runs them all. On a CPU, for a look: `--samples 200 --max-steps 20`.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from recipes import options, training_loop
from recipes.normalizer_places import (
    Batches,
    Draw,
    Item,
    StateCache,
    collate,
    drawn_items,
    item_of,
    read_samples,
)
from recipes.options import option
from recipes.training_loop import LoopConfig, Metrics
from speech_core.checkpoint import save_component, write_json
from tts_frontend.config import RIGHT_CONTEXT, SENTENCE_LOOKAHEAD, TaggerConfig
from tts_frontend.languages import load_language
from tts_frontend.tagger_model import TaggerBatch, TaggerModel

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    loop: LoopConfig
    data: Path = option(Path(), "folder of recipes.prepare_text")
    states: Path | None = option(None, "folder of recipes.normalizer_states")
    llama: bool = option(True, "attend to the Llama's states")
    right_context: int = option(RIGHT_CONTEXT, f"TN tokens; {SENTENCE_LOOKAHEAD} is the whole sentence")
    samples: int = option(4000, "training samples with a choice in them")
    most_chars: int = option(240, "longer training samples are left out")
    batch_size: int = option(32, "samples of one batch")
    drop_states: float = option(0.0, "share of samples whose states are hidden, to serve without a Llama too")
    rule_weight: float = option(0.0, "what the rules' own scores count; 0 is the paper's tagger")
    dropout: float = option(0.1, "of token vectors and of the last layer")


class Tally:
    """Counts of samples and places right, by source and by class of the label."""

    def __init__(self) -> None:
        self.right: Counter[str] = Counter()
        self.total: Counter[str] = Counter()

    def add(self, item: Item, right: Sequence[bool]) -> None:
        """One sample with its places right or wrong. A sample is right when all its places are."""
        self._count(f"{item.source}_samples", all(right) and not item.missed)
        for good in right:
            self._count(f"{item.source}_places", good)
        for kind in {place.kind for place in item.places}:
            own = [g for g, place in zip(right, item.places, strict=True) if place.kind == kind]
            self._count(f"class_{kind}", all(own))

    def _count(self, name: str, good: bool) -> None:
        self.right[name] += good
        self.total[name] += 1

    def shares(self) -> Metrics:
        """Share right of each count, and how many there were."""
        shares = {name: self.right[name] / total for name, total in sorted(self.total.items())}
        return shares | {f"n_{name}": float(total) for name, total in sorted(self.total.items())}


@dataclass
class NormalizerTask:
    """What the loop trains."""

    model: TaggerModel
    batches: Batches
    held_out: list[Item]
    config: RunConfig
    sources: dict[str, int] = field(default_factory=dict)

    def audio_seconds(self, batch: TaggerBatch) -> float:
        """There is no audio."""
        return 0.0

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Matrices with weight decay, the rest without."""
        return training_loop.plain_groups(self.model, self.config.loop.weight_decay)

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> Metrics:
        """Shares of held-out samples and places right, each place with the labels before it."""
        assert isinstance(model, TaggerModel)
        tally = Tally()
        order = sorted(self.held_out, key=lambda item: len(item.tokens))
        for at in range(0, len(order), 64):
            items = order[at : at + 64]
            batch = collate(items, model.config, self.batches.states)
            scores = model.scores(batch).masked_fill(~batch.allowed, -torch.inf)
            good = batch.right.gather(1, scores.argmax(1, keepdim=True))[:, 0].tolist()
            for item in items:
                tally.add(item, good[: len(item.places)])
                good = good[len(item.places) :]
        return tally.shares()

    def export(self, model: nn.Module, folder: Path, training: dict[str, Any]) -> None:
        """The tagger as a component."""
        assert isinstance(model, TaggerModel)
        record = {**training, "method": "tagger over rules", "samples": self.sources}
        save_component(folder / "text_normalizer", model, model.config, record)


@lru_cache(maxsize=2)
def load_items(data: Path, tagger: TaggerConfig, draw: Draw) -> tuple[list[Item], list[Item]]:
    """Training items, and the real held-out ones."""
    items = list(drawn_items(data / "train.jsonl", tagger, draw))
    dev = (one for one in read_samples(data / "dev.jsonl") if one["source"] != "generated")
    return items, [item_of(sample, tagger) for sample in dev]


def build(config: RunConfig) -> NormalizerTask:
    """Model and data of one run."""
    states = StateCache(config.states) if config.states and config.llama else None
    rules = tuple(rule.name for rule in load_language("en").inventory.rules)
    tagger = TaggerConfig(
        "en",
        rules,
        right_context=config.right_context,
        d_llama=states.width if states else 0,
        rule_weight=config.rule_weight,
    )
    if config.right_context == SENTENCE_LOOKAHEAD:
        tagger = replace(tagger, window_tokens=2 * SENTENCE_LOOKAHEAD)
    draw = Draw(config.samples, config.most_chars)
    items, held_out = load_items(config.data, replace(tagger, d_llama=0, rule_weight=0.0), draw)
    torch.manual_seed(config.loop.seed)
    model = TaggerModel(tagger)
    model.dropout.p = config.dropout
    if model.attention is not None and states is not None:
        model.attention.mean, model.attention.scale = states.moments()
    sources = dict(Counter(item.source for item in items))
    logger.info("%d samples, %s; %d held out", len(items), sources, len(held_out))
    batches = Batches(items, tagger, states, config.batch_size, config.loop.seed, config.drop_states)
    return NormalizerTask(model, batches, [item for item in held_out if item.places], config, sources)


def train(config: RunConfig) -> Metrics:
    """One run; returns its last figures."""
    config.loop.run_dir.mkdir(parents=True, exist_ok=True)
    write_json(config.loop.run_dir / "run.json", options.to_dict(config))
    return training_loop.run(build(config), config.loop)


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    train(options.parse(RunConfig, __doc__ or "", argv))


if __name__ == "__main__":
    main()
