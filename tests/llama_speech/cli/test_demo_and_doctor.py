"""`llama-speech demo` and `llama-speech doctor` with a tiny stack of the real parts."""

import re
from pathlib import Path

import pytest

from llama_speech.cli.demo import command
from llama_speech.cli.main import main

ROOT = Path(__file__).resolve().parents[3]


def test_demo_shows_text_language_seconds_and_speed_of_every_sample(tiny_stack, capsys):
    assert main(["demo", *tiny_stack.options]) == 0
    output, errors = capsys.readouterr()
    assert errors == ""
    heads = re.findall(r"^(\S+\.flac): en, (\d+\.\d) s, real-time factor \d+\.\d\d$", output, re.MULTILINE)
    assert [name for name, _ in heads] == sorted(path.name for path in (ROOT / "samples").glob("*.flac"))
    assert [float(seconds) for _, seconds in heads] == pytest.approx([6.8, 11.9, 5.7], abs=0.11)
    assert output.count("\n  heard: ") == 3
    assert "  read:  the following letter served as a preface" in output
    assert re.search(r"^3 files, 24\.\d s of audio in .* real-time factor", output, re.MULTILINE)


@pytest.mark.parametrize(
    ("called", "shown"),
    [
        (".venv/bin/llama-speech", ".venv/bin/llama-speech"),
        ("/usr/bin/llama-speech", "llama-speech"),  # what the shell finds
        ("/elsewhere/bin/llama-speech", "/elsewhere/bin/llama-speech"),
        ("/lib/llama_speech/__main__.py", "llama-speech"),
    ],
)
def test_the_demo_names_the_command_as_it_was_called(monkeypatch, tmp_path, called, shown):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [called])
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/llama-speech")
    assert command() == shown


def test_demo_of_a_file_that_is_not_there(capsys, tiny_stack):
    assert main(["demo", "nowhere.wav", *tiny_stack.options]) == 1
    assert capsys.readouterr() == ("", "llama-speech: nowhere.wav: no such file\n")


def test_doctor_finds_everything(tiny_stack, capsys, monkeypatch):
    monkeypatch.setenv("LLAMA_SPEECH_LLAMA", str(tiny_stack.llama))
    assert main(["doctor", "--model", str(tiny_stack.bundle)]) == 0
    output, errors = capsys.readouterr()
    assert errors == ""
    assert "FAIL" not in output
    assert f"ok   llama: {tiny_stack.llama}" in output
    assert "MB, verified; speech_adapter, speech_encoder; languages en, es" in output


def test_doctor_finds_damage(tiny_stack, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("LLAMA_SPEECH_LLAMA", str(tmp_path))
    assert main(["doctor", "--model", str(tmp_path / "none")]) == 1
    output, _ = capsys.readouterr()
    assert f"FAIL llama: LLAMA_SPEECH_LLAMA is {tmp_path}" in output
    assert "FAIL bundle: bundle" in output


def test_doctor_names_a_torchaudio_that_does_not_load(tiny_stack, capsys, monkeypatch, tmp_path):
    (tmp_path / "torchaudio.py").write_text("raise OSError('libc10_cuda.so: cannot open shared object file')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert main(["doctor", "--model", str(tiny_stack.bundle)]) == 1
    output, _ = capsys.readouterr()
    assert "FAIL torchaudio: does not match torch and breaks transformers: pip uninstall torchaudio" in output
