"""`llama-speech evaluate asr`: results on stdout, the rest on stderr, exit codes."""

import json

import pytest

from llama_speech.cli.main import main
from speech_core.audio import write_wav


@pytest.fixture
def data(tmp_path):
    """A set of two English clips and one German."""
    import numpy as np

    folder = tmp_path / "clips"
    folder.mkdir()
    records = []
    for number, (text, language) in enumerate([("Hello world", "en"), ("Good night", "en"), ("Hallo", "de")]):
        write_wav(folder / f"{number}.wav", np.full(1600, 0.01 * (number + 1), dtype=np.float32), 16000)
        records.append({"audio": f"{number}.wav", "text": text, "language": language})
    (folder / "dev.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


@pytest.fixture
def program(tmp_path):
    """A real program that fails on the second clip until a file says otherwise."""
    path = tmp_path / "hearer"
    path.write_text(
        '#!/bin/sh\ncase "$1" in */1.wav) [ -e "$(dirname "$0")/mended" ] || exit 1 ;; esac\n'
        "echo hello world\n"
    )
    path.chmod(0o755)
    return path


def evaluate(data, program, *more):
    cache = program.parent / "cache"
    return main(
        ["evaluate", "asr", "--data", str(data), "--no-model", "--peer", f"command:{program} {{}}",
         "--cache-dir", str(cache), "--resamples", "50", *more]
    )  # fmt: skip


def test_tables_on_stdout_counts_on_stderr_and_failures_in_the_exit_code(data, program, capsys):
    assert evaluate(data, program) == 1
    out, err = capsys.readouterr()
    assert "| clips | 2 | 4 | 50.0 [" in out
    assert "clips: 2 items, 1 left out; 1 language is not en" in err
    assert "1 transcripts failed and count as empty" in err
    assert "command:hearer on clips: 2/2" in err
    (program.parent / "mended").touch()
    assert evaluate(data, program, "--quiet") == 0
    out, err = capsys.readouterr()
    assert "failed" not in err
    assert "2/2" not in err
    assert "left out" in err  # always said


def test_report_files_and_json(data, program, capsys, tmp_path):
    (program.parent / "mended").touch()
    assert evaluate(data, program, "--json", "--output-dir", str(tmp_path / "out"), "--limit", "1") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["sets"][0]["dropped"] == {"over the limit of 1": 1, "language is not en": 1}
    assert json.loads((tmp_path / "out" / "asr.json").read_text()) == result
    assert (tmp_path / "out" / "asr.md").read_text().startswith("# Recognition")


def test_words_where_nothing_is_said(data, program, capsys):
    (program.parent / "mended").touch()
    assert evaluate(data, program, "--no-speech", "--no-speech-minutes", "0.01") == 0
    out = capsys.readouterr().out
    assert "## Words where nothing is said" in out
    assert "| pink noise | 0.01 | 2 |" in out


def test_underscores_and_names_below_the_data_folder(data, program, capsys, monkeypatch, tmp_path):
    (program.parent / "mended").touch()
    monkeypatch.setenv("LLAMA_SPEECH_DATA", str(data.parent))
    assert evaluate("clips", program, "--no_speech_minutes", "1") == 0


def test_our_model_in_both_modes_beside_a_peer(data, program, tiny_stack, capsys, tmp_path):
    (program.parent / "mended").touch()
    arguments = ["--data", str(data), "--peer", f"command:{program} {{}}", "--mode", "llama", "--mode", "ctc"]
    more = ["--cache-dir", str(tmp_path / "cache"), "--resamples", "50", "--no-vad", "--json"]
    assert main(["evaluate", "asr", *arguments, *more, *tiny_stack.options, "--threads", "1"]) == 0
    result = json.loads(capsys.readouterr().out)
    systems = result["sets"][0]["systems"]
    assert [system["name"] for system in systems] == ["llama-speech", "llama-speech:ctc", "command:hearer"]
    assert list(systems[0]["against"]) == ["llama-speech:ctc", "command:hearer"]
    assert list(systems[1]["against"]) == ["command:hearer"]
    assert "|bundle:tiny-0-" in systems[0]["signature"]


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["evaluate", "asr"], "no test set: give --data", 2),
        (["evaluate", "asr", "--data", "x", "--no-model"], "leaves nothing to score", 2),
        (["evaluate", "asr", "--data", "/nowhere", "--no-model", "--peer", "command:x"], "no such file", 1),
        (["evaluate", "asr", "--data", "x", "--no-model", "--peer", "whisper"], "no peer is called", 1),
        (["evaluate"], "TASK", 2),
        (["evaluate", "asr", "--resamples", "0"], "not a whole number", 2),
    ],
)
def test_wrong_use_is_one_clear_line(arguments, message, code, capsys):
    assert main(arguments) == code
    out, err = capsys.readouterr()
    assert message in err
    assert out == ""


def test_a_set_without_the_language_is_refused(data, program, capsys):
    assert evaluate(data, program, "-l", "fr") == 1
    err = capsys.readouterr().err
    assert "3 left out; 3 language is not fr" in err
    assert "nothing to score" in err
