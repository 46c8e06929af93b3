"""A recipe as a command: options reach the work, errors become one line, scores a file."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from recipes.loop.command import run_command, run_scoring
from recipes.loop.options import option
from speech_core.errors import ConfigError
from speech_core.json_files import read_json


@dataclass(frozen=True)
class Counting:
    items: int = option(8, "how many")
    out: Path | None = option(None, "file for the scores")


def count(config: Counting) -> int:
    if config.items < 1:
        raise ConfigError(f"items is {config.items}, must be positive")
    return config.items


def test_what_was_done_is_returned():
    assert run_command(Counting, count, "Counts.", ["--items", "3"]) == 3


def test_what_the_user_can_mend_is_one_line():
    with pytest.raises(SystemExit, match=r"^test_command: items is 0, must be positive$"):
        run_command(Counting, count, "Counts.", ["--items", "0"])


def test_scores_are_printed_and_kept(tmp_path, capsys):
    def score(config, show):
        show(f"{count(config)} items")
        return [{"value": config.items}]

    run_scoring(Counting, score, "Scores.", ["--items", "2", "--out", str(tmp_path / "scores.json")])
    assert capsys.readouterr().out == "2 items\n"
    assert read_json(tmp_path / "scores.json") == [{"value": 2}]
    run_scoring(Counting, score, "Scores.", [])
    with pytest.raises(SystemExit, match=r"^test_command: items is 0"):
        run_scoring(Counting, score, "Scores.", ["--items", "0"])
