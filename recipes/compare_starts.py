"""BEST-RQ against a start from nothing: fine-tuning from both on shares of the labels, as curves.

    python -m recipes.compare_starts --llama CACHE/default-llama --caches DATA/real-en \
        --encoder RUNS/best-rq/export/speech_encoder --held-out DATA/dev-librispeech \
        --label-hours 1 10 0 --seeds 0 1 --steps 1000 --extra-steps 800 --out RUNS/starts \
        --more "--encoder-preset mini --adapter-preset mini --dictionary cmudict.dict.gz"

Both starts take the same steps on the same batches with the same model, so equal steps are equal time, on a
busy machine too; with `--extra-steps` the starts from nothing, when all pairs are made, go on for the time
that pre-training took. Each run is one of recipes.finetune_speech (`--more` hands options on); what is
complete is not made again. Writes starts.tsv, starts.md and starts.png. On a CPU, for a look: `--steps 20
--label-hours 0 --seeds 0 --more "--encoder-preset tiny --adapter-preset tiny"`.
"""

import csv
import json
import logging
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

from recipes.loop.command import run_command
from recipes.loop.options import option
from speech_core.checkpoint import read_json
from speech_core.errors import InputError

logger = logging.getLogger(__name__)

SCRATCH, PRETRAINED = "scratch", "best-rq"
FIGURES = {
    "held_out_ctc_loss": "held-out CTC loss per token",
    "held_out_phone_loss": "held-out CTC loss per phone",  # this and the next with a dictionary
    "phone_error_rate": "phone error rate, %",
    "wer": "word error rate, %",
}
Point = dict[str, Any]  # one evaluation
COLOURS = {SCRATCH: "tab:orange", PRETRAINED: "tab:blue"}


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    llama: Path = option(Path(), "folder of the frozen Llama")
    encoder: Path = option(Path(), "folder of the pre-trained encoder")
    caches: tuple[Path, ...] = option((), "feature caches to learn from")
    held_out: tuple[Path, ...] = option((), "feature caches to measure on")
    out: Path = option(Path(), "folder of the runs and of the result")
    label_hours: tuple[float, ...] = option((1.0, 10.0, 0.0), "hours of labelled speech; 0 = all")
    seeds: tuple[int, ...] = option((0, 1), "seeds")
    steps: int = option(1000, "optimizer steps of each run")
    extra_steps: int = option(0, "more steps for the start from nothing: what pre-training took")
    evaluations: int = option(5, "points of each curve")
    learning_rate: float = option(4e-4, "learning rate, constant after a warm-up of a tenth of the steps")
    more: str = option("", "further options of recipes.finetune_speech, in one string")


@dataclass(frozen=True)
class Run:
    """One cell of the comparison."""

    start: str
    label_hours: float
    seed: int

    @property
    def name(self) -> str:
        """Name of its folder."""
        hours = f"{self.label_hours:g}h" if self.label_hours else "all"
        return f"{hours}-seed{self.seed}-{self.start}"


def planned_runs(config: RunConfig) -> list[Run]:
    """Pairs of starts, first seed first, so that a comparison cut short still has whole pairs."""
    return [
        Run(start, hours, seed)
        for seed in config.seeds
        for hours in config.label_hours
        for start in (SCRATCH, PRETRAINED)
    ]


def planned_legs(config: RunConfig) -> list[tuple[Run, int]]:
    """Runs and the steps to take each to: all pairs, then the starts from nothing some way further."""
    runs = planned_runs(config)
    legs = [(run, config.steps) for run in runs]
    if config.extra_steps:
        legs += [(run, config.steps + config.extra_steps) for run in runs if run.start == SCRATCH]
    return legs


def arguments(run: Run, steps: int, config: RunConfig) -> list[str]:
    """Options of recipes.finetune_speech for one run up to a step."""
    paths = ["--llama", config.llama, "--caches", *config.caches, "--held-out", *config.held_out]
    loop = ["--run-dir", config.out / run.name, "--max-steps", steps, "--seed", run.seed]
    rate = ["--learning-rate", config.learning_rate, "--warmup-steps", max(config.steps // 10, 1)]
    points = ["--evaluate-every-steps", max(config.steps // config.evaluations, 1), "--average-decay", 0.99]
    labels = ["--label-hours", run.label_hours]
    start = ["--encoder", config.encoder] if run.start == PRETRAINED else []
    return [*map(str, [*paths, *loop, *rate, *points, *labels, *start]), *shlex.split(config.more)]


def is_complete(run: Run, steps: int, config: RunConfig) -> bool:
    """Whether it was evaluated at that step."""
    return any(line["step"] == steps for line in evaluations(config.out / run.name))


def evaluations(folder: Path) -> Iterator[Point]:
    """The lines of metrics.jsonl that hold held-out figures, in order."""
    path = folder / "metrics.jsonl"
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            found = json.loads(line)
            if found["kind"] == "evaluation":
                yield found


def write_report(config: RunConfig) -> None:
    """Table of every point, table of what counts, and curves, from the runs that are complete."""
    done = {
        run: list(evaluations(config.out / run.name))
        for run in planned_runs(config)
        if is_complete(run, config.steps, config)
    }
    names = [name for name in FIGURES if all(name in point for points in done.values() for point in points)]
    with (config.out / "starts.tsv").open("w", encoding="utf-8", newline="") as out:
        table = csv.writer(out, delimiter="\t")
        table.writerow(["label_hours", "seed", "start", "step", "train_s", *names])
        for run, points in done.items():
            for point in points:
                values = [round(point[name], 3) for name in names]
                table.writerow(
                    [run.label_hours or "all", run.seed, run.start, point["step"], point["train_s"], *values]
                )
    (config.out / "starts.md").write_text(_summary(done, names, config), encoding="utf-8")
    if done:
        _draw(done, names, config)


def _summary(done: dict[Run, list[Point]], names: list[str], config: RunConfig) -> str:
    """Markdown: both starts after equal steps, and after equal time with that of pre-training counted."""
    more = [f"{SCRATCH}, {config.extra_steps} steps more"] if config.extra_steps else []
    titles = ["labels, h", "seeds", f"after {config.steps} steps", SCRATCH, PRETRAINED, *more]
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for hours in config.label_hours:
        seeds = [
            seed for seed in config.seeds if all(Run(s, hours, seed) in done for s in (SCRATCH, PRETRAINED))
        ]
        for name in names if seeds else []:
            columns = [(SCRATCH, config.steps), (PRETRAINED, config.steps)]
            columns += [(SCRATCH, config.steps + config.extra_steps)] if more else []
            cells = [
                _cell([done[Run(start, hours, seed)] for seed in seeds], step, name)
                for start, step in columns
            ]
            label = f"{hours:g}" if hours else "all"
            lines.append(f"| {' | '.join([label, str(len(seeds)), FIGURES[name], *cells])} |")
    record = read_json(config.encoder / "training.json")
    cost = f"{record['train_hours']:.2f} h for {record['audio_hours']:.1f} h of audio"
    return "\n".join([*lines, "", f"The pre-training before took {cost}."]) + "\n"


def _cell(runs: list[list[Point]], step: int, name: str) -> str:
    """A figure at one step: mean over the runs that came so far, and what it is the mean of."""
    values = [float(point[name]) for points in runs for point in points if point["step"] == step]
    each = f" ({', '.join(f'{value:.2f}' for value in values)})" if len(values) > 1 else ""
    return f"{mean(values):.2f}{each}" if values else "-"


def _step_s(done: dict[Run, list[Point]]) -> float:
    """Seconds of one step, middle of the runs; times are kept to a tenth, so none is less than half of it."""
    return float(median(max(points[-1]["train_s"], 0.05) / points[-1]["step"] for points in done.values()))


def _draw(done: dict[Run, list[Point]], names: list[str], config: RunConfig) -> None:
    """Curves over steps: a column for each share of the labels, a row for each figure.

    Dashed: the pre-trained start with the time of its pre-training before it.
    """
    from matplotlib.figure import Figure

    head_start = read_json(config.encoder / "training.json")["train_hours"] * 3600 / _step_s(done)
    columns = len(config.label_hours)
    figure = Figure(figsize=(4 * columns, 2.6 * len(names)), layout="constrained")
    axes = figure.subplots(len(names), columns, squeeze=False, sharex=True, sharey="row")
    for column, hours in enumerate(config.label_hours):
        axes[0, column].set_title(f"{hours:g} h of labels" if hours else "all labels")
        for row, name in enumerate(names):
            axes[row, 0].set_ylabel(FIGURES[name])
            for run in (run for run in done if run.label_hours == hours):
                steps, values = zip(*((point["step"], point[name]) for point in done[run]), strict=True)
                axes[row, column].plot(steps, values, color=COLOURS[run.start], label=run.start)
                if run.start == PRETRAINED:
                    later = [step + head_start for step in steps]
                    label = f"{PRETRAINED}, pre-training counted"
                    axes[row, column].plot(later, values, "--", color=COLOURS[run.start], label=label)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    axes[0, 0].legend(once.values(), once.keys())
    figure.supxlabel("optimizer steps")
    figure.savefig(config.out / "starts.png", dpi=100)


def compare(config: RunConfig) -> None:
    """Make the runs that are missing, in order, and write the report after each."""
    if not (config.encoder / "config.json").exists():
        raise InputError(f"{config.encoder} holds no encoder: give the export of recipes.pretrain_encoder")
    config.out.mkdir(parents=True, exist_ok=True)
    for run, steps in planned_legs(config):
        if not is_complete(run, steps, config):
            logger.info("run %s", run.name)
            options_of_run = arguments(run, steps, config)
            subprocess.run([sys.executable, "-m", "recipes.finetune_speech", *options_of_run], check=True)
        write_report(config)


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    run_command(RunConfig, compare, __doc__ or "", argv)


if __name__ == "__main__":
    main()
