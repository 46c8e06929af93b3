"""`llama-speech transcribe` with a tiny stack of the real parts: output, files, exit codes."""

import functools
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from llama_speech.cli.main import main
from tests.audio_files import encode, tone, wav_bytes

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = sorted((ROOT / "samples").glob("*.flac"))


@pytest.fixture
def transcribe(tiny_stack, capsys, tmp_path, monkeypatch):
    """Run the command in an empty folder: (exit code, standard output, lines of standard error)."""
    monkeypatch.chdir(tmp_path)
    for number, path in enumerate(SAMPLES):
        (tmp_path / f"clip{number}.flac").write_bytes(path.read_bytes())
    (tmp_path / "silence.wav").write_bytes(wav_bytes(tone(1.0, 16000) * 0))
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "cut.wav").write_bytes(wav_bytes(tone(1.0, 16000))[:20_000])

    def run(*arguments: str) -> tuple[int, str, list[str]]:
        code = main(["transcribe", *arguments, *tiny_stack.options])
        output, errors = capsys.readouterr()
        return code, output, errors.splitlines()

    return run


def test_one_file_prints_its_text_and_nothing_else(transcribe):
    code, output, errors = transcribe("clip0.flac")
    assert (code, errors) == (0, [])
    assert output.strip()
    assert "clip0" not in output


def test_several_files_are_told_apart(transcribe):
    _, first, _ = transcribe("clip0.flac")
    code, output, errors = transcribe("clip0.flac", "clip2.flac")
    assert (code, errors) == (0, [])
    assert output.startswith(f"==> clip0.flac <==\n{first}\n==> clip2.flac <==\n")


def test_json_has_words_when_asked(transcribe):
    _, output, _ = transcribe("clip0.flac", "-f", "json", "--word_timestamps", "True", "-l", "English")
    result = json.loads(output)
    assert result["language"] == "en"
    assert result["segments"][0]["words"][0].keys() == {"word", "start", "end", "probability"}
    _, output, _ = transcribe("clip0.flac", "--output_format=json")
    assert "words" not in json.loads(output)["segments"][0]


def test_several_results_in_json_are_a_list_and_in_jsonl_lines(transcribe):
    _, output, _ = transcribe("clip0.flac", "empty.wav", "clip2.flac", "-f", "json")
    results = json.loads(output)
    assert [result["file"] for result in results] == ["clip0.flac", "clip2.flac"]
    code, output, _ = transcribe("clip0.flac", "clip2.flac", "-f", "jsonl")
    assert code == 0
    assert [json.loads(line) for line in output.splitlines()] == results
    assert transcribe("empty.wav", "cut.wav", "-f", "json")[1] == "[]\n"


def test_every_format_is_written_to_the_folder(transcribe, tmp_path):
    code, output, errors = transcribe("clip0.flac", "clip2.flac", "-f", "all", "-o", "out")
    assert (code, output, errors) == (0, "", [])
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {f"clip{n}.{s}" for n in (0, 2) for s in ("txt", "json", "srt", "vtt", "tsv", "jsonl")}
    assert re.match(r"1\n00:00:0\d,\d{3} --> 00:00:0\d,\d{3}\n", (tmp_path / "out" / "clip0.srt").read_text())


def test_bad_files_get_one_line_each_and_the_others_are_done(transcribe):
    code, output, errors = transcribe("missing.wav", "empty.wav", "clip0.flac", "cut.wav", "-f", "jsonl")
    assert code == 1
    assert json.loads(output)["file"] == "clip0.flac"
    assert errors == [
        "llama-speech: missing.wav: no such file",
        "llama-speech: empty.wav: is empty (0 bytes)",
        "llama-speech: cut.wav: truncated: the header promises 32000 bytes of sound, the file holds 19956",
    ]


def test_damaged_files_can_be_allowed(transcribe):
    code, _, errors = transcribe("cut.wav", "--allow-damaged")
    assert code == 0
    assert errors == ["llama-speech: cut.wav: no speech found in 0.6 s"]


def test_fail_fast(transcribe):
    code, output, errors = transcribe("empty.wav", "clip0.flac", "cut.wav", "--fail-fast")
    assert (code, output) == (1, "")
    assert errors == ["llama-speech: empty.wav: is empty (0 bytes)"]
    code, output, errors = transcribe("missing.wav", "clip0.flac", "--fail-fast")
    assert (code, output, errors) == (1, "", ["llama-speech: missing.wav: no such file"])


def test_silence_is_noted_unless_quiet(transcribe):
    assert transcribe("silence.wav") == (0, "", ["llama-speech: silence.wav: no speech found in 1.0 s"])
    assert transcribe("silence.wav", "--quiet") == (0, "", [])
    code, output, _ = transcribe("silence.wav", "-f", "json", "--quiet")
    assert (code, json.loads(output)["text"]) == (0, "")


def test_existing_files_are_kept_skipped_or_replaced(transcribe, tmp_path):
    old = tmp_path / "out" / "clip0.txt"
    old.parent.mkdir()
    old.write_text("old")
    code, _, errors = transcribe("clip0.flac", "-o", "out")
    assert (code, old.read_text()) == (1, "old")
    assert errors == ["llama-speech: clip0.flac: out/clip0.txt exists: pass --overwrite or --skip-existing"]
    assert transcribe("clip0.flac", "-o", "out", "--skip-existing") == (0, "", [])
    assert old.read_text() == "old"
    assert transcribe("clip0.flac", "-o", "out", "--overwrite") == (0, "", [])
    assert old.read_text() != "old"


def test_files_of_the_same_name_do_not_overwrite_each_other(transcribe, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.flac").write_bytes(SAMPLES[0].read_bytes())
    assert transcribe("a/x.flac", "b/x.flac", "-o", "out") == (0, "", [])
    assert (tmp_path / "out/a/x.txt").read_text() == (tmp_path / "out/b/x.txt").read_text() != ""
    assert transcribe(".", "-o", "out2", "--quiet")[0] == 1
    assert (tmp_path / "out2" / "a" / "x.txt").is_file()
    assert (tmp_path / "out2" / "clip1.txt").is_file()


def test_any_container_and_pattern(transcribe, tmp_path):
    for kind, rate in (("mp3", 22050), ("m4a", 44100), ("webm", 48000), ("opus", 48000)):
        (tmp_path / f"t.{kind}").write_bytes(encode(tone(1.0, rate), kind, "stereo"))
    code, output, errors = transcribe("t.*", "-f", "jsonl", "--quiet")
    assert (code, errors) == (0, [])
    results = [json.loads(line) for line in output.splitlines()]
    assert [result["file"] for result in results] == ["t.m4a", "t.mp3", "t.opus", "t.webm"]
    assert all(result["duration"] == pytest.approx(1.0, abs=0.1) for result in results)


def test_odd_file_names(transcribe, tmp_path):
    names = [
        "with space.flac",
        "ümläut 日本.flac",
        "new\nline.flac",
        "-x.flac",
        "[a].flac",
        os.fsdecode(b"\xff.flac"),
    ]
    for name in names:
        (tmp_path / name).write_bytes(SAMPLES[2].read_bytes())
    (tmp_path / "two\nlines.wav").write_bytes(b"")
    code, output, errors = transcribe("-f", "jsonl", "two\nlines.wav", "./-x.flac", *names[:3], *names[4:])
    assert code == 1
    assert errors == ["llama-speech: two lines.wav: is empty (0 bytes)"]
    files = [json.loads(line)["file"] for line in output.splitlines()]
    expected = ["-x.flac", "with space.flac", "ümläut 日本.flac", "new line.flac", "[a].flac", "\\udcff.flac"]
    assert files == expected
    assert transcribe(*names[:3], *names[4:], "-o", "out") == (0, "", [])
    assert {path.stem for path in (tmp_path / "out").iterdir()} == {Path(name).stem for name in names} - {
        "-x"
    }


def test_standard_input(transcribe, monkeypatch, tmp_path):
    _, expected, _ = transcribe("clip0.flac")

    class Stdin:
        buffer = io.BytesIO(SAMPLES[0].read_bytes())

    monkeypatch.setattr(sys, "stdin", Stdin)
    assert transcribe("-") == (0, expected, [])
    Stdin.buffer = io.BytesIO(SAMPLES[0].read_bytes())
    assert transcribe("-", "-o", "out") == (0, "", [])
    assert (tmp_path / "out" / "stdin.txt").read_text() == expected


def test_unwritable_output_is_one_line(transcribe, tmp_path):
    (tmp_path / "out").write_text("a file")
    assert transcribe("clip0.flac", "-o", "out") == (2, "", ["llama-speech: out is not a folder"])
    assert transcribe("clip0.flac", "-o", "out/deeper") == (2, "", ["llama-speech: out is not a folder"])


@pytest.mark.parametrize(
    ("arguments", "expected_code", "message"),
    [
        (("-l", "de"), 1, "language German is not one this model was trained for: it knows en (English), es"),
        (("-l", "klingon"), 2, "language 'klingon' is not known: give a code such as en or a name such as"),
        (("--device", "toaster"), 1, "device 'toaster' cannot be used"),
    ],
)
def test_options_that_cannot_be(transcribe, arguments, expected_code, message):
    code, output, errors = transcribe("clip0.flac", *arguments)
    assert (code, output, len(errors)) == (expected_code, "", 1)
    assert errors[0].startswith(f"llama-speech: {message}")


def test_progress_goes_to_standard_error(transcribe):
    _, plain, _ = transcribe("clip0.flac", "clip2.flac")
    code, output, errors = transcribe("clip0.flac", "clip2.flac", "--progress")
    assert (code, output) == (0, plain)
    assert "12 of 12 s of audio" in errors[-1]


def command(tiny_stack, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "llama_speech", "transcribe", *arguments, *tiny_stack.options]


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def test_as_a_process_reading_a_pipe(tiny_stack, transcribe):
    _, expected, _ = transcribe("clip0.flac")
    result = subprocess.run(
        command(tiny_stack, "-"),
        input=SAMPLES[0].read_bytes(),
        capture_output=True,
        env=ENVIRONMENT,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.decode() == expected


def test_interrupt_is_130_and_one_line(tiny_stack):
    process = subprocess.Popen(
        command(tiny_stack, "-", "--progress"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        # started in the background by a shell, this test would hand on that interrupts are ignored
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    process.stderr.read(1)  # the bar is there: now it waits for the pipe
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (130, b"")
    assert errors.decode().splitlines()[-1] == "llama-speech: interrupted"
    assert "Traceback" not in errors.decode()


def test_a_reader_that_leaves_gets_no_complaint(tiny_stack):
    line = " ".join(command(tiny_stack, *(str(path) for path in SAMPLES))) + " | true"
    result = subprocess.run(["bash", "-c", line], capture_output=True, env=ENVIRONMENT, check=False)
    assert result.stderr == b""
