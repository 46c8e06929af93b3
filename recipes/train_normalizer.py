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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from llama_speech.evaluation.normalization_scores import fold3
from llama_speech.normalization import Chooser, normalize
from recipes import training_loop
from recipes.batches.normalizer_places import (
    Batches,
    CachedStates,
    Draw,
    Item,
    StateCache,
    collate,
    drawn_items,
    item_of,
    read_samples,
)
from recipes.loop import options
from recipes.loop.command import run_command
from recipes.loop.options import option
from recipes.training_loop import LoopConfig, Metrics
from speech_core.checkpoint import save_component, write_json
from tts_frontend.config import RIGHT_CONTEXT, SENTENCE_LOOKAHEAD, NormalizerConfig, TaggerConfig
from tts_frontend.languages import load_language
from tts_frontend.tagger import Tagger
from tts_frontend.tagger_model import TaggerBatch, TaggerModel

logger = logging.getLogger(__name__)

RULE_WEIGHTS = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0)
"""What the rules' own scores may weigh in the exported tagger; chosen on samples kept from training."""


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    loop: LoopConfig
    data: Path = option(Path(), "folder of recipes.prepare_text")
    states: Path | None = option(None, "folder of recipes.normalizer_states")
    llama: bool = option(True, "attend to the Llama's states")
    only_with_states: bool = option(False, "train on no text without states, with or without --llama")
    right_context: int = option(RIGHT_CONTEXT, f"TN tokens; {SENTENCE_LOOKAHEAD} is the whole sentence")
    samples: int = option(22_000, "training samples with a choice in them")
    most_chars: int = option(240, "longer training samples are left out")
    batch_size: int = option(32, "samples of one batch")
    drop_states: float = option(0.0, "share of samples whose states are hidden, to serve without a Llama too")
    rule_weight: float = option(0.0, "what the rules' own scores count in training; 0: nothing")
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
    """What the loop trains. tuning: samples kept from training, to choose the weight of the rules on."""

    model: TaggerModel
    batches: Batches
    held_out: list[Item]
    tuning: list[Item]
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
        """Shares of held-out samples: those whose places are all right, each with the labels before it; those
        said as their reference (L3) by the tagger alone; and with the rules' scores weighed in as chosen on
        samples kept from training.
        """
        assert isinstance(model, TaggerModel)
        own = model.config.rule_weight
        tally = Tally()
        for item, (right,) in self._choices(model, self.held_out, (own,)):
            tally.add(item, right)
        weight = self.choose_rule_weight(model)
        alone = self.said_right(model, own)
        weighed = self.said_right(model, weight) if weight != own else alone
        named = {f"{name}_said": share for name, share in alone.items()}
        named |= {f"{name}_weighed": share for name, share in weighed.items()}
        return tally.shares() | named | {"rule_weight": weight}

    def _choices(
        self, model: TaggerModel, items: Sequence[Item], weights: Sequence[float]
    ) -> Iterator[tuple[Item, list[list[bool]]]]:
        """Items with what is right of their places, each with the labels before it, for each weight of the
        rules' scores.
        """
        order = sorted(items, key=lambda item: len(item.tokens))
        for at in range(0, len(order), 64):
            some = order[at : at + 64]
            batch = collate(some, model.config, self.batches.states)
            scores = model.scores(batch).masked_fill(~batch.allowed, -torch.inf)
            own = scores - model.config.rule_weight * batch.rule_scores
            chosen = torch.stack([(own + weight * batch.rule_scores).argmax(1) for weight in weights], 1)
            good = batch.right.gather(1, chosen).T  # (weights, places)
            counts = [len(item.places) for item in some]
            for item, right in zip(some, torch.split(good, counts, dim=1), strict=True):
                yield item, right.tolist()

    @torch.no_grad()
    def choose_rule_weight(self, model: TaggerModel) -> float:
        """The weight of the rules' scores with most samples right among those kept from training; the lowest
        of equals.
        """
        right = dict.fromkeys(RULE_WEIGHTS, 0)
        for _, by_weight in self._choices(model, self.tuning, RULE_WEIGHTS):
            for weight, good in zip(RULE_WEIGHTS, by_weight, strict=True):
                right[weight] += all(good)
        return max(right, key=lambda weight: right[weight]) if self.tuning else model.config.rule_weight

    def said_right(self, model: TaggerModel, weight: float) -> dict[str, float]:
        """Share of the held-out samples of each source that the normalizer says as their reference (L3)."""
        weights = {name: value.numpy() for name, value in model.state_dict().items()}
        tagger = Tagger(replace(model.config, rule_weight=weight), weights)
        chooser = Chooser(tagger, CachedStates(self.batches.states, None) if self.batches.states else None)
        config = NormalizerConfig(model.config.language, model.config.right_context)
        right: dict[str, list[bool]] = {}
        for item in self.held_out:
            said = normalize(item.text, config, chooser)
            right.setdefault(item.source, []).append(fold3(said) == fold3(item.spoken))
        return {source: sum(good) / len(good) for source, good in right.items()}

    def export(self, model: nn.Module, folder: Path, training: dict[str, Any]) -> None:
        """The tagger as a component."""
        assert isinstance(model, TaggerModel)
        config = replace(model.config, rule_weight=self.choose_rule_weight(model))
        record = {**training, "method": "tagger over rules", "samples": self.sources}
        save_component(folder / "text_normalizer", model, config, record)


@lru_cache(maxsize=2)
def load_items(
    data: Path, tagger: TaggerConfig, draw: Draw, states: Path | None
) -> tuple[list[Item], list[Item], list[Item]]:
    """Training items, those kept from training to choose settings, and the real held-out ones. states: take
    only training texts whose states are there.
    """
    known = StateCache(states).places if states else None
    tuning = list(drawn_items(data / "train.jsonl", tagger, replace(draw, tuning=True), known))
    items = list(drawn_items(data / "train.jsonl", tagger, draw, known))
    dev = (one for one in read_samples(data / "dev.jsonl") if one["source"] != "generated")
    return items, tuning, [item for item in (item_of(sample, tagger) for sample in dev) if item.places]


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
    known = config.states if config.only_with_states else None
    items, tuning, held_out = load_items(
        config.data, replace(tagger, d_llama=0, rule_weight=0.0), draw, known
    )
    torch.manual_seed(config.loop.seed)
    model = TaggerModel(tagger)
    model.dropout.p = config.dropout
    if model.attention is not None and states is not None:
        model.attention.mean, model.attention.scale = states.moments()
    sources = dict(Counter(item.source for item in items))
    kept = len(items), sources, len(tuning), len(held_out)
    logger.info("%d samples, %s; %d to choose on, %d held out", *kept)
    batches = Batches(items, tagger, states, config.batch_size, config.loop.seed, config.drop_states)
    return NormalizerTask(model, batches, held_out, tuning, config, sources)


def train(config: RunConfig) -> Metrics:
    """One run; returns its last figures."""
    config.loop.run_dir.mkdir(parents=True, exist_ok=True)
    write_json(config.loop.run_dir / "run.json", options.to_dict(config))
    return training_loop.run(build(config), config.loop)


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    run_command(RunConfig, train, __doc__ or "", argv)


if __name__ == "__main__":
    main()
