"""The only training loop: optimizer, schedule, accumulation, checkpoints, resuming, metrics.

A task gives batches and losses; the loop does the rest, on one CPU, one GPU, or many (through `accelerate`).
A run directory holds `checkpoint/` (the last state, complete or absent), `export/` (weights last evaluated),
`metrics.jsonl` and TensorBoard events.
Starting the same command again goes on from the last checkpoint; SIGTERM and Ctrl-C write one first.
"""

import contextlib
import json
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

from speech_core.checkpoint import read_json, write_json
from speech_core.errors import ConfigError

logger = logging.getLogger(__name__)

Metrics = dict[str, float]


@dataclass(frozen=True)
class LoopConfig:
    """Everything the loop itself needs to know; recipes add their own options."""

    run_dir: Path
    max_steps: int
    learning_rate: float
    warmup_steps: int = 500
    decay_steps: int = 0  # the rate falls linearly to zero over the last steps; constant before
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    clip_norm: float = 5.0
    accumulate: int = 1  # batches of one optimizer step
    precision: str = "auto"  # fp32, bf16, or auto: the faster of both, measured at the start
    average_decay: float = 0.999  # of the exponential weight average that is evaluated and exported; 0 = none
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
        if self.learning_rate <= 0 or not 0 <= self.average_decay < 1:
            raise ConfigError("need learning_rate > 0 and 0 <= average_decay < 1")

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0: warm-up, constant, linear decay."""
        warm = min(1.0, (step + 1) / max(self.warmup_steps, 1))
        left = (self.max_steps - step) / self.decay_steps if self.decay_steps else 1.0
        return self.learning_rate * min(warm, left, 1.0)


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
        """Figures on held-out data."""

    def export(self, model: nn.Module, folder: Path, training: dict[str, Any]) -> None:
        """Write the components, ready to be used or trained further."""


def plain_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups: weight decay for matrices, none for vectors and scalars."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": weight_decay, "scale": 1.0},
        {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0, "scale": 1.0},
    ]


class WeightAverage:
    """Exponential average of the trained parameters; young averages forget faster."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the parameters after optimizer step `step`."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, parameter in model.named_parameters():
            if name in self.values:
                self.values[name].lerp_(parameter.detach(), 1 - decay)

    @torch.no_grad()
    def swap(self, model: nn.Module) -> None:
        """Exchange averaged and current values; a second call puts them back."""
        for name, parameter in model.named_parameters():
            if name in self.values:
                current = parameter.detach().clone()
                parameter.copy_(self.values[name])
                self.values[name] = current


class TrainingLoop:
    """One run of a task; `run` returns the last evaluation."""

    def __init__(self, task: Task, config: LoopConfig) -> None:
        from accelerate import Accelerator, DistributedDataParallelKwargs
        from torch.utils.tensorboard import SummaryWriter

        torch.manual_seed(config.seed)
        self.task, self.config = task, config
        self.precision = choose_precision(self._wanted_precision(), task.model)
        self.accelerator = Accelerator(
            mixed_precision="bf16" if self.precision == "bf16" else "no",
            # A step may leave weights out: codebooks not drawn, boundary embeddings in the CTC stage.
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
        )
        groups = task.parameter_groups(config.learning_rate)
        optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True)
        self.model, self.optimizer = self.accelerator.prepare(task.model, optimizer)
        self.average = WeightAverage(self._plain(), config.average_decay) if config.average_decay else None
        self.step, self.audio_s, self.train_s = 0, 0.0, 0.0
        config.run_dir.mkdir(parents=True, exist_ok=True)
        self._resume()
        main = self.accelerator.is_main_process
        self.board = SummaryWriter(str(config.run_dir), purge_step=self.step) if main else None
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
        if self.board:
            self.board.close()
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
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        total |= {"gradient_norm": float(norm), "learning_rate": rate}
        if torch.isfinite(torch.as_tensor(norm)):
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
        self._record("train", metrics)

    def _evaluate(self) -> Metrics:
        """Evaluate and export the averaged weights."""
        model = self._plain()
        model.eval()
        if self.average:
            self.average.swap(model)
        metrics = {}
        try:
            if self.accelerator.is_main_process:
                metrics = self.task.evaluate(model)
                self._record("evaluation", metrics)
                logger.info("step %d: %s", self.step, ", ".join(f"{k} {v:.4f}" for k, v in metrics.items()))
                self.task.export(model, self.config.run_dir / "export", self._training_record(metrics))
        finally:
            if self.average:
                self.average.swap(model)
        self.accelerator.wait_for_everyone()
        return metrics

    def _training_record(self, metrics: Metrics) -> dict[str, Any]:
        return {
            "step": self.step,
            "audio_hours": round(self.audio_s / 3600, 3),
            "train_hours": round(self.train_s / 3600, 3),
            "precision": self.precision,
            "seed": self.config.seed,
            "metrics": finite(metrics),
        }

    def _record(self, kind: str, metrics: Metrics) -> None:
        if self.board is None:
            return
        metrics = finite(metrics)
        line = {"kind": kind, "step": self.step, "train_s": round(self.train_s, 1), **metrics}
        with (self.config.run_dir / "metrics.jsonl").open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
        for name, value in metrics.items():
            self.board.add_scalar(f"{kind}/{name}", value, self.step)

    def _checkpoint(self) -> None:
        """Write the whole state beside the last one, then exchange them."""
        target, partial = self.config.run_dir / "checkpoint", self.config.run_dir / "checkpoint.partial"
        self.accelerator.save_state(str(partial))
        self.accelerator.wait_for_everyone()  # each process writes a file
        if self.accelerator.is_main_process:
            if self.average:
                torch.save(self.average.values, partial / "average.pt")
            position = {"step": self.step, "audio_s": self.audio_s, "train_s": self.train_s}
            batches = self.task.batches.state_dict()
            write_json(partial / "loop.json", {**position, "precision": self.precision, "batches": batches})
            old = self.config.run_dir / "checkpoint.old"
            shutil.rmtree(old, ignore_errors=True)
            if target.exists():
                target.replace(old)
            partial.replace(target)
            shutil.rmtree(old, ignore_errors=True)
        self.accelerator.wait_for_everyone()

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
        self.accelerator.load_state(str(folder))
        position = read_json(folder / "loop.json")
        self.step, self.audio_s, self.train_s = position["step"], position["audio_s"], position["train_s"]
        self.task.batches.load_state_dict(position["batches"])
        if self.average:
            self.average.values = torch.load(folder / "average.pt", weights_only=True)
        if self.accelerator.is_main_process:
            _forget_after(self.config.run_dir / "metrics.jsonl", self.step)
        logger.info("resuming at step %d after %.2f h of audio", self.step, self.audio_s / 3600)


def finite(metrics: Metrics) -> Metrics:
    """The figures JSON can hold; NaN stands for one that was not measured."""
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def _forget_after(path: Path, step: int) -> None:
    """Drop the lines of steps that were lost with an interrupted run, and one cut short."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(ValueError):
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
    partial = path.with_name(path.name + ".partial")
    partial.write_text("".join(kept), encoding="utf-8")
    partial.replace(path)


def choose_precision(wanted: str, model: nn.Module) -> str:
    """fp32 or bf16; `auto` times a matrix product in both on the model's device and takes the faster."""
    if wanted != "auto":
        return wanted
    device = next(model.parameters()).device
    seconds = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        left, right = (torch.randn(1024, 1024, device=device).to(dtype) for _ in range(2))
        times = []
        for _ in range(8):
            start = time.perf_counter()
            float((left @ right).sum())
            times.append(time.perf_counter() - start)
        seconds[name] = min(times)
    faster = min(seconds, key=lambda name: seconds[name])
    logger.info(
        "precision %s (matrix product: %s)", faster, {k: f"{v * 1e3:.1f} ms" for k, v in seconds.items()}
    )
    return faster


def run(task: Task, config: LoopConfig) -> Metrics:
    """Train a task; see TrainingLoop."""
    return TrainingLoop(task, config).run()


def mean_of_numbers(values: list[float]) -> float:
    """Mean over the values that are not NaN; NaN when none is."""
    numbers = [value for value in values if not math.isnan(value)]
    return sum(numbers) / len(numbers) if numbers else math.nan


def process_share() -> tuple[int, int]:
    """Number of this process and how many there are, as `accelerate` started them."""
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    state = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))  # as Accelerator reads it later
    return int(state.process_index), int(state.num_processes)
