"""What every training recipe does around its loop: options, run directory, record of options, evaluation."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import nn

from recipes import training_loop
from recipes.loop import options
from recipes.loop.command import configure_logging, errors_in_one_line
from recipes.loop.metrics_log import Metrics, mean_of_numbers
from recipes.loop.processes import first_process_first
from recipes.training_loop import LoopConfig, Task
from speech_core.checkpoint import write_json


class RecipeConfig(Protocol):
    """Options of a recipe: those of the loop among them."""

    @property
    def loop(self) -> LoopConfig:
        """Options of the loop."""


Config = TypeVar("Config", bound=RecipeConfig)


def run_recipe(
    config_type: type[Config], build: Callable[[Config], Task], description: str, argv: Sequence[str] | None
) -> Metrics:
    """Parse options, keep them in `run.json` of the run directory, build the task and train it.

    Exits with one line for what the user can mend.
    """
    configure_logging()
    config: Config = options.parse(config_type, description, argv)
    with errors_in_one_line(build):
        write_once(config.loop.run_dir / "run.json", options.to_dict(config))
        return training_loop.run(build(config), config.loop)


def write_once(path: Path, value: Any) -> None:
    """Write JSON from the first process; the others go on when it is there."""
    with first_process_first() as first:
        if first:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, value)


@torch.no_grad()
def held_out_figures(model: nn.Module, batches: Iterable[Any]) -> Metrics:
    """Mean loss and figures over held-out batches, as `held_out_NAME`; NaN is one that was not measured."""
    figures: dict[str, list[float]] = {}
    for batch in batches:
        loss, metrics = model(batch)
        for name, value in {"loss": float(loss.detach()), **metrics}.items():
            figures.setdefault(f"held_out_{name}", []).append(value)
    return {name: mean_of_numbers(values) for name, values in figures.items()}
