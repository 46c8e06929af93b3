"""Two runs item by item."""

import json

import numpy as np
import pytest

from llama_speech.evaluation.compare import compare_runs, paired_bootstrap, read_run, to_markdown
from llama_speech.evaluation.scores import BootstrapConfig
from speech_core.errors import InputError

CONFIG = BootstrapConfig(resamples=500)


def run_of(errors, name="ours", task="asr", set_name="clips"):
    """A run of evaluate asr: errors of items of ten words."""
    items = [
        {
            "id": f"i{number}",
            "reference": f"reference {number}",
            "hypotheses": {name: f"text with {wrong} errors"},
            "counts": {name: {"wer/whisper-en": [wrong, 0, 0, 10]}},
        }
        for number, wrong in enumerate(errors)
    ]
    return {"task": task, "sets": [{"name": set_name, "systems": [{"name": name}], "items": items}]}


def test_gains_are_counted_and_their_chance_is_told():
    before, after = run_of([5, 5, 5, 5, 5, 5]), run_of([3, 3, 3, 2, 3, 6])
    found = compare_runs(before, after, (None, None), CONFIG)[0]
    assert (found.items, found.better, found.worse) == (6, 5, 1)
    assert found.delta == pytest.approx(10 / 60)
    assert found.low > 0
    assert found.p_value < 0.05
    assert found.changes[0].id == "i3"
    report = to_markdown([found])
    assert "| clips | ours | ours |" in report
    assert "- i5 (-0.500 -> -0.600): **reference 5**" in report


def test_equal_runs_differ_by_nothing():
    found = compare_runs(run_of([1, 2, 3]), run_of([1, 2, 3]), (None, None), CONFIG)[0]
    assert (found.better, found.worse, found.delta, found.p_value, found.changes) == (0, 0, 0.0, 1.0, [])


def test_items_of_one_run_only_are_counted():
    found = compare_runs(run_of([1, 2, 3]), run_of([1, 2]), (None, None), CONFIG)[0]
    assert (found.items, found.only_before, found.only_after) == (2, 1, 0)


def test_paired_bootstrap_of_noise_is_not_significant():
    gains = np.random.default_rng(1).normal(0, 1, 200)
    delta, low, high, p_value = paired_bootstrap(gains, CONFIG)
    assert low < delta < high
    assert low < 0 < high
    assert p_value > 0.05


def test_runs_that_cannot_be_compared_are_refused(tmp_path):
    one = run_of([1])
    with pytest.raises(InputError, match="the first is a run of asr, the second of dialogue"):
        compare_runs(one, run_of([1], task="dialogue"), (None, None), CONFIG)
    with pytest.raises(InputError, match="share no set"):
        compare_runs(one, run_of([1], set_name="other"), (None, None), CONFIG)
    with pytest.raises(InputError, match="clips has no system theirs: it has ours"):
        compare_runs(one, one, ("theirs", None), CONFIG)
    changed = run_of([1])
    changed["sets"][0]["items"][0]["reference"] = "another"
    with pytest.raises(InputError, match="the reference of i0 differs"):
        compare_runs(one, changed, (None, None), CONFIG)
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(InputError, match="is not the result of evaluate"):
        read_run(tmp_path / "a.json")
    (tmp_path / "b.json").write_text(json.dumps(one))
    assert read_run(tmp_path / "b.json") == one
