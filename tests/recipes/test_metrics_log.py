"""Every line is JSON, and a run that goes on forgets what it will record again."""

import json
import math

from recipes.loop.metrics_log import MetricsLog, finite, mean_of_numbers


def test_lines_are_json_and_later_steps_are_forgotten(tmp_path):
    log = MetricsLog(tmp_path, 0)
    for step in (1, 2, 3):
        log.record("train", step, 0.25 * step, {"loss": 1.0 / step, "not_measured": math.nan})
    log.close()
    with (tmp_path / "metrics.jsonl").open("a") as out:
        out.write('{"kind": "train", "st')  # cut short
    MetricsLog(tmp_path, 2).close()
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == [
        {"kind": "train", "step": 1, "train_s": 0.2, "loss": 1.0},
        {"kind": "train", "step": 2, "train_s": 0.5, "loss": 0.5},
    ]


def test_means_leave_out_what_was_not_measured():
    assert mean_of_numbers([1.0, math.nan, 3.0]) == 2.0
    assert math.isnan(mean_of_numbers([math.nan]))
    assert finite({"a": 1.0, "b": math.nan, "c": math.inf}) == {"a": 1.0}
