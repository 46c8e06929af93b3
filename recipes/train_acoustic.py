"""Train the acoustic model on a voice (recipes.prepare_voice).

    python -m recipes.train_acoustic --voices DATA/voice --run-dir RUNS/acoustic --max-steps 4000 \
        --learning-rate 0.001 --warmup-steps 100 --decay-steps 3000 --precision fp32

On a CPU, for a look: `--preset tiny --max-steps 5`. The loss is the absolute error of log densities and noise
shares, in deviations of the voice, plus that of log pitch and the cross entropy of voicing.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from recipes import training_loop
from recipes.batches.voice_batches import VoiceBatch, VoiceBatches, make_batch
from recipes.data.batching import BatchSampler
from recipes.data.voice_cache import VoiceCache
from recipes.loop.options import option
from recipes.loop.recipe import run_recipe
from recipes.training_loop import LoopConfig, Metrics
from speech_core.checkpoint import save_component
from speech_synthesis.acoustic import AcousticModel, AcousticOutputs
from speech_synthesis.config import ACOUSTIC_PRESETS, AcousticConfig

_F0_WEIGHT = 10.0  # an octave counts as seven deviations of mel
_STATISTICS_ITEMS = 200


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    loop: LoopConfig
    voices: tuple[Path, ...] = option((), "voice caches of recipes.prepare_voice")
    preset: str = option("small", "sizes of the model", ACOUSTIC_PRESETS)
    contrast: float = option(0.0, "how much farther peaks of the spectrum rise when it speaks")
    batch_frames: int = option(5_000, "frames of one batch, padding included")
    held_out_items: int = option(64, "held-out items that are evaluated")


class AcousticTrainer(nn.Module):
    """The model as the loop calls it: a batch to (loss, metrics)."""

    def __init__(self, model: AcousticModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: VoiceBatch) -> tuple[Tensor, Metrics]:
        """Loss, and errors in units a person can judge: decibels, cents, percent."""
        outputs = self.model(batch.inputs)
        terms = losses(outputs, batch, self.model)
        loss = terms["mel"] + 0.3 * terms["share"] + terms["f0"] + 0.3 * terms["voicing"]
        with torch.no_grad():
            mel = (outputs.mel - batch.mel).abs().mean(-1)[batch.valid].mean()
            wrong = ((outputs.voiced > 0) != batch.voiced)[batch.valid].float().mean()
        figures = {"mel_db": float(mel) * 10 / np.log(10), "voicing_errors": float(wrong)}
        figures["f0_cents"] = float(terms["f0"].detach()) / _F0_WEIGHT * 1200 / np.log(2)
        return loss, figures


def losses(outputs: AcousticOutputs, batch: VoiceBatch, model: AcousticModel) -> dict[str, Tensor]:
    """Each term, averaged over the frames it counts for."""
    mels = model.config.frames.num_mels
    valid, voiced = batch.valid, batch.valid & batch.voiced
    mel = ((outputs.mel - batch.mel).abs() / model.deviation[:mels]).mean(-1)
    share = ((outputs.share - batch.share).abs() / model.deviation[mels:-2]).mean(-1)
    f0 = (outputs.f0 - batch.f0).abs()
    voicing = functional.binary_cross_entropy_with_logits(
        outputs.voiced, batch.voiced.to(outputs.voiced.dtype), reduction="none"
    )
    return {
        "mel": mel[valid].mean(),
        "share": share[voiced].mean() if bool(voiced.any()) else share.sum() * 0,
        "f0": _F0_WEIGHT * f0[voiced].mean() if bool(voiced.any()) else f0.sum() * 0,
        "voicing": voicing[valid].mean(),
    }


@dataclass
class AcousticTask:
    """What the loop trains."""

    model: AcousticTrainer
    batches: VoiceBatches
    held_out: list[VoiceBatch]
    config: RunConfig
    record: dict[str, Any]

    def audio_seconds(self, batch: VoiceBatch) -> float:
        """Seconds of speech in a batch."""
        return batch.num_frames / self.model.model.config.frames.frame_rate_hz

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Weight decay for matrices only."""
        return training_loop.plain_groups(self.model, self.config.loop.weight_decay)

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> Metrics:
        """Mean figures of held-out items."""
        sums: dict[str, float] = {}
        total = sum(batch.num_frames for batch in self.held_out)
        for batch in self.held_out:
            loss, metrics = model(batch)
            for name, value in {"loss": float(loss), **metrics}.items():
                sums[name] = sums.get(name, 0.0) + value * batch.num_frames / total
        return {f"held_out_{name}": value for name, value in sums.items()}

    def export(self, model: nn.Module, folder: Path, training: dict[str, Any]) -> None:
        """The component `acoustic`."""
        assert isinstance(model, AcousticTrainer)
        save_component(folder / "acoustic", model.model, model.model.config, {**training, **self.record})


def voice_constants(cache: VoiceCache, config: AcousticConfig) -> tuple[AcousticConfig, Tensor, Tensor]:
    """The config with the voice's mean pitch and power; mean and deviation of what is added to the lines."""
    items = [cache[int(i)] for i in np.linspace(0, len(cache) - 1, min(_STATISTICS_ITEMS, len(cache)))]
    pitch = float(np.nanmean(np.concatenate([item.log_f0 for item in items])))
    power = float(np.mean(np.concatenate([item.log_power for item in items])))
    config = replace(config, mean_log_f0=round(pitch, 3), mean_log_power=round(power, 3))
    batch = make_batch(items, config)
    mel = (batch.mel - batch.inputs.power[..., None])[batch.valid]
    share = batch.share[batch.valid & batch.voiced]
    mean = torch.cat([mel.mean(0), share.mean(0), torch.zeros(2)])
    deviation = torch.cat([mel.std(0), share.std(0).clamp(min=0.1), torch.tensor([0.1, 1.0])])
    return config, mean, deviation


def build(config: RunConfig) -> AcousticTask:
    """Model and data of one run."""
    torch.manual_seed(config.loop.seed)
    train, dev = (VoiceCache(config.voices, split) for split in ("train", "dev"))
    preset = replace(ACOUSTIC_PRESETS[config.preset], contrast=config.contrast)
    sizes, mean, deviation = voice_constants(train, preset)
    model = AcousticModel(sizes)
    model.mean.copy_(mean)
    model.deviation.copy_(deviation)
    sampler = BatchSampler(
        train.lengths, config.batch_frames, config.loop.seed, share=training_loop.process_share()
    )
    numbers = range(min(config.held_out_items, len(dev)))
    held_out = [make_batch([dev[i] for i in numbers[start : start + 8]], sizes) for start in numbers[::8]]
    record = {
        "method": "acoustic model, absolute error",
        "voices": sorted({item.speaker for item in dev}),
        "hours": round(train.hours, 2),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
    trainer = AcousticTrainer(model)
    return AcousticTask(trainer, VoiceBatches(train, sizes, sampler), held_out, config, record)


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    run_recipe(RunConfig, build, __doc__ or "", argv)


if __name__ == "__main__":
    main()
