"""Average the weights of speech models that went on from the same one: often better than each of them.

    python -m recipes.average_models --models BUNDLE RUNS/one/export RUNS/other/export \
        --shares 0.5 0.25 0.25 --llama CACHE/default-llama --out RUNS/average

Each is a folder with `speech_encoder` and `speech_adapter`: an export of a run, or a bundle. Weights of runs
that began apart have nothing in common, and their average hears nothing. Source: "Model soups", arXiv
2203.05482.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recipes.loop.command import run_command
from recipes.loop.options import option
from recipes.loop.stages import stages_of
from speech_adapter.model import SpeechModel, load_speech_model, save_speech_model
from speech_core.errors import ConfigError


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    models: tuple[Path, ...] = option((), "folders with speech_encoder and speech_adapter")
    shares: tuple[float, ...] = option((), "share of each in the average (default: equal)")
    llama: Path = option(Path(), "folder of their Llama")
    out: Path = option(Path(), "folder to write")

    def __post_init__(self) -> None:
        if len(self.models) < 2:
            raise ConfigError("give two models or more: one is its own average")
        if self.shares and (len(self.shares) != len(self.models) or abs(sum(self.shares) - 1) > 1e-6):
            raise ConfigError("need one share for each model, 1 in all")


def averaged(models: Sequence[SpeechModel], shares: Sequence[float]) -> SpeechModel:
    """The first of the models with averaged weights. Raises ConfigError if their sizes or classes differ."""
    states = [model.state_dict() for model in models]
    for state in states[1:]:
        if {name: value.shape for name, value in state.items()} != {
            name: value.shape for name, value in states[0].items()
        }:
            raise ConfigError("the models have different sizes: average only those of one lineage")
    models[0].load_state_dict({name: _mean([s[name] for s in states], shares) for name in states[0]})
    return models[0]


def _mean(values: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    if values[0].is_floating_point():
        sums = sum(share * value.double() for share, value in zip(shares, values, strict=True))
        return torch.as_tensor(sums).to(values[0].dtype)
    if any(not torch.equal(value, values[0]) for value in values):
        raise ConfigError("the models know different classes: average only those of one lineage")
    return values[0]


def record(models: Sequence[Path], shares: Sequence[float]) -> dict[str, Any]:
    """What is said of the average: its shares, and every stage behind any of the models once."""
    stages: list[dict[str, Any]] = []
    for folder in models:
        stages += [stage for stage in stages_of(folder / "speech_adapter") if stage not in stages]
    named = ", ".join(f"{share:g}" for share in shares)
    return {"method": f"average of {len(models)} models ({named})", "earlier": stages}


def average(config: RunConfig) -> None:
    """Read the models, average them, write the result."""
    shares = config.shares or (1 / len(config.models),) * len(config.models)
    models = [load_speech_model(folder, config.llama) for folder in config.models]
    save_speech_model(config.out, averaged(models, shares).eval(), record(config.models, shares))


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    run_command(RunConfig, average, __doc__ or "", argv)


if __name__ == "__main__":
    main()
