"""Train a Conformer to make of the sound what each layer of Whisper's encoder makes of it, text or no text.

    python -m recipes.distil_encoder --whisper MODEL_DIR --caches DATA/real-en DATA/real-fr \
        --held-out DATA/dev-* --run-dir RUNS/distilled --max-steps 3000

The encoder begins with Whisper's own layers (recipes/inherited_layers.py) behind new ones, which learn what
Whisper's convolutions do; `--front-steps` these are trained alone. Each layer is measured against the
teacher's stream behind it, at the teacher's rate halved. It resumes. The next stage is
`recipes.finetune_speech --encoder RUNS/distilled/export/speech_encoder`.
"""

from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from recipes import training_loop
from recipes.batches.speech_batches import SpeechBatch, SpeechBatches
from recipes.data.augment import SpecAugmentConfig, spec_augment
from recipes.data.features_cache import FeatureCache
from recipes.data.statistics import feature_statistics
from recipes.data.whisper_layers import WhisperLayers
from recipes.data.whisper_states import STATE_FRAMES, quiet_level, whisper_features
from recipes.finetune_speech import random_chunking
from recipes.inherited_layers import inherit_layers
from recipes.loop.options import option
from recipes.loop.recipe import held_out_figures, run_recipe
from recipes.training_loop import LoopConfig, Metrics
from speech_core.checkpoint import save_component
from speech_core.errors import ConfigError
from speech_core.masks import length_mask
from speech_encoder.config import ENCODER_PRESETS
from speech_encoder.conformer import ConformerLayer, SpeechEncoder

MEASURED_ITEMS = 100  # for mean and deviation of each stream


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    loop: LoopConfig
    whisper: Path = option(Path(), "folder of a Whisper model for faster-whisper, float16")
    caches: tuple[Path, ...] = option((), "feature caches to learn from, with or without text")
    weights: tuple[float, ...] = option((), "how often items of each cache come in an epoch (default: once)")
    held_out: tuple[Path, ...] = option((), "feature caches to measure the loss on")
    held_out_items: int = option(30, "items of each held-out cache to measure on")
    preset: str = option(
        "small", "sizes; width, feed-forward and heads as Whisper's", choices=ENCODER_PRESETS
    )
    front_steps: int = option(300, "first steps, which train the layers before Whisper's alone")
    inherit: bool = option(True, "begin with Whisper's layers; without, with new ones")
    inherited_rate: float = option(0.3, "learning rate of Whisper's own layers over that of the rest")
    batch_frames: int = option(6_000, "frames of one batch, padding included (100 a second)")
    min_frames: int = option(100, "shorter items are left out")
    max_item_frames: int = option(1_600, "longer items are left out")
    spec_augment_size: float = option(0.3, "widths of the masks the teacher does not see over the usual ones")
    chunk_share: float = option(0.3, "share of batches encoded in random blocks, for live use")


class DistilModel(nn.Module):
    """The encoder, and how far its streams are from the teacher's."""

    means: Tensor
    deviations: Tensor
    steps: Tensor

    def __init__(self, encoder: SpeechEncoder, teacher: WhisperLayers, config: RunConfig) -> None:
        super().__init__()
        self.encoder, self.config = encoder, config
        self._teacher = [teacher]  # no part of the weights
        streams = 1 + len(teacher.layers)
        self.register_buffer("means", torch.zeros(streams, encoder.config.d_model))
        self.register_buffer("deviations", torch.ones(streams, encoder.config.d_model))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, batch: SpeechBatch) -> tuple[Tensor, Metrics]:
        """Mean squared error over streams, 1 for what knows their means alone, and that of each stream."""
        generator = torch.Generator().manual_seed(batch.seed)
        wanted = self.wanted(batch)
        features = self.encoder.normalise(batch.features)
        chunking = None
        if self.training:
            self.steps += 1
            masks = SpecAugmentConfig.of_size(self.config.spec_augment_size)
            features = spec_augment(features, batch.lengths, masks, generator)
            chunking = random_chunking(self.config.chunk_share, 2, generator)
        front_alone = self.training and int(self.steps) <= self.config.front_steps
        outputs = self.encoder.layer_outputs(features, batch.lengths, chunking)
        new = len(self.encoder.layers) + 1 - len(wanted)  # layers before the inherited ones
        streams = islice(outputs, new, new + 1 if front_alone else None)
        valid = _valid(batch, wanted[0])
        losses = [
            ((stream.float() - target)[valid] / deviation).square().mean()
            for stream, target, deviation in zip(streams, wanted, self.deviations, strict=False)
        ]
        figures = {f"stream_{number}": float(loss.detach()) for number, loss in enumerate(losses)}
        return torch.stack(losses).mean(), figures

    def wanted(self, batch: SpeechBatch) -> list[Tensor]:
        """The teacher's streams for a batch, each state normalised: (batch, encodings, d_model)."""
        return [functional.layer_norm(x, x.shape[-1:]) for x in self._teacher_streams(batch)]

    def _teacher_streams(self, batch: SpeechBatch) -> list[Tensor]:
        config = self.encoder.config.features
        states = -(-batch.features.shape[1] // STATE_FRAMES)
        frames = (states + 1) * STATE_FRAMES  # after the longest item comes silence, as after the others
        mels = torch.full((len(batch.items), frames, config.num_mels), quiet_level())
        for row, item, length in zip(mels, batch.features, batch.lengths.tolist(), strict=True):
            row[:length] = torch.from_numpy(whisper_features(item[:length].numpy(), config))
        device = self.means.device
        found = self._teacher[0].to(device).streams(mels.to(device), batch.lengths.to(device))
        return [stream[:, :states] for stream in found]

    @torch.no_grad()
    def measure(self, batches: list[SpeechBatch]) -> list[float]:
        """Keep mean and deviation of the teacher's streams; returns that of an encoding in each stream."""
        found = [self._teacher_streams(batch) for batch in batches]
        masks = [_valid(batch, streams[0]) for batch, streams in zip(batches, found, strict=True)]
        spreads = []
        for number in range(len(self.means)):
            parts = [streams[number][mask] for streams, mask in zip(found, masks, strict=True)]
            values = torch.cat(parts)
            spreads.append(float(values.std(1).mean()))
            normal = functional.layer_norm(values, values.shape[-1:])
            self.means[number] = normal.mean(0)
            self.deviations[number] = normal.std(0).clamp(min=0.05)
        return spreads


def _valid(batch: SpeechBatch, stream: Tensor) -> Tensor:
    return length_mask(-(-batch.lengths // STATE_FRAMES), stream.shape[1])


@dataclass
class DistilTask:
    """What the loop trains."""

    model: DistilModel
    batches: SpeechBatches
    held_out: list[SpeechBatch]
    config: RunConfig
    sources: list[dict[str, Any]] = field(default_factory=list)

    def audio_seconds(self, batch: SpeechBatch) -> float:
        """Seconds of audio in a batch."""
        return float(batch.lengths.sum()) / self.batches.frame_rate_hz

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Whisper's own layers apart, for a rate of their own."""
        layers = self.model.encoder.layers
        inherited = set()
        if self.config.inherit:
            for layer in layers[len(layers) - len(self.model.means) + 1 :]:
                inherited |= set(map(id, _inherited(cast(ConformerLayer, layer))))
        groups = training_loop.plain_groups(self.model.encoder, self.config.loop.weight_decay)
        split = []
        for group in groups:
            own = [p for p in group["params"] if id(p) in inherited]
            split.append({**group, "params": [p for p in group["params"] if id(p) not in inherited]})
            if own:
                split.append({**group, "params": own, "scale": self.config.inherited_rate})
        return split

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> Metrics:
        """Error of every stream on held-out items."""
        return held_out_figures(model, self.held_out)

    def export(self, model: nn.Module, folder: Path, training: dict[str, Any]) -> None:
        """The encoder."""
        encoder = cast(DistilModel, model).encoder
        name = f"distilled from Whisper {self.config.whisper.name}"
        start = ", begun with its layers" if self.config.inherit else ""
        record = {**training, "method": name + start, "sources": self.sources}
        save_component(folder / "speech_encoder", encoder, encoder.config, record)


def _inherited(layer: ConformerLayer) -> list[nn.Parameter]:
    """What `inherit_layers` fills."""
    parts: tuple[nn.Module, ...] = (layer.attention_norm, layer.attention, layer.second)
    return [parameter for part in parts for parameter in part.parameters()]


def build(config: RunConfig) -> DistilTask:
    """Model and data of one run."""
    cache = FeatureCache(config.caches)
    torch.manual_seed(config.loop.seed)
    encoder = SpeechEncoder(ENCODER_PRESETS[config.preset])
    if encoder.config.stack != STATE_FRAMES:
        raise ConfigError(f"stack is {encoder.config.stack}: the teacher's streams need {STATE_FRAMES}")
    encoder.feature_mean, encoder.feature_std = feature_statistics(cache)
    teacher = WhisperLayers(config.whisper)
    batches = SpeechBatches(
        *(cache, config.batch_frames, config.loop.seed, config.min_frames, _item_weights(config, cache)),
        share=training_loop.process_share(),
    )
    model = DistilModel(encoder, teacher, config)
    spreads = model.measure(SpeechBatches.fixed(cache, config.batch_frames, _some(cache, config)))
    if config.inherit:
        inherit_layers(encoder, teacher, spreads[:-1])
    measured = encoder.layers[-len(spreads) :]
    for layer, mean, deviation in zip(
        measured[:1] if config.inherit else measured, model.means, model.deviations, strict=False
    ):
        _begin_at(cast(ConformerLayer, layer), mean, deviation)
    held_out = [batch for path in config.held_out for batch in _held_out(path, config)]
    return DistilTask(model, batches, held_out, config, cache.sources())


@torch.no_grad()
def _begin_at(layer: ConformerLayer, mean: Tensor, deviation: Tensor) -> None:
    """Let a new layer begin where the teacher's stream lies."""
    layer.norm.weight.copy_(deviation)
    layer.norm.bias.copy_(mean)


def _item_weights(config: RunConfig, cache: FeatureCache) -> NDArray[np.float64]:
    of_cache = np.asarray(config.weights or (1.0,) * len(config.caches), dtype=np.float64)
    return of_cache[cache.directory_numbers] * (cache.lengths <= config.max_item_frames)


def _some(cache: FeatureCache, config: RunConfig) -> NDArray[np.float64]:
    """A few items, to measure the teacher on."""
    fit = np.flatnonzero((cache.lengths >= config.min_frames) & (cache.lengths <= config.max_item_frames))
    chosen = np.zeros(len(cache))
    chosen[np.random.default_rng(0).permutation(fit)[:MEASURED_ITEMS]] = 1
    return chosen


def _held_out(path: Path, config: RunConfig) -> list[SpeechBatch]:
    cache = FeatureCache([path])
    chosen = (np.arange(len(cache)) < config.held_out_items).astype(np.float64)
    fit = (cache.lengths >= config.min_frames) & (cache.lengths <= config.max_item_frames)
    return SpeechBatches.fixed(cache, config.batch_frames, chosen * fit)


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    run_recipe(RunConfig, build, __doc__ or "", argv)


if __name__ == "__main__":
    main()
