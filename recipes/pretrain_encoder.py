"""Pre-train the speech encoder with BEST-RQ on cached features, with or without text.

    python -m recipes.pretrain_encoder --caches DATA/real-en DATA/synthetic-en --run-dir RUNS/best-rq \
        --max-steps 20000 --learning-rate 1e-3
    accelerate launch -m recipes.pretrain_encoder --preset paper --caches ... --run-dir ... \
        --max-steps 500000 --learning-rate 4e-4 --warmup-steps 25000            # many GPUs, many machines

On a CPU, for a look: add `--preset tiny --max-steps 50`. Method: speech_encoder/best_rq.py.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from recipes import training_loop
from recipes.batches.speech_batches import SpeechBatch, SpeechBatches
from recipes.data.features_cache import FeatureCache
from recipes.data.statistics import feature_statistics
from recipes.loop.options import option
from recipes.loop.recipe import held_out_figures, run_recipe
from recipes.training_loop import LoopConfig, Metrics
from speech_core.checkpoint import save_component
from speech_encoder.best_rq import BestRq, BestRqOutput
from speech_encoder.config import BEST_RQ_PRESETS, ENCODER_PRESETS
from speech_encoder.conformer import SpeechEncoder


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    loop: LoopConfig
    caches: tuple[Path, ...] = option((), "feature caches to learn from")
    held_out: tuple[Path, ...] = option((), "feature caches to measure the loss on")
    preset: str = option("small", "sizes", choices=ENCODER_PRESETS)
    batch_frames: int = option(24_000, "frames of one batch, padding included (100 a second)")
    min_frames: int = option(100, "shorter items are left out")
    codebooks_per_step: int = option(4, "codebooks whose loss a step computes; 0 = all")
    compile: bool = option(False, "torch.compile the encoder")
    activation_checkpointing: bool = option(False, "recompute layers in the backward pass")


class PretrainModel(nn.Module):
    """BEST-RQ as the loop calls it; the batch's own seed draws masks, noise and crops."""

    def __init__(self, best_rq: BestRq) -> None:
        super().__init__()
        self.best_rq = best_rq

    def forward(self, batch: SpeechBatch) -> tuple[Tensor, Metrics]:
        """Loss and figures of a batch."""
        generator = torch.Generator().manual_seed(batch.seed)
        device = self.best_rq.encoder.feature_mean.device
        output = self.best_rq(batch.features.to(device), batch.lengths.to(device), generator)
        return output.loss, _figures(output)


def _figures(output: BestRqOutput) -> Metrics:
    books = {f"accuracy_{number:02d}": float(value) for number, value in enumerate(output.accuracy)}
    return {
        **books,
        "masked_accuracy": float(output.accuracy.nanmean()),
        "masked_share": float(output.masked_share),
        "codes_used": float(output.codes_used.nanmean()),
        "code_entropy": float(output.code_entropy.nanmean()),
    }


@dataclass
class PretrainTask:
    """What the loop trains."""

    model: nn.Module
    batches: SpeechBatches
    held_out: list[SpeechBatch]
    config: RunConfig
    sources: list[dict[str, Any]] = field(default_factory=list)

    def audio_seconds(self, batch: SpeechBatch) -> float:
        """Seconds of audio in a batch."""
        return float(batch.lengths.sum()) / self.batches.frame_rate_hz

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Matrices with weight decay, the rest without."""
        return training_loop.plain_groups(self.model, self.config.loop.weight_decay)

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> Metrics:
        """Masked loss and accuracy of every book on held-out items, always with the same masks."""
        return held_out_figures(model, self.held_out)

    def export(self, model: nn.Module, folder: Path, training: dict[str, Any]) -> None:
        """The encoder alone, and the quantizer beside it."""
        best_rq: BestRq = model.best_rq  # type: ignore[assignment]
        record = {**training, "method": "BEST-RQ", "sources": self.sources}
        save_component(folder / "speech_encoder", best_rq.encoder, best_rq.encoder.config, record)
        save_component(folder / "quantizer", best_rq.quantizer, best_rq.config, record)


def build(config: RunConfig) -> PretrainTask:
    """Model and data of one run."""
    from dataclasses import replace

    cache = FeatureCache(config.caches)
    torch.manual_seed(config.loop.seed)
    encoder = SpeechEncoder(ENCODER_PRESETS[config.preset])
    encoder.activation_checkpointing = config.activation_checkpointing
    encoder.feature_mean, encoder.feature_std = feature_statistics(cache)
    if config.compile:
        encoder.encode = torch.compile(encoder.encode, dynamic=True)  # type: ignore[method-assign]
    books = replace(BEST_RQ_PRESETS[config.preset], codebooks_per_step=0)
    if config.codebooks_per_step:
        books = replace(books, codebooks_per_step=min(config.codebooks_per_step, books.num_codebooks))
    batches = SpeechBatches(
        cache,
        config.batch_frames,
        config.loop.seed,
        min_frames=config.min_frames,
        share=training_loop.process_share(),
    )
    held_out = (
        SpeechBatches.fixed(FeatureCache(config.held_out), config.batch_frames) if config.held_out else []
    )
    model = PretrainModel(BestRq(encoder, books, seed=config.loop.seed))
    return PretrainTask(model, batches, held_out, config, cache.sources())


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    run_recipe(RunConfig, build, __doc__ or "", argv)


if __name__ == "__main__":
    main()
