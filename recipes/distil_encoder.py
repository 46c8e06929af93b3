"""Train a Conformer to tell of the sound what each layer of Whisper's encoder tells of it, text or no text.

    python -m recipes.distil_encoder --whisper MODEL_DIR --encoder RUNS/best-rq/export/speech_encoder \
        --caches DATA/real-en DATA/real-fr --held-out DATA/dev-* --run-dir RUNS/distilled --max-steps 3000

From layers at even distances a linear map, used here alone, foresees the teacher's stream before its first
and behind each of its layers, at the teacher's rate halved. The sizes of the two need not agree. It resumes.
The next stage is `recipes.finetune_speech --encoder RUNS/distilled/export/speech_encoder`.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from recipes import training_loop
from recipes.data.augment import SpecAugmentConfig, spec_augment, warp_bands
from recipes.data.features_cache import FeatureCache
from recipes.data.statistics import feature_statistics
from recipes.data.whisper_layers import WhisperLayers
from recipes.data.whisper_states import STATE_FRAMES, quiet_level, whisper_features
from recipes.finetune_speech import random_chunking
from recipes.options import option
from recipes.recipe import held_out_figures, run_recipe
from recipes.speech_batches import SpeechBatch, SpeechBatches
from recipes.stages import stages_of
from recipes.training_loop import LoopConfig, Metrics
from speech_core.checkpoint import load_config, load_weights, save_component
from speech_core.errors import ConfigError
from speech_core.masks import length_mask
from speech_encoder.config import ENCODER_PRESETS, EncoderConfig
from speech_encoder.conformer import SpeechEncoder

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
    encoder: Path | None = option(None, "folder of a pre-trained encoder to start from")
    preset: str = option("small", "sizes without one", choices=ENCODER_PRESETS)
    batch_frames: int = option(6_000, "frames of one batch, padding included (100 a second)")
    min_frames: int = option(100, "shorter items are left out")
    max_item_frames: int = option(1_600, "longer items are left out")
    warp: float = option(0.1, "shift of frequencies, up to this share, in what both hear")
    spec_augment_size: float = option(0.3, "widths of the masks the teacher does not see over the usual ones")
    chunk_share: float = option(0.3, "share of batches encoded in random blocks, for live use")


class DistilModel(nn.Module):
    """The encoder, maps from its layers to the teacher's streams, and how far they are from these."""

    means: Tensor
    deviations: Tensor

    def __init__(self, encoder: SpeechEncoder, teacher: WhisperLayers, config: RunConfig) -> None:
        super().__init__()
        self.encoder, self.config = encoder, config
        self._teacher = [teacher]  # no part of the weights
        streams, width = 1 + len(teacher.layers), teacher.positions.shape[1]
        self.maps = nn.ModuleList(nn.Linear(encoder.config.d_model, width) for _ in range(streams))
        self.register_buffer("means", torch.zeros(streams, width))
        self.register_buffer("deviations", torch.ones(streams, width))

    def forward(self, batch: SpeechBatch) -> tuple[Tensor, Metrics]:
        """Mean squared error over streams, 1 for what knows their means alone, and that of each stream."""
        generator = torch.Generator().manual_seed(batch.seed)
        if self.training:
            warped = warp_bands(batch.features, self.config.warp, self.encoder.config.features, generator)
            batch = replace(batch, features=warped)
        wanted = self.wanted(batch)
        features = self.encoder.normalise(batch.features.to(self.means.device))
        lengths = batch.lengths.to(self.means.device)
        chunking = None
        if self.training:
            masks = SpecAugmentConfig.of_size(self.config.spec_augment_size)
            features = spec_augment(features, lengths, masks, generator)
            chunking = random_chunking(self.config.chunk_share, 2, generator)
        outputs = list(self.encoder.layer_outputs(features, lengths, chunking))
        valid = _valid(lengths, wanted[0])
        losses = [
            (head(outputs[layer])[valid].float() - target[valid]).square().mean()
            for head, layer, target in zip(self.maps, self.measured_layers(), wanted, strict=True)
        ]
        figures = {f"stream_{number}": float(loss.detach()) for number, loss in enumerate(losses)}
        return torch.stack(losses).mean(), figures

    def measured_layers(self) -> list[int]:
        """The layer, from 1, that each of the teacher's streams is foreseen from."""
        count = len(self.maps)
        return [-(-self.encoder.config.num_layers * number // count) for number in range(1, count + 1)]

    def wanted(self, batch: SpeechBatch) -> list[Tensor]:
        """The teacher's streams for a batch, mean 0 and deviation 1: (batch, encodings, width) each."""
        streams = [functional.layer_norm(x, x.shape[-1:]) for x in self._teacher_streams(batch)]
        return [(x - m) / d for x, m, d in zip(streams, self.means, self.deviations, strict=True)]

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
    def measure(self, batches: list[SpeechBatch]) -> None:
        """Keep mean and deviation of the teacher's streams, each state normalised."""
        found = [self._teacher_streams(batch) for batch in batches]
        masks = [_valid(batch.lengths, streams[0]) for batch, streams in zip(batches, found, strict=True)]
        for number in range(len(self.means)):
            values = torch.cat([streams[number][mask] for streams, mask in zip(found, masks, strict=True)])
            normal = functional.layer_norm(values, values.shape[-1:])
            self.means[number] = normal.mean(0)
            self.deviations[number] = normal.std(0).clamp(min=0.05)


def _valid(lengths: Tensor, stream: Tensor) -> Tensor:
    return length_mask(-(-lengths // STATE_FRAMES), stream.shape[1])


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
        """As `plain_groups`."""
        return training_loop.plain_groups(self.model, self.config.loop.weight_decay)

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> Metrics:
        """Error of every stream on held-out items."""
        return held_out_figures(model, self.held_out)

    def export(self, model: nn.Module, folder: Path, training: dict[str, Any]) -> None:
        """The encoder; its record says what came before."""
        encoder = cast(DistilModel, model).encoder
        method = f"layer by layer from Whisper {self.config.whisper.name}"
        record = {**training, "method": method, "sources": self.sources}
        if self.config.encoder:
            record["earlier"] = stages_of(self.config.encoder)
        save_component(folder / "speech_encoder", encoder, encoder.config, record)


def build(config: RunConfig) -> DistilTask:
    """Model and data of one run."""
    cache = FeatureCache(config.caches)
    torch.manual_seed(config.loop.seed)
    encoder = _encoder(config, cache)
    if encoder.config.stack != STATE_FRAMES:
        raise ConfigError(f"stack is {encoder.config.stack}: the teacher's streams need {STATE_FRAMES}")
    batches = SpeechBatches(
        *(cache, config.batch_frames, config.loop.seed, config.min_frames, _item_weights(config, cache)),
        share=training_loop.process_share(),
    )
    model = DistilModel(encoder, WhisperLayers(config.whisper), config)
    model.measure(SpeechBatches.fixed(cache, config.batch_frames, _some(cache, config)))
    held_out = [batch for path in config.held_out for batch in _held_out(path, config)]
    return DistilTask(model, batches, held_out, config, cache.sources())


def _encoder(config: RunConfig, cache: FeatureCache) -> SpeechEncoder:
    if config.encoder:
        encoder = SpeechEncoder(load_config(config.encoder, EncoderConfig))
        load_weights(config.encoder, encoder)
        return encoder
    encoder = SpeechEncoder(ENCODER_PRESETS[config.preset])
    encoder.feature_mean, encoder.feature_std = feature_statistics(cache)
    return encoder


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
