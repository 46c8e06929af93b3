"""Train the homograph model on the Wikipedia Homograph Data, with the Llama's states or without.

    python -m recipes.train_homographs --text-dir DIR --states DATA/homographs \
        --run-dir RUNS/homographs-states --max-steps 600 --decay-steps 400 --learning-rate 3e-3
    python -m recipes.train_homographs --text-dir DIR --run-dir RUNS/homographs-words ...  # without a Llama

`--tokens-after` is the lookahead in Llama tokens, `--words-after` that in words (without states). A tenth of
the training sentences is held out for development; `recipes.score_homographs` measures the evaluation split.
Sentences are cut into words by the normalizer, as they are when the model is used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from recipes import training_loop
from recipes.data.batching import ShuffledBatches
from recipes.data.homographs import HomographSentence, kind_of, read_homographs
from recipes.loop.options import option
from recipes.loop.recipe import run_recipe
from recipes.prepare_homographs import load_states
from recipes.training_loop import LoopConfig, Metrics
from speech_core.checkpoint import save_component
from speech_core.errors import InputError
from tts_frontend.homographs import (
    NOUN,
    SHARED,
    VERB,
    HomographModel,
    HomographsConfig,
    Surroundings,
    feature_ids,
    pad_features,
)
from tts_frontend.normalizer import spoken_words

_DEVELOPMENT = 10  # one sentence in so many is held out


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    loop: LoopConfig
    text_dir: Path = option(Path(), "folder with homographs/")
    states: Path | None = option(None, "folder of prepare_homographs; without it words only")
    tokens_after: int = option(
        3, "tokens behind the word whose states are seen, at most 4; 5: also the sentence's last, to compare"
    )
    words_after: int = option(2, "words behind it, without states")
    d_hidden: int = option(96, "width of the shared projection")
    batch_size: int = option(256, "sentences of one batch")
    all_sentences: bool = option(False, "train on the development sentences too, for the weights that ship")


@dataclass(frozen=True)
class DataSource:
    """Where sentences are, and the Llama's states or None."""

    text_dir: Path
    states: Path | None


class Examples(NamedTuple):
    """A split. features (n, most); states (n, slots, d_llama), known (n, slots) or (n, 0, 0), (n, 0).

    targets (n,): the reading's number; allowed (n, readings) bool: the readings of its word; shared (n,): 0
    noun, 1 verb, -1 neither.
    """

    features: Tensor
    states: Tensor
    known: Tensor
    targets: Tensor
    allowed: Tensor
    shared: Tensor

    def take(self, rows: Tensor) -> "Examples":
        """Some of them."""
        return Examples(*(part[rows] for part in self))


def surroundings_of(sentence: HomographSentence, config: HomographsConfig) -> Surroundings:
    """The neighbours of a sentence's homograph as the front end would see them."""
    words = spoken_words(sentence.text)
    place = next(
        (n for n, word in enumerate(words) if word.start < sentence.end and word.end > sentence.start), None
    )
    if place is None:
        return Surroundings(sentence.text[sentence.start : sentence.end])
    near = [(word.text, word.punctuation) for word in words]
    before = tuple(near[max(0, place - config.words_before) : place])
    after = tuple(near[place + 1 : place + 1 + config.words_after])
    return Surroundings(*near[place], before, after)


def readings_of(sentences: Sequence[HomographSentence]) -> tuple[str, ...]:
    """head/reading of all readings, the shared ones last."""
    own = sorted({f"{sentence.word}/{sentence.reading}" for sentence in sentences})
    return (*own, f"{SHARED}/{NOUN}", f"{SHARED}/{VERB}")


def load_examples(source: DataSource, sizes: HomographsConfig, split: str) -> Examples:
    """A split as tensors. Raises InputError when states and sentences do not fit."""
    sentences = read_homographs(source.text_dir, split)
    features = pad_features([feature_ids(surroundings_of(one, sizes), sizes) for one in sentences])
    states, known = torch.zeros(len(sentences), 0, 0), torch.zeros(len(sentences), 0, dtype=torch.bool)
    if source.states:
        found = load_states(source.states, split)
        states, known = found.states[:, : sizes.slots], found.known[:, : sizes.slots]
        if len(states) != len(sentences):
            raise InputError(
                f"{source.states} has {len(states)} of {len(sentences)} sentences of {split}: "
                "run recipes.prepare_homographs again"
            )
    numbers = {reading: number for number, reading in enumerate(sizes.readings)}
    targets = torch.tensor([numbers.get(f"{one.word}/{one.reading}", -1) for one in sentences])
    allowed = torch.zeros(len(sentences), len(sizes.readings), dtype=torch.bool)
    for row, one in enumerate(sentences):
        allowed[row, sizes.head(one.word)] = True
    kinds = torch.tensor([{NOUN: 0, VERB: 1}.get(kind_of(one.reading) or "", -1) for one in sentences])
    return Examples(features, states, known, targets, allowed, kinds)


class LossModel(nn.Module):
    """A HomographModel as the loop calls it."""

    def __init__(self, homographs: HomographModel) -> None:
        super().__init__()
        self.homographs = homographs

    def forward(self, batch: Examples) -> tuple[Tensor, Metrics]:
        """Cross-entropy among the readings of each word, plus that of noun against verb where it is one."""
        scores = self.homographs(batch.features, batch.states, batch.known).float()
        among = scores.masked_fill(~batch.allowed, -torch.inf)
        loss = functional.cross_entropy(among, batch.targets)
        kind = functional.cross_entropy(scores[:, -2:], batch.shared, ignore_index=-1, reduction="sum")
        right = float((among.argmax(-1) == batch.targets).float().mean())
        return loss + kind / len(batch.targets), {"accuracy": right}


@torch.inference_mode()
def scores_of(model: HomographModel, examples: Examples) -> Tensor:
    """Scores of all readings, (n, readings)."""
    parts = [examples.take(rows) for rows in torch.split(torch.arange(len(examples.targets)), 512)]
    return torch.cat([model(part.features, part.states, part.known).float() for part in parts])


def predict(model: HomographModel, examples: Examples) -> Tensor:
    """The chosen reading of each example, (n,)."""
    return scores_of(model, examples).masked_fill(~examples.allowed, -torch.inf).argmax(-1)


def predict_shared(model: HomographModel, examples: Examples) -> Tensor:
    """0 noun or 1 verb for each example by the shared head, (n,)."""
    return scores_of(model, examples)[:, -2:].argmax(-1)


@dataclass
class HomographTask:
    """What the loop trains."""

    model: LossModel
    batches: ShuffledBatches[Examples]
    held_out: Examples
    config: RunConfig

    def audio_seconds(self, batch: Examples) -> float:
        """No audio here."""
        return 0.0

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Matrices with weight decay, the rest without."""
        return training_loop.plain_groups(self.model, self.config.loop.weight_decay)

    def evaluate(self, model: nn.Module) -> Metrics:
        """Share of right readings on the development sentences."""
        chosen = predict(model.homographs, self.held_out)  # type: ignore[arg-type]
        return {"development_accuracy": float((chosen == self.held_out.targets).float().mean())}

    def export(self, model: nn.Module, folder: Path, training: dict[str, Any]) -> None:
        """The model alone."""
        homographs: HomographModel = model.homographs  # type: ignore[assignment]
        save_component(folder / "homographs", homographs, homographs.config, training)


def build(config: RunConfig) -> HomographTask:
    """Model and data of one run."""
    readings = readings_of(read_homographs(config.text_dir, "train"))
    width = load_states(config.states, "eval").states.shape[-1] if config.states else 0
    sizes = HomographsConfig(
        readings, width, config.tokens_after, config.words_after, d_hidden=config.d_hidden
    )
    examples = load_examples(DataSource(config.text_dir, config.states), sizes, "train")
    order = torch.randperm(len(examples.targets), generator=torch.Generator().manual_seed(1))
    held_out = order[::_DEVELOPMENT]
    rest = order if config.all_sentences else order[torch.arange(len(order)) % _DEVELOPMENT > 0]
    torch.manual_seed(config.loop.seed)
    model = HomographModel(sizes)
    if config.states:
        states = examples.states[rest].float()
        model.state_mean, model.state_std = states.mean(0), states.std(0).clamp(min=1e-3)
    batches = ShuffledBatches(len(rest), config.batch_size, config.loop.seed, examples.take(rest).take)
    return HomographTask(LossModel(model), batches, examples.take(held_out), config)


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    run_recipe(RunConfig, build, __doc__ or "", argv)


if __name__ == "__main__":
    main()
