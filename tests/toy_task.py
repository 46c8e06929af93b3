"""The smallest task of the training loop: a line with dropout fitted to numbers made on the spot.

    python -m tests.toy_task RUN_DIR PAUSE_S DROPOUT [--shard] [--stop-at STEP]   # in one process, or more

A pause before every batch gives time to interrupt it; of several processes the first waits least.
`--shard` spreads the weights over the processes.
"""

import math
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from recipes.training_loop import LoopConfig, plain_groups, process_share, run
from speech_core.checkpoint import save_component


@dataclass(frozen=True)
class NoConfig:
    pass


@dataclass
class Numbers:
    """Endless batches, each a function of its number."""

    items: int = 8
    position: int = 0
    interrupt_at: int = -1  # sends SIGTERM to this process before that batch
    poison_at: int = -1
    pause_s: float = 0.0  # before every batch
    share: tuple[int, int] = (0, 1)  # process, processes

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            if self.position == self.interrupt_at:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.01)
            time.sleep(self.pause_s)
            self.position += 1
            process, processes = self.share
            yield self.batch((self.position - 1) * processes + process)

    def batch(self, number: int) -> tuple[Tensor, Tensor]:
        x = torch.randn(self.items, 4, generator=torch.Generator().manual_seed(number))
        y = x @ torch.tensor([1.0, -2.0, 0.5, 3.0]) + 1
        return (x * math.inf if number == self.poison_at else x), y

    def state_dict(self) -> dict[str, Any]:
        return {"position": self.position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.position = state["position"]


class Line(nn.Module):
    """A line with dropout, so that the state of the random generator counts."""

    def __init__(self, dropout: float = 0.2) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(4, 1)
        self.unused = nn.Parameter(torch.ones(2))
        self.dropout = nn.Dropout(dropout)

    def forward(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, dict[str, float]]:
        x, y = batch
        error = self.dropout(self.linear(x)[:, 0] - y)
        return error.float().square().mean(), {"error": float(error.detach().abs().mean()), "none": math.nan}


@dataclass
class Toy:
    model: Line = field(default_factory=Line)
    batches: Numbers = field(default_factory=Numbers)
    scale: float = 1.0
    exported: list[int] = field(default_factory=list)

    def audio_seconds(self, batch: tuple[Tensor, Tensor]) -> float:
        return 2.0 * len(batch[0])

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        return [{**group, "scale": self.scale} for group in plain_groups(self.model, 0.01)]

    @torch.no_grad()
    def evaluate(self, model: nn.Module) -> dict[str, float]:
        assert not model.training
        loss, _ = model(self.batches.batch(10_000))
        return {"held_out_loss": float(loss), "not_measured": math.nan}

    def export(self, model: nn.Module, folder: Path, training: dict[str, Any]) -> None:
        self.exported.append(training["step"])
        save_component(folder, model, NoConfig(), training)


def loop_config(folder: Path, **changes: Any) -> LoopConfig:
    values: dict[str, Any] = {
        "run_dir": folder, "max_steps": 12, "learning_rate": 0.3, "warmup_steps": 3, "decay_steps": 4,
        "precision": "fp32", "log_every_steps": 1, "evaluate_every_steps": 5, "average_decay": 0.9,
    }  # fmt: skip
    return LoopConfig(**(values | changes))


def shard_on_cpu() -> None:
    """Have accelerate shard weights as it does on GPUs; by itself it offers that on a CPU only half-way."""
    from accelerate import Accelerator, FullyShardedDataParallelPlugin
    from accelerate.state import AcceleratorState, PartialState
    from accelerate.utils import DistributedType

    Accelerator(cpu=True)
    for state in (PartialState, AcceleratorState):
        state._shared_state["distributed_type"] = DistributedType.FSDP
    plugin = FullyShardedDataParallelPlugin(fsdp_version=2, cpu_ram_efficient_loading=False)
    AcceleratorState._shared_state["fsdp_plugin"] = plugin


def main(folder: str, pause_s: str, dropout: str, *more: str) -> None:
    """Train as the arguments say."""
    share = process_share()
    if "--shard" in more:
        shard_on_cpu()
    stop_at = int(more[more.index("--stop-at") + 1]) - 1 if "--stop-at" in more else -1
    batches = Numbers(pause_s=float(pause_s) * (1 + share[0]), share=share, interrupt_at=stop_at)
    run(Toy(Line(float(dropout)), batches), loop_config(Path(folder), checkpoint_every_s=0.05))


if __name__ == "__main__":
    main(*sys.argv[1:])
