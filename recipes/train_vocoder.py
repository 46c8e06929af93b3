"""Train the vocoder's network on the sound of the voice's teacher (recipes.prepare_voice).

    python -m recipes.train_vocoder --voices DATA/voice --run-dir RUNS/vocoder --max-steps 1000 \
        --learning-rate 0.001 --warmup-steps 20 --decay-steps 800 --precision fp32

On a CPU, for a look: `--preset tiny --max-steps 5`. The teacher speaks each item again, as it did for the
cache. The loss is the absolute difference of log power in mel bands at several resolutions, so that noise
is compared by its level, not by its samples; without steps the vocoder corrects nothing and speaks already.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from recipes import training_loop
from recipes.data.batching import BatchSampler
from recipes.data.voice_cache import VoiceCache, VoiceItem
from recipes.data.voice_teacher import VoiceTeacher
from recipes.loop.options import option
from recipes.loop.recipe import run_recipe
from recipes.training_loop import LoopConfig, Metrics
from speech_core.checkpoint import save_component
from speech_synthesis.config import VOCODER_PRESETS, FrameConfig
from speech_synthesis.mel import averaging
from speech_synthesis.vocoder import Vocoder

WINDOWS = (300, 600, 1200)  # samples
_BANDS = 40
_FLOOR = 1e-5  # of windowed power, far below what is heard


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    loop: LoopConfig
    voices: tuple[Path, ...] = option((), "voice caches of recipes.prepare_voice")
    preset: str = option("small", "sizes of the network", VOCODER_PRESETS)
    crop_frames: int = option(120, "frames of each piece of sound")
    batch_items: int = option(4, "pieces of one batch")
    held_out_items: int = option(8, "held-out items that are evaluated")


class Clip(NamedTuple):
    """Frames (frames, num_channels + 1) and the teacher's sound (frames * hop,)."""

    frames: Tensor
    sound: Tensor


def band_distance(sound: Tensor, wanted: Tensor, config: FrameConfig) -> Tensor:
    """Mean absolute difference of log power in mel bands over WINDOWS, in decibels."""
    total = sound.new_zeros(())
    for window in WINDOWS:
        bands = averaging(_BANDS, _with_bins(config, window))
        levels = [_levels(audio, window, bands) for audio in (sound, wanted)]
        total = total + (levels[0] - levels[1]).abs().mean()
    distance: Tensor = total / len(WINDOWS) * (10 / float(np.log(10)))
    return distance


def _with_bins(config: FrameConfig, window: int) -> FrameConfig:
    return FrameConfig(config.sample_rate, config.hop_samples, window // 2 + 1)


def _levels(audio: Tensor, window: int, bands: Tensor) -> Tensor:
    spectrum = torch.stft(
        audio, window, window // 4, window=torch.hann_window(window), return_complex=True, center=True
    )
    levels: Tensor = (spectrum.abs().square().T @ bands + _FLOOR).log()
    return levels


class VocoderTrainer(nn.Module):
    """The vocoder as the loop calls it: clips to (loss, metrics)."""

    def __init__(self, vocoder: Vocoder) -> None:
        super().__init__()
        self.model = vocoder

    def forward(self, batch: list[Clip]) -> tuple[Tensor, Metrics]:
        """Distance in decibels, averaged over the clips."""
        config = self.model.config.frames
        terms = [band_distance(self.model(clip.frames), clip.sound, config) for clip in batch]
        loss = torch.stack(terms).mean()
        return loss, {"decibels": float(loss.detach())}


class ClipBatches:
    """An endless, resumable stream of pieces of what the teacher said."""

    def __init__(self, cache: VoiceCache, teacher: VoiceTeacher, config: RunConfig) -> None:
        self._cache, self._teacher, self._config = cache, teacher, config
        self.sampler = BatchSampler(np.ones(len(cache), np.int64), config.batch_items, config.loop.seed)

    def __iter__(self) -> Iterator[list[Clip]]:
        for indices in self.sampler:
            rng = np.random.default_rng([self._config.loop.seed, self.sampler.epoch, self.sampler.position])
            yield [self._clip(self._cache[int(index)], rng) for index in indices]

    def _clip(self, item: VoiceItem, rng: np.random.Generator) -> Clip:
        whole = clip_of(item, self._teacher)
        size = self._config.crop_frames
        start = int(rng.integers(max(1, len(whole.frames) - size + 1)))
        hop = self._teacher.config.hop_samples
        return Clip(whole.frames[start : start + size], whole.sound[start * hop : (start + size) * hop])

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands."""
        return self.sampler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.sampler.load_state_dict(state)


def clip_of(item: VoiceItem, teacher: VoiceTeacher) -> Clip:
    """An item of the cache with the sound its teacher made for it."""
    output = teacher.run(item.extra["phonemes"], item.extra["pace"])
    hop = teacher.config.hop_samples
    first = item.extra["first_frame"] * hop
    sound = torch.from_numpy(teacher.wave(output, item.extra["seed"]))[first:][: len(item.frames) * hop]
    pitch = torch.from_numpy(np.array(item.f0_hz))[:, None]
    return Clip(torch.cat([torch.from_numpy(np.asarray(item.frames, np.float32)), pitch], 1), sound)


@dataclass
class VocoderTask:
    """What the loop trains."""

    model: VocoderTrainer
    batches: ClipBatches
    held_out: list[Clip]
    config: RunConfig
    record: dict[str, Any]

    def audio_seconds(self, batch: list[Clip]) -> float:
        """Seconds of speech in a batch."""
        return sum(len(clip.frames) for clip in batch) / self.model.model.config.frames.frame_rate_hz

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Weight decay for matrices only."""
        return training_loop.plain_groups(self.model, self.config.loop.weight_decay)

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> Metrics:
        """Distance on held-out items."""
        loss, _ = model(self.held_out)
        return {"held_out_decibels": float(loss)}

    def export(self, model: nn.Module, folder: Path, training: dict[str, Any]) -> None:
        """The component `vocoder`."""
        assert isinstance(model, VocoderTrainer)
        save_component(folder / "vocoder", model.model, model.model.config, {**training, **self.record})


def build(config: RunConfig) -> VocoderTask:
    """Model and data of one run."""
    torch.manual_seed(config.loop.seed)
    teacher = VoiceTeacher()
    train, dev = (VoiceCache(config.voices, split) for split in ("train", "dev"))
    vocoder = Vocoder(VOCODER_PRESETS[config.preset])
    held_out = [clip_of(dev[index], teacher) for index in range(min(config.held_out_items, len(dev)))]
    with torch.no_grad():
        start, _ = VocoderTrainer(vocoder)(held_out)
    record = {
        "method": "vocoder, log power in mel bands at several resolutions",
        "hours": round(train.hours, 2),
        "decibels_without_training": round(float(start), 3),
        "parameters": sum(parameter.numel() for parameter in vocoder.parameters()),
    }
    return VocoderTask(VocoderTrainer(vocoder), ClipBatches(train, teacher, config), held_out, config, record)


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    run_recipe(RunConfig, build, __doc__ or "", argv)


if __name__ == "__main__":
    main()
