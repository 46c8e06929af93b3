"""Command lines from dataclasses: every field an option, in either spelling; wrong ones end with 2."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from recipes.loop.options import option, parse, to_dict
from speech_core.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    run_dir: Path
    max_steps: int
    rate: float = 0.1
    betas: tuple[float, float] = (0.9, 0.98)

    def __post_init__(self) -> None:
        if self.max_steps < 1:
            raise ConfigError(f"max_steps is {self.max_steps}, at least 1 is needed")


@dataclass(frozen=True)
class Options:
    inner: Inner
    caches: tuple[Path, ...] = option((), "where 100 % of the data is")
    start: Path | None = option(None, "folder to start from")
    size: str = option("small", "sizes", choices=("tiny", "small"))
    compile_it: bool = option(False, "compile")
    names: tuple[str, ...] = field(default_factory=lambda: ("a",))


REQUIRED = ["--run-dir", "runs/a", "--max-steps", "3"]


def test_defaults_stand_where_nothing_is_said():
    assert parse(Options, "doc", REQUIRED) == Options(Inner(Path("runs/a"), 3))


@pytest.mark.parametrize("style", ["hyphens", "underscores", "equals"])
def test_every_field_is_an_option_in_either_spelling(style):
    if style == "equals":
        arguments = ["--run_dir=runs/under_score", "--max-steps=3"]
    elif style == "underscores":
        arguments = ["--run_dir", "runs/under_score", "--max_steps", "3"]
    else:
        arguments = ["--run-dir", "runs/under_score", "--max-steps", "3"]
    more = ["--caches", "a_b", "c", "--start", "s", "--size", "tiny", "--compile-it", "--betas", "0.5", "0.6"]
    options = parse(Options, "doc", arguments + more)
    expected = Options(
        Inner(Path("runs/under_score"), 3, betas=(0.5, 0.6)),
        (Path("a_b"), Path("c")),
        Path("s"),
        "tiny",
        True,
    )
    assert options == expected


def test_a_switch_can_be_turned_off():
    assert parse(Options, "doc", [*REQUIRED, "--compile-it", "--no-compile-it"]).compile_it is False


def test_the_command_line_is_read_where_no_arguments_are_given(monkeypatch):
    monkeypatch.setattr("sys.argv", ["program", *REQUIRED, "--rate", "2"])
    assert parse(Options, "doc").inner.rate == 2.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--max-steps", "3"], "--run-dir"),
        ([*REQUIRED, "--depth", "3"], "--depth"),
        ([*REQUIRED, "--rate", "fast"], "fast"),
        ([*REQUIRED, "--size", "huge"], "huge"),
        ([*REQUIRED, "--betas", "0.5"], "--betas"),
        (["--run-dir", "a", "--max-steps", "0"], "max_steps is 0"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what(arguments, words, capsys):
    with pytest.raises(SystemExit) as caught:
        parse(Options, "doc", arguments)
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert words in printed.err.splitlines()[-1]


def test_help_shows_description_texts_and_defaults(capsys):
    with pytest.raises(SystemExit) as caught:
        parse(Options, "How to run it:\n    python -m x", ["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for words in ("How to run it:\n    python -m x", "100 % of the data", "{tiny,small}", "(default: 0.1)"):
        assert words in text
    assert "MISSING" not in text


def test_options_become_plain_json_values():
    options = Options(Inner(Path("a"), 3), caches=(Path("b"), Path("c")))
    assert to_dict(options) == {
        "inner": {"run_dir": "a", "max_steps": 3, "rate": 0.1, "betas": [0.9, 0.98]},
        "caches": ["b", "c"],
        "start": None,
        "size": "small",
        "compile_it": False,
        "names": ["a"],
    }
