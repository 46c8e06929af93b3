"""The paper's table of the text normalizer: taggers without and with the Llama, at several right contexts.

    python -m recipes.normalizer_table --data TEXT_TN --states STATES --out RUNS/normalizer-table \
        [--seeds 0 1 2] [--settings none:3 none:48 llama:3 llama:0 llama:1 llama:8]

A setting is `none` or `llama` and the right context in TN tokens; 48 is the whole sentence. Runs that are
done are not repeated. Writes table.json, mean over the seeds and 95 % interval: of the held-out samples with
a choice in them, by set, the share said as their reference by the tagger alone (said), with the rules' own
scores weighed in (weighed), and with every choice as labelled (samples); choices by class (class). Source:
arXiv 2407.21783, table 34, with 73.6 (no Llama, 3), 88.0 (no Llama, both directions), 90.7 (Llama, 3).
"""

import json
import logging
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipes.loop import options
from recipes.loop.options import option
from recipes.train_normalizer import RunConfig, train
from recipes.training_loop import LoopConfig
from speech_core.checkpoint import read_json, write_json
from speech_core.errors import ConfigError

logger = logging.getLogger(__name__)

STUDENT = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78}  # two-sided 95 % quantile of t by number of seeds


SHARES = ("_said", "_weighed", "_samples")


@dataclass(frozen=True)
class TableConfig:
    """Options of this recipe."""

    data: Path = option(Path(), "folder of recipes.prepare_text")
    states: Path | None = option(None, "folder of recipes.normalizer_states")
    out: Path = option(Path(), "folder of the runs and of table.json")
    settings: tuple[str, ...] = option(
        ("none:3", "llama:3", "none:48", "llama:0", "llama:1", "llama:8"), "none or llama : right context"
    )
    seeds: tuple[int, ...] = option((0, 1, 2), "of the weights and of the order of samples")
    max_steps: int = option(900, "of each run")
    samples: int = option(22_000, "training samples of each run")


def run_config(config: TableConfig, setting: str, seed: int) -> RunConfig:
    """Options of one run. Raises ConfigError for a setting that is none."""
    kind, _, context = setting.partition(":")
    if kind not in ("none", "llama") or not context.isdecimal():
        raise ConfigError(f"setting is {setting!r}: write none:3, llama:8 and the like")
    loop = LoopConfig(
        run_dir=config.out / f"{kind}-{context}-{seed}",
        max_steps=config.max_steps,
        learning_rate=3e-3,
        warmup_steps=min(50, config.max_steps),
        decay_steps=config.max_steps * 2 // 3,
        precision="fp32",
        average_decay=0.99,
        evaluate_every_steps=config.max_steps,
        seed=seed,
    )
    return RunConfig(
        loop=loop,
        data=config.data,
        states=config.states,
        llama=kind == "llama",
        only_with_states=config.states is not None,
        right_context=int(context),
        samples=config.samples,
        batch_size=48,
        drop_states=0.1 if kind == "llama" else 0.0,
        dropout=0.25,
    )


def finished(config: RunConfig) -> dict[str, float] | None:
    """The last figures of a run that is done."""
    path = config.loop.run_dir / "metrics.jsonl"
    if not path.exists():
        return None
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    done = [one for one in lines if one["kind"] == "evaluation" and one["step"] == config.loop.max_steps]
    return done[-1] if done else None


def interval(values: Sequence[float]) -> dict[str, Any]:
    """Mean of the seeds with its 95 % interval by Student's t, in percent."""
    mean = statistics.fmean(values)
    known = len(values) > 1
    half = STUDENT.get(len(values), 2.0) * statistics.stdev(values) / math.sqrt(len(values)) if known else 0
    return {
        "mean": round(100 * mean, 2),
        "low": round(100 * (mean - half), 2) if known else None,
        "high": round(100 * (mean + half), 2) if known else None,
        "seeds": len(values),
    }


def table(config: TableConfig) -> dict[str, Any]:
    """Figures of the runs that are done, by setting."""
    found: dict[str, Any] = {}
    for setting in config.settings:
        runs = [done for seed in config.seeds if (done := finished(run_config(config, setting, seed)))]
        names = [n for n in runs[0] if n.endswith(SHARES) or n.startswith("class_")] if runs else []
        found[setting] = {n: interval([run[n] for run in runs]) for n in names if not n.startswith("n_")}
    return found


def main(argv: list[str] | None = None) -> None:
    """Run what is not done and write the table."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    config = options.parse(TableConfig, __doc__ or "", argv)
    config.out.mkdir(parents=True, exist_ok=True)
    for seed in config.seeds:
        for setting in config.settings:
            one = run_config(config, setting, seed)
            if finished(one) is None:
                logger.info("%s, seed %d", setting, seed)
                train(one)
            write_json(config.out / "table.json", table(config))
    for setting, figures in read_json(config.out / "table.json").items():
        logger.info("%s: %s", setting, {n: v["mean"] for n, v in figures.items() if n.endswith(SHARES)})


if __name__ == "__main__":
    main()
