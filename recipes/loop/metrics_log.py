"""The figures of a run: `metrics.jsonl`, one object a line, and TensorBoard curves beside it."""

import contextlib
import json
import math
from pathlib import Path

Metrics = dict[str, float]


class MetricsLog:
    """Writes figures of steps; what an interrupted run recorded after `step` is dropped first."""

    def __init__(self, run_dir: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.path = run_dir / "metrics.jsonl"
        _forget_after(self.path, step)
        self.board = SummaryWriter(str(run_dir), purge_step=step)

    def record(self, kind: str, step: int, train_s: float, metrics: Metrics) -> None:
        """Append one line, and a point to each curve."""
        metrics = finite(metrics)
        line = {"kind": kind, "step": step, "train_s": round(train_s, 1), **metrics}
        with self.path.open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
        for name, value in metrics.items():
            self.board.add_scalar(f"{kind}/{name}", value, step)

    def close(self) -> None:
        """Write out the curves."""
        self.board.close()


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


def finite(metrics: Metrics) -> Metrics:
    """The figures JSON can hold; NaN stands for one that was not measured."""
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def mean_of_numbers(values: list[float]) -> float:
    """Mean over the values that are not NaN; NaN when none is."""
    numbers = [value for value in values if not math.isnan(value)]
    return sum(numbers) / len(numbers) if numbers else math.nan
