"""The only training loop: optimizer, schedule, accumulation, checkpoints, resuming, metrics.

A task gives batches and losses; the loop does the rest, on one CPU, one GPU, or many (through `accelerate`).
A run directory holds `checkpoint/` (the last state, complete or absent), `export/` (weights last evaluated),
`metrics.jsonl` and TensorBoard events.
Starting the same command again goes on from the last checkpoint; SIGTERM and Ctrl-C write one first.
"""

import logging
import math
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import torch
from torch import nn

from recipes.loop.metrics_log import Metrics, MetricsLog, finite, mean_of_numbers
from recipes.loop.processes import (
    begin_optimizer,
    choose_precision,
    is_sharded,
    process_device,
    process_share,
    whole_copy,
    whole_value,
)
from recipes.loop.weight_average import WeightAverage
from speech_core.checkpoint import read_json, write_json
from speech_core.errors import ConfigError

__all__ = [  # what recipes need, wherever it is defined
    "BatchSource",
    "LoopConfig",
    "Metrics",
    "Task",
    "TrainingLoop",
    "choose_precision",
    "plain_groups",
    "process_device",
    "process_share",
    "run",
]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoopConfig:
    """Everything the loop itself needs to know; recipes add their own options."""

    run_dir: Path
    max_steps: int
    learning_rate: float
    warmup_steps: int = 500
    decay_steps: int = 0  # the rate falls to zero over the last steps; constant before
    cosine: bool = False  # it falls by half a cosine, not by a line
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    clip_norm: float = 5.0
    accumulate: int = 1  # batches of one optimizer step
    precision: str = "auto"  # fp32, bf16, or auto: the faster of both, measured at the start
    average_decay: float = 0.999  # of the exponential weight average that is evaluated and exported; 0 = none
    average_share: float = 0.1  # of the steps so far, over which a young average looks back; 0.5 = all
    checkpoint_every_s: float = 300.0
    evaluate_every_steps: int = 500
    log_every_steps: int = 20
    stop_after_s: float = 0.0  # stop, resumable, after so much time; 0 = at max_steps only
    seed: int = 0

    def __post_init__(self) -> None:
        if self.precision not in ("fp32", "bf16", "auto"):
            raise ConfigError(f"precision is {self.precision!r}: use fp32, bf16 or auto")
        if self.max_steps < 1 or self.accumulate < 1 or not 0 <= self.decay_steps <= self.max_steps:
            raise ConfigError("need max_steps >= 1, accumulate >= 1 and 0 <= decay_steps <= max_steps")
        if self.evaluate_every_steps < 1 or self.log_every_steps < 1:
            raise ConfigError("evaluate_every_steps and log_every_steps must be at least 1")
        if self.learning_rate <= 0 or not 0 <= self.average_decay < 1 or not 0 < self.average_share <= 0.5:
            raise ConfigError("need learning_rate > 0, 0 <= average_decay < 1 and 0 < average_share <= 0.5")

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0: warm-up, constant, decay."""
        warm = min(1.0, (step + 1) / max(self.warmup_steps, 1))
        left = min(1.0, (self.max_steps - step) / self.decay_steps) if self.decay_steps else 1.0
        if self.cosine:
            left = (1 - math.cos(math.pi * left)) / 2
        return self.learning_rate * min(warm, left)


class BatchSource(Protocol):
    """An endless, resumable stream of batches."""

    def __iter__(self) -> Iterator[Any]:
        """Batches without end."""

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands, after the last batch that was taken."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""


class Task(Protocol):
    """What a recipe trains."""

    @property
    def model(self) -> nn.Module:
        """All trained parameters; called with a batch it gives (loss, metrics)."""

    @property
    def batches(self) -> BatchSource:
        """What to train on."""

    def audio_seconds(self, batch: Any) -> float:
        """Seconds of audio in a batch, for the record."""

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """Optimizer groups; `scale` multiplies the scheduled rate."""

    def evaluate(self, model: nn.Module) -> Metrics:
        """Figures on held-out data; called in the first process only, `model` may be a copy."""

    def export(self, model: nn.Module, folder: Path, training: dict[str, Any]) -> None:
        """Write the components of `model`, ready to be used or trained further; as `evaluate`."""


def plain_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups: weight decay for matrices, none for vectors and scalars."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": weight_decay, "scale": 1.0},
        {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0, "scale": 1.0},
    ]


class TrainingLoop:
    """One run of a task; `run` returns the last evaluation."""

    def __init__(self, task: Task, config: LoopConfig) -> None:
        from accelerate import Accelerator, DistributedDataParallelKwargs

        torch.manual_seed(config.seed)
        self.task, self.config = task, config
        self.precision = choose_precision(self._wanted_precision(), task.model)
        self.accelerator = Accelerator(
            mixed_precision="bf16" if self.precision == "bf16" else "no",
            # A step may leave weights out: codebooks not drawn, boundary embeddings in the CTC stage.
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
        )
        self.sharded = is_sharded(self.accelerator)
        main = self.accelerator.is_main_process
        self.whole = whole_copy(task.model) if self.sharded and main else None
        groups = task.parameter_groups(config.learning_rate)
        optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True)
        self.model, self.optimizer = self.accelerator.prepare(task.model, optimizer)
        if self.sharded:
            begin_optimizer(self.optimizer.optimizer)
        decay = config.average_decay
        self.average = WeightAverage(self._plain(), decay, config.average_share) if decay else None
        self.step, self.audio_s, self.train_s = 0, 0.0, 0.0
        config.run_dir.mkdir(parents=True, exist_ok=True)
        self._resume()
        self.log = MetricsLog(config.run_dir, self.step) if main else None
        self._stop = False

    def _plain(self) -> nn.Module:
        plain: nn.Module = self.accelerator.unwrap_model(self.model)
        return plain

    def run(self) -> Metrics:
        """Train to the last step, or until stopped; evaluates at the end."""
        previous = [(name, signal.signal(name, self._on_signal)) for name in (signal.SIGTERM, signal.SIGINT)]
        try:
            self._train()
        finally:
            for name, handler in previous:
                signal.signal(name, handler)
        metrics = {} if self._stop else self._evaluate()
        self._checkpoint()
        if self.log:
            self.log.close()
        return metrics

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        logger.warning("stopping after this step (signal %d); the same command goes on from here", number)
        self._stop = True

    def _agreed(self, wish: bool) -> bool:
        """Whether any process wishes it (their clocks and signals differ); all processes must ask."""
        if self.accelerator.num_processes == 1:
            return wish
        wishes = torch.tensor([float(wish)], device=self.accelerator.device)
        return float(self.accelerator.reduce(wishes, reduction="sum")) > 0

    def _train(self) -> None:
        start = saved = time.monotonic()
        source = iter(self.task.batches)
        recent: list[Metrics] = []
        while self.step < self.config.max_steps and not self._stop:
            before = time.monotonic()
            recent.append(self._update(source))
            self.step += 1
            now = time.monotonic()
            self.train_s += now - before
            if self.step % self.config.log_every_steps == 0:
                self._log(recent)
                recent = []
            if self.step % self.config.evaluate_every_steps == 0 and self.step < self.config.max_steps:
                self._evaluate()
            if self._agreed(now - saved > self.config.checkpoint_every_s):
                self._checkpoint()
                saved = time.monotonic()
            late = bool(self.config.stop_after_s) and now - start > self.config.stop_after_s
            self._stop = self._agreed(self._stop or late)

    def _update(self, source: Iterator[Any]) -> Metrics:
        """One optimizer step over `accumulate` batches."""
        rate = self.config.rate(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        self.model.train()
        total: Metrics = {}
        for _ in range(self.config.accumulate):
            batch = next(source)
            self.audio_s += self.task.audio_seconds(batch) * self.accelerator.num_processes
            with self.accelerator.autocast():
                loss, metrics = self.model(batch)
            self.accelerator.backward(loss / self.config.accumulate)
            for name, value in {"loss": float(loss.detach()), **metrics}.items():
                total[name] = total.get(name, 0.0) + value / self.config.accumulate
        norm = whole_value(self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.clip_norm))
        total |= {"gradient_norm": norm, "learning_rate": rate}
        if math.isfinite(norm):
            self.optimizer.step()
        else:
            logger.warning("step %d skipped: the gradient is not finite", self.step)
        self.optimizer.zero_grad()
        if self.average:
            self.average.update(self._plain(), self.step)
        return total

    def _log(self, recent: list[Metrics]) -> None:
        metrics = {name: mean_of_numbers([m[name] for m in recent]) for name in recent[0]}
        metrics["audio_hours"] = self.audio_s / 3600
        metrics["times_real_time"] = self.audio_s / max(self.train_s, 1e-9)
        left_s = self.train_s / self.step * (self.config.max_steps - self.step)
        logger.info(
            "step %d of %d, %.2f h audio, loss %.4f, %.0f times real time, %.0f min left",
            *(self.step, self.config.max_steps, metrics["audio_hours"], metrics["loss"]),
            *(metrics["times_real_time"], left_s / 60),
        )
        if self.log:
            self.log.record("train", self.step, self.train_s, metrics)

    def _evaluate(self) -> Metrics:
        """Evaluate and export the averaged weights, in the first process."""
        plain = self._plain()
        if self.average:
            self.average.swap(plain)
        metrics: Metrics = {}
        try:
            model = self._whole_model()
            if model is not None and self.log is not None:
                metrics = self.task.evaluate(model.eval())
                self.log.record("evaluation", self.step, self.train_s, metrics)
                logger.info("step %d: %s", self.step, ", ".join(f"{k} {v:.4f}" for k, v in metrics.items()))
                self.task.export(model, self.config.run_dir / "export", self._training_record(metrics))
        finally:
            if self.average:
                self.average.swap(plain)
        if self.whole is not None:
            self.whole.cpu()
        self.accelerator.wait_for_everyone()
        return metrics

    def _whole_model(self) -> nn.Module | None:
        """The model with all its current weights, None in processes that have only a part; all must ask."""
        if not self.sharded:
            return self._plain()
        weights = self.accelerator.get_state_dict(self.model)
        if self.whole is None:
            return None
        self.whole.load_state_dict(weights)
        return self.whole.to(self.accelerator.device)

    def _training_record(self, metrics: Metrics) -> dict[str, Any]:
        return {
            "step": self.step,
            "audio_hours": round(self.audio_s / 3600, 3),
            "train_hours": round(self.train_s / 3600, 3),
            "precision": self.precision,
            "seed": self.config.seed,
            "metrics": finite(metrics),
        }

    def _checkpoint(self) -> None:
        """Write the whole state beside the last one, then exchange them."""
        target, partial = self.config.run_dir / "checkpoint", self.config.run_dir / "checkpoint.partial"
        self.accelerator.save_state(str(partial))
        self.accelerator.wait_for_everyone()  # each process writes a file
        if self.average and (self.sharded or self.accelerator.is_main_process):
            torch.save(self.average.values, partial / self._average_name())
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            position = {"step": self.step, "audio_s": self.audio_s, "train_s": self.train_s}
            position["processes"] = self.accelerator.num_processes
            batches = self.task.batches.state_dict()
            write_json(partial / "loop.json", {**position, "precision": self.precision, "batches": batches})
            old = self.config.run_dir / "checkpoint.old"
            shutil.rmtree(old, ignore_errors=True)
            if target.exists():
                target.replace(old)
            partial.replace(target)
            shutil.rmtree(old, ignore_errors=True)
        self.accelerator.wait_for_everyone()

    def _average_name(self) -> str:
        """File of the average: each process has its own where weights are sharded."""
        return f"average-{self.accelerator.process_index}.pt" if self.sharded else "average.pt"

    def _last_checkpoint(self) -> Path | None:
        """Where to go on from; `checkpoint.old` is left when a run ends between the two renames."""
        folders = (self.config.run_dir / name for name in ("checkpoint", "checkpoint.old"))
        return next((folder for folder in folders if folder.exists()), None)

    def _wanted_precision(self) -> str:
        """That of the options; a run goes on in the one it began with."""
        folder = self._last_checkpoint()
        if self.config.precision != "auto" or folder is None:
            return self.config.precision
        return str(read_json(folder / "loop.json").get("precision", "auto"))

    def _resume(self) -> None:
        folder = self._last_checkpoint()
        if folder is None:
            return
        position = read_json(folder / "loop.json")
        processes = position.get("processes", self.accelerator.num_processes)
        if self.sharded and processes != self.accelerator.num_processes:
            raise ConfigError(f"{folder} holds shards of {processes} processes: go on with as many")
        chosen = [(group["scale"], group["weight_decay"]) for group in self.optimizer.param_groups]
        self.accelerator.load_state(str(folder))
        for group, (scale, decay) in zip(self.optimizer.param_groups, chosen, strict=True):
            group["scale"], group["weight_decay"] = scale, decay  # as asked for now, not as stored
        self.step, self.audio_s, self.train_s = position["step"], position["audio_s"], position["train_s"]
        self.task.batches.load_state_dict(position["batches"])
        if self.average:
            self.average.values = torch.load(folder / self._average_name(), weights_only=True)
        logger.info("resuming at step %d after %.2f h of audio", self.step, self.audio_s / 3600)


def run(task: Task, config: LoopConfig) -> Metrics:
    """Train a task; see TrainingLoop."""
    return TrainingLoop(task, config).run()
