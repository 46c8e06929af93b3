"""The table of settings: runs what is not done, means and intervals over the seeds."""

import pytest

from recipes import normalizer_table
from recipes.loop import options
from recipes.normalizer_table import TableConfig, interval, run_config
from speech_core.checkpoint import read_json
from speech_core.errors import ConfigError


@pytest.mark.slow
def test_the_table_runs_what_is_not_done(labelled_text, tmp_path, monkeypatch):
    argv = ["--data", str(labelled_text), "--out", str(tmp_path), "--settings", "none:1", "--seeds", "0", "1"]
    normalizer_table.main([*argv, "--max-steps", "3"])
    found = read_json(tmp_path / "table.json")["none:1"]
    assert found["google_tn_samples"]["seeds"] == 2
    assert 0 <= found["google_tn_said"]["mean"] <= found["google_tn_weighed"]["mean"] <= 100
    assert any(name.startswith("class_") for name in found)

    def fail(config):
        raise AssertionError("a finished run was repeated")

    monkeypatch.setattr(normalizer_table, "train", fail)
    normalizer_table.main([*argv, "--max-steps", "3"])


def test_settings_are_checked_and_become_options(tmp_path):
    config = options.parse(TableConfig, "", ["--data", "d", "--out", str(tmp_path)])
    assert run_config(config, "llama:8", 1).right_context == 8
    assert not run_config(config, "none:48", 1).llama
    with pytest.raises(ConfigError, match="none:3"):
        run_config(config, "all", 0)


def test_intervals_are_students():
    found = interval([0.9, 0.92, 0.94])
    assert found["mean"] == 92
    assert found["high"] - found["mean"] == pytest.approx(4.97, abs=0.02)
    assert interval([0.9])["low"] is None
