"""`llama-speech normalize`: one line out for each line in, JSON with spans, reasons, and no heavy imports."""

import io
import json
import re
import subprocess
import sys

import pytest

from llama_speech.cli.main import main


def run(capsys, *arguments, by=("--rules",)):
    code = main(["normalize", *by, *arguments])
    assert code == 0
    return capsys.readouterr().out


def test_text_on_the_command_line(capsys):
    assert run(capsys, "It cost $5.20 in 1984.") == (
        "It cost five dollars twenty cents in nineteen eighty four.\n"
    )


@pytest.mark.parametrize("text", ["a 5\n\nb 6\n", "a 5\n\nb 6", "\n", ""])
def test_one_line_out_for_each_line_in(capsys, monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    out = run(capsys, "-")
    assert out == {"\n": "\n", "": ""}.get(text, "a five\n\nb six\n")


def test_json_has_tokens_rules_and_spans(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("first\nat 5 km\n"))
    lines = [json.loads(line) for line in run(capsys, "--json").splitlines()]
    assert [line["spoken"] for line in lines] == ["first", "at five kilometers"]
    token = lines[1]["tokens"][-1]
    assert (token["written"], token["rule"], token["start"], token["end"]) == ("5 km", "measure", 3, 7)


def test_explain_shows_rules_and_scores(capsys):
    out = run(capsys, "--explain", "2/3")
    assert "fraction" in out
    assert "date_md" in out


def test_options_change_the_reading(capsys):
    assert run(capsys, "--date-order", "dmy", "1/4/2024") == "the first of April twenty twenty four\n"
    assert run(capsys, "--lookahead", "0", "5") == "five\n"


def test_wrong_options_are_one_line(capsys):
    assert main(["normalize", "--rules", "--lookahead", "99", "x"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    for wrong in (["--rules", "--no-llama"], ["--no-llama", "--llama", "x"]):
        assert main(["normalize", *wrong, "x"]) == 2
        assert capsys.readouterr().err.strip().count("\n") == 0


def test_spanish_is_read_by_rules(capsys):
    assert run(capsys, "--language", "es", "5 km", by=()) == "cinco kil\u00f3metros\n"


@pytest.mark.bundle
def test_the_shipped_tagger_chooses(capsys):
    text = "St. John lives on Oak St. since 1984 and chapter IV."
    said = "saint John lives on Oak street since nineteen eighty four and chapter four.\n"
    assert run(capsys, text, by=("--no-llama",)) == said
    assert run(capsys, text, by=()) == said
    explained = run(capsys, "--explain", "St. John", by=("--no-llama",))
    assert re.search(r"[0-9.]+ % saint", explained)


@pytest.mark.bundle
def test_the_tagger_starts_without_torch():
    code = (
        "import sys; from llama_speech.cli.main import main; main(['normalize', '--no-llama', 'St. John']);"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "saint John\n"


def test_no_model_library_is_loaded():
    code = (
        "import sys; from llama_speech.cli.main import main; main(['normalize', '--rules', '5 km']);"
        "assert not {'torch', 'transformers', 'numpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "five kilometers\n"
