"""Train the prosody model on texts with their prosody (recipes.prepare_prosody).

    python -m recipes.train_prosody --data DATA/prosody --run-dir RUNS/prosody --max-steps 600 \
        --learning-rate 0.0009 --warmup-steps 50 --decay-steps 550 --cosine

`--context` streaming or full; `--states` with the Llama's tokens and states, `--no-states` for phones alone.
On a CPU, for a look: `--preset tiny --max-steps 5`. The loss is the negative log-likelihood in nats of each
phone: its duration in frames, whether it is voiced, its F0 if it is, and its power, each known to a
resolution (prosody.config). AdamW, warm-up, cosine and learning rate as in arXiv
2407.21783, section 8.3.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from prosody.config import PRESETS, ProsodyConfig, full_context
from prosody.features import Inputs
from prosody.items import ProsodySet
from prosody.likelihood import ProsodyBatch, fixed_batches, nats
from prosody.model import ProsodyModel
from prosody.predictor import save_prosody
from prosody.targets import measure_normalisation
from recipes import training_loop
from recipes.batches.prosody_batches import ProsodyBatches
from recipes.data.batching import BatchSampler
from recipes.loop.options import option
from recipes.loop.recipe import run_recipe
from recipes.training_loop import LoopConfig, Metrics
from speech_core.errors import InputError

CONTEXTS = ("streaming", "full")
MAX_PHONES = 500  # of one text (arXiv 2407.21783, section 8.3)


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    loop: LoopConfig
    data: tuple[Path, ...] = option((), "folders with train and dev sets, of recipes.prepare_prosody")
    preset: str = option("small", "sizes of the model", PRESETS)
    context: str = option("streaming", "what the model sees of a text", CONTEXTS)
    states: bool = option(True, "attend to the Llama's tokens and states")
    batch_phones: int = option(3_000, "phones of one batch, padding included")
    join_share: float = option(0.0, "share of batches in which two or three texts are joined to one")
    drop_states: float = option(0.0, "share of texts that come without states, so that it can do without")
    held_out_phones: int = option(8_000, "phones of one batch of the held-out texts")


def without_states(inputs: Inputs, share: float, seed: int) -> Inputs:
    """The same, but the states of a random share of the texts are marked unknown."""
    if inputs.tokens is None:
        return inputs
    draws = torch.rand(len(inputs.speakers), 1, generator=torch.Generator().manual_seed(seed))
    known = inputs.tokens.known & (draws >= share).to(inputs.tokens.known.device)
    return inputs._replace(tokens=inputs.tokens._replace(known=known))


class ProsodyTrainer(nn.Module):
    """The model as the loop calls it: a batch to (loss, metrics)."""

    def __init__(self, model: ProsodyModel, drop_states: float = 0.0) -> None:
        super().__init__()
        self.model, self.drop_states = model, drop_states

    def forward(self, batch: ProsodyBatch) -> tuple[Tensor, Metrics]:
        """Nats of a phone, all terms together, and each term by itself."""
        inputs = batch.inputs
        if self.training and self.drop_states:
            inputs = without_states(inputs, self.drop_states, batch.seed)
        terms = nats(self.model(inputs, batch.values, batch.voiced), batch)
        count = batch.valid.sum().clamp(min=1)
        loss = torch.stack([term.sum() for term in terms.values()]).sum() / count
        return loss, {name: float(term.detach().sum() / count) for name, term in terms.items()}


@dataclass
class ProsodyTask:
    """What the loop trains."""

    model: ProsodyTrainer
    batches: ProsodyBatches
    held_out: list[ProsodyBatch]
    config: RunConfig
    record: dict[str, Any]

    def audio_seconds(self, batch: ProsodyBatch) -> float:
        """Seconds of speech in a batch."""
        return batch.seconds

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Weight decay for matrices only."""
        return training_loop.plain_groups(self.model, self.config.loop.weight_decay)

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> Metrics:
        """Nats of a held-out phone."""
        sums: dict[str, float] = {}
        phones = 0
        for batch in self.held_out:
            loss, metrics = model(batch)
            count = int(batch.valid.sum())
            phones += count
            for name, value in {"loss": float(loss), **metrics}.items():
                sums[name] = sums.get(name, 0.0) + value * count
        return {f"held_out_{name}": total / phones for name, total in sums.items()}

    def export(self, model: nn.Module, folder: Path, training: dict[str, Any]) -> None:
        """The component `prosody`."""
        assert isinstance(model, ProsodyTrainer)
        save_prosody(folder / "prosody", model.model, {**training, **self.record})


def model_config(config: RunConfig, items: ProsodySet) -> ProsodyConfig:
    """Sizes of the preset, context and states as asked for, constants measured on the training items."""
    sizes = PRESETS[config.preset]
    speakers = tuple(dict.fromkeys(items.speakers))
    constants = [
        measure_normalisation(
            item.targets for item, own in zip(items, items.speakers, strict=True) if own == name
        )
        for name in speakers
    ]
    sizes = replace(
        sizes,
        speakers=speakers,
        means=sum((means for means, _ in constants), ()),
        deviations=sum((deviations for _, deviations in constants), ()),
        d_llama=_state_width(items) if config.states else 0,
    )
    return full_context(sizes) if config.context == "full" else sizes


def _state_width(items: ProsodySet) -> int:
    widths = [group.embeddings.shape[1] for group in items[0].groups if group.embeddings is not None]
    if not widths:
        raise InputError("the data hold no states: prepare them with --llama, or train with --no-states")
    return int(widths[0])


def build(config: RunConfig) -> ProsodyTask:
    """Model and data of one run."""
    torch.manual_seed(config.loop.seed)
    train = ProsodySet([folder / "train" for folder in config.data])
    held_out = ProsodySet([folder / "dev" for folder in config.data])
    sizes = model_config(config, train)
    trainer = ProsodyTrainer(ProsodyModel(sizes), config.drop_states)
    weights = (train.num_phones <= MAX_PHONES).astype(float)
    sampler = BatchSampler(
        train.num_phones.clip(max=MAX_PHONES),
        config.batch_phones,
        config.loop.seed,
        weights,
        share=training_loop.process_share(),
    )
    record = {
        "method": f"prosody, {config.context} context, {'with' if config.states else 'without'} Llama states",
        "texts": len(train),
        "phones": int(train.num_phones.sum()),
        "parameters": sum(parameter.numel() for parameter in trainer.parameters()),
    }
    batches = ProsodyBatches(train, sizes, sampler, config.join_share)
    return ProsodyTask(
        trainer, batches, fixed_batches(held_out, sizes, config.held_out_phones), config, record
    )


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    run_recipe(RunConfig, build, __doc__ or "", argv)


if __name__ == "__main__":
    main()
