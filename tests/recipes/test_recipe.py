"""Around the loop: options become a run directory with a record, and errors one line."""

import math
from dataclasses import dataclass
from pathlib import Path

import pytest

from recipes.loop.options import option
from recipes.loop.recipe import held_out_figures, run_recipe
from recipes.training_loop import LoopConfig
from speech_core.checkpoint import read_json
from speech_core.errors import ConfigError
from tests.toy_task import Line, Numbers, Toy

pytestmark = pytest.mark.usefixtures("fresh_accelerator")


@dataclass(frozen=True)
class ToyConfig:
    loop: LoopConfig
    items: int = option(8, "items of a batch")


def build(config: ToyConfig) -> Toy:
    if config.items < 1:
        raise ConfigError(f"items is {config.items}, must be positive")
    return Toy(batches=Numbers(items=config.items))


def arguments(folder: Path, *more: str) -> list[str]:
    steps = ["--max-steps", "3", "--learning-rate", "0.1", "--decay-steps", "0", "--precision", "fp32"]
    return ["--run-dir", str(folder / "run"), *steps, *more]


def test_a_recipe_trains_and_keeps_its_options(tmp_path):
    metrics = run_recipe(ToyConfig, build, "A toy.", arguments(tmp_path, "--items", "5"))
    assert set(metrics) >= {"held_out_loss"}
    kept = read_json(tmp_path / "run" / "run.json")
    assert (kept["items"], kept["loop"]["max_steps"]) == (5, 3)
    assert read_json(tmp_path / "run" / "checkpoint" / "loop.json")["step"] == 3


def test_what_the_user_can_mend_is_one_line(tmp_path):
    with pytest.raises(SystemExit, match=r"^test_recipe: items is 0, must be positive$"):
        run_recipe(ToyConfig, build, "A toy.", arguments(tmp_path, "--items", "0"))


def test_held_out_figures_are_means_of_what_was_measured():
    model = Line(dropout=0.0).eval()
    batches = [Numbers().batch(number) for number in range(2)]
    figures = held_out_figures(model, batches)
    losses = [float(model(batch)[0].detach()) for batch in batches]
    assert figures["held_out_loss"] == pytest.approx(sum(losses) / 2)
    assert set(figures) == {"held_out_loss", "held_out_error", "held_out_none"}
    assert math.isnan(figures["held_out_none"])
