"""BEST-RQ against a start from nothing: fine-tuning from both on shares of the labels, as curves.

    python -m recipes.compare_starts --llama CACHE/default-llama --caches DATA/real-en \
        --encoder RUNS/best-rq/export/speech_encoder --held-out DATA/dev-librispeech \
        --label-hours 1 10 0 --seeds 0 1 --steps 1000 --out RUNS/starts --more "--teacher-weight 5"

Both starts take the same steps on the same batches with the same model, so equal steps are equal time,
on a busy machine too; what pre-training cost stands beside them. Each run is one of
recipes.finetune_speech (`--more` hands options on); one that is complete is not made again. Writes
starts.tsv, starts.md and starts.png. On a CPU, for a look: `--steps 20 --label-hours 0 --seeds 0
--more "--encoder-preset tiny --adapter-preset tiny"`.
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
from statistics import mean
from typing import Any

from recipes import options
from recipes.data.parallel import configure_logging
from recipes.options import option
from speech_core.checkpoint import read_json
from speech_core.errors import InputError

logger = logging.getLogger(__name__)

SCRATCH, PRETRAINED = "scratch", "best-rq"
FIGURES = {"held_out_ctc_loss": "held-out CTC loss per token", "wer": "word error rate, %"}


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


def arguments(run: Run, config: RunConfig) -> list[str]:
    """Options of recipes.finetune_speech for one run."""
    paths = ["--llama", config.llama, "--caches", *config.caches, "--held-out", *config.held_out]
    loop = ["--run-dir", config.out / run.name, "--max-steps", config.steps, "--seed", run.seed]
    rate = ["--learning-rate", config.learning_rate, "--warmup-steps", max(config.steps // 10, 1)]
    points = ["--evaluate-every-steps", max(config.steps // config.evaluations, 1), "--average-decay", 0.99]
    labels = ["--label-hours", run.label_hours]
    start = ["--encoder", config.encoder] if run.start == PRETRAINED else []
    return [*map(str, [*paths, *loop, *rate, *points, *labels, *start]), *shlex.split(config.more)]


def is_complete(run: Run, config: RunConfig) -> bool:
    """Whether it was evaluated at its last step."""
    return any(line["step"] == config.steps for line in evaluations(config.out / run.name))


def evaluations(folder: Path) -> Iterator[dict[str, Any]]:
    """The lines of metrics.jsonl that hold held-out figures, in order."""
    path = folder / "metrics.jsonl"
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            found = json.loads(line)
            if found["kind"] == "evaluation":
                yield found


def write_report(config: RunConfig) -> None:
    """Table of every point, table of the last ones, and curves, from the runs that are complete."""
    done = [run for run in planned_runs(config) if is_complete(run, config)]
    with (config.out / "starts.tsv").open("w", encoding="utf-8", newline="") as out:
        table = csv.writer(out, delimiter="\t")
        table.writerow(["label_hours", "seed", "start", "step", "train_s", *FIGURES])
        for run in done:
            for point in evaluations(config.out / run.name):
                values = [round(point[name], 3) for name in FIGURES]
                table.writerow(
                    [run.label_hours or "all", run.seed, run.start, point["step"], point["train_s"], *values]
                )
    (config.out / "starts.md").write_text(_summary(done, config), encoding="utf-8")
    _draw(done, config)


def _summary(done: list[Run], config: RunConfig) -> str:
    """Markdown: the last point of both starts, mean over the seeds, and what pre-training cost."""
    lines = [
        f"| labels, h | seeds | {' | '.join(f'{f}: {SCRATCH} / {PRETRAINED}' for f in FIGURES.values())} |"
    ]
    lines.append("|---|---|" + "---|" * len(FIGURES))
    for hours in config.label_hours:
        seeds = [
            seed for seed in config.seeds if all(Run(s, hours, seed) in done for s in (SCRATCH, PRETRAINED))
        ]
        if seeds:
            cells = [_pair(name, hours, seeds, config) for name in FIGURES]
            lines.append(f"| {f'{hours:g}' if hours else 'all'} | {len(seeds)} | {' | '.join(cells)} |")
    record = read_json(config.encoder / "training.json")
    lines.append("")
    lines.append(
        f"{config.steps} steps each; the pre-training before took {record['train_hours']:.2f} h for "
        f"{record['audio_hours']:.1f} h of audio."
    )
    return "\n".join(lines) + "\n"


def _pair(figure: str, hours: float, seeds: list[int], config: RunConfig) -> str:
    both = []
    for start in (SCRATCH, PRETRAINED):
        last = [list(evaluations(config.out / Run(start, hours, seed).name))[-1] for seed in seeds]
        both.append(f"{mean(point[figure] for point in last):.2f}")
    return " / ".join(both)


def _draw(done: list[Run], config: RunConfig) -> None:
    """Curves over steps: a column for each share of the labels, a row for each figure."""
    from matplotlib.figure import Figure

    columns = len(config.label_hours)
    figure = Figure(figsize=(4 * columns, 3 * len(FIGURES)), layout="constrained")
    axes = figure.subplots(len(FIGURES), columns, squeeze=False, sharex=True)
    for column, hours in enumerate(config.label_hours):
        axes[0, column].set_title(f"{hours:g} h of labels" if hours else "all labels")
        for row, (name, title) in enumerate(FIGURES.items()):
            axes[row, column].set_ylabel(title)
            for run in done:
                if run.label_hours == hours:
                    points = [(p["step"], p[name]) for p in evaluations(config.out / run.name)]
                    colour = "tab:blue" if run.start == PRETRAINED else "tab:orange"
                    axes[row, column].plot(*zip(*points, strict=True), color=colour, label=run.start)
    if done:
        axes[0, 0].legend()
    figure.supxlabel("optimizer steps")
    figure.savefig(config.out / "starts.png", dpi=100)


def compare(config: RunConfig) -> None:
    """Make the runs that are missing, in order, and write the report after each."""
    if not (config.encoder / "config.json").exists():
        raise InputError(f"{config.encoder} holds no encoder: give the export of recipes.pretrain_encoder")
    config.out.mkdir(parents=True, exist_ok=True)
    for run in planned_runs(config):
        if not is_complete(run, config):
            logger.info("run %s", run.name)
            subprocess.run(
                [sys.executable, "-m", "recipes.finetune_speech", *arguments(run, config)], check=True
            )
        write_report(config)


def main(argv: list[str] | None = None) -> None:
    """Run the recipe from the command line."""
    configure_logging()
    compare(options.parse(RunConfig, __doc__ or "", argv))


if __name__ == "__main__":
    main()
