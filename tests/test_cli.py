"""The command line as a whole: help, versions, spellings, exit codes, what goes to which stream."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import llama_speech
from llama_speech.cli.main import command_names, hyphenated, main
from tests.audio_files import tone, wav_bytes

ROOT = Path(__file__).resolve().parent.parent


def run(*arguments: str, stdin: bytes = b"", cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    """`python -m llama_speech` in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "llama_speech", *arguments]
    return subprocess.run(
        command, input=stdin, capture_output=True, cwd=cwd or ROOT, env=environment, check=False, timeout=300
    )


def test_help_names_every_command():
    result = run("--help")
    assert result.returncode == 0
    assert result.stderr == b""
    text = result.stdout.decode()
    assert {"demo", "doctor", "evaluate", "transcribe"} <= set(command_names())
    for name in command_names():
        assert f"\n    {name} " in text


@pytest.mark.parametrize("command", command_names())
def test_each_command_has_help_without_heavy_imports(command):
    code = (
        "import sys; from llama_speech.cli.main import main; code = main([sys.argv[1], '--help']);"
        "heavy = {'torch', 'transformers', 'av', 'numpy'} & set(sys.modules);"
        "sys.exit(f'imports {heavy}' if heavy else code)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", code, command], capture_output=True, text=True, env=environment, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "--debug" in result.stdout


@pytest.mark.parametrize("arguments", [["-V"], ["--version"], ["transcribe", "-V"]])
def test_version(capsys, arguments):
    assert main(arguments) == 0
    assert capsys.readouterr() == (f"llama-speech {llama_speech.__version__}\n", "")


def test_importing_the_package_is_light_and_names_are_there():
    code = (
        "import sys, llama_speech; heavy = {'torch', 'numpy', 'av'} & set(sys.modules);"
        "assert not heavy, heavy; assert set(llama_speech.__all__) <= set(dir(llama_speech));"
        "light = set(llama_speech.__all__) - {'load', 'SpeechLlama'};"
        "print([getattr(llama_speech, name) for name in light])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=False)
    assert result.returncode == 0, result.stderr.decode()
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = llama_speech.nonsense


def test_version_is_that_of_the_project():
    assert f'version = "{llama_speech.__version__}"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--output_dir", "a_b", "x_y.wav"], ["--output-dir", "a_b", "x_y.wav"]),
        (["--output_dir=a_b"], ["--output-dir=a_b"]),
        (["--word_timestamps", "True", "a.wav"], ["--word-timestamps", "a.wav"]),
        (["--word_timestamps", "False", "a.wav"], ["--no-word-timestamps", "a.wav"]),
        (["--", "--a_b", "True"], ["--", "--a_b", "True"]),
        (["True", "-f", "json"], ["True", "-f", "json"]),
        (["-o", "a_b"], ["-o", "a_b"]),
    ],
)
def test_spellings_of_options(given, expected):
    assert hyphenated(given) == expected


USAGE = [
    ([], "the following arguments are required: COMMAND"),
    (["nonsense"], "invalid choice: 'nonsense'"),
    (["transcribe"], "the following arguments are required: FILE"),
    (["transcribe", "a.wav", "--nonsense"], "unrecognized arguments: --nonsense"),
    (["transcribe", "a.wav", "-f", "doc"], "argument -f/--output-format: invalid choice: 'doc'"),
    (["transcribe", "a.wav", "--batch-size", "0"], "argument --batch-size: '0' is not a whole number from 1"),
    (["transcribe", "a.wav", "--threads", "x"], "argument --threads: 'x' is not a whole number from 1"),
    (["transcribe", "a.wav", "--dtype", "int3"], "argument --dtype: invalid choice: 'int3'"),
    (["transcribe", "a.wav", "--skip-existing", "--overwrite"], "not allowed with argument"),
    (["transcribe", "a.wav", "-f", "all"], "several formats (txt, json, srt, vtt, tsv, jsonl) need a folder"),
    (
        ["transcribe", "a.wav", "-f", "txt", "-f", "srt"],
        "several formats (txt, srt) need a folder: add --output-dir",
    ),
    (["transcribe", "a.wav", "b.wav", "-f", "srt"], "srt of several files needs a folder: add --output-dir"),
    (
        ["transcribe", "a.wav", "--overwrite"],
        "--skip-existing and --overwrite are about files: add --output-dir",
    ),
    (["transcribe", "a.wav", "-o", "a.wav"], "a.wav is not a folder"),
    (["transcribe", "-", "-"], "standard input (-) can be read only once"),
]


@pytest.mark.parametrize(("arguments", "message"), USAGE)
def test_wrong_usage_is_exit_code_2_and_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(wav_bytes(tone(0.1, 16000)))
    assert main(arguments) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert message in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("redirected", "code", "message"),
    [
        ("< /dev/null", 0, ""),
        ("<&-", 0, ""),  # nothing to read
        ("< noise", 1, "the text is not UTF-8 (invalid start byte at 0): convert it"),
        ("5 >&-", 1, "the output cannot be written: Bad file descriptor"),
        ("5 > /dev/full", 1, "the output cannot be written: No space left on device"),
        ("5 | true", 0, ""),
    ],
)
def test_streams_that_are_closed_full_or_no_text(tmp_path, redirected, code, message):
    (tmp_path / "noise").write_bytes(b"\xff\xfe" * 200)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    command = f"{sys.executable} -m llama_speech normalize --rules {redirected}"
    result = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert (result.returncode, result.stdout) == (code, "")
    assert result.stderr == (f"llama-speech: {message}\n" if message else "")


@pytest.mark.parametrize("folder", ["a.wav", "a.wav/deeper"])
@pytest.mark.parametrize("command", [["transcribe", "a.wav"], ["evaluate", "compare", "a.json", "b.json"]])
def test_results_that_could_not_be_written_are_seen_before_the_work(
    tmp_path, monkeypatch, capsys, command, folder
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.wav").write_bytes(wav_bytes(tone(0.1, 16000)))
    assert main([*command, "-o", folder]) == 2
    assert capsys.readouterr() == ("", "llama-speech: a.wav is not a folder\n")


def test_files_that_are_not_there_need_no_model(tmp_path):
    result = run("transcribe", "one.wav", "*.ogg", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stdout == b""
    assert result.stderr.decode().splitlines() == [
        "llama-speech: one.wav: no such file",
        "llama-speech: *.ogg: no file matches",
    ]


def test_a_file_that_cannot_be_opened_is_named(tmp_path, capsys):
    page = tmp_path / "page"
    assert main(["evaluate", "preference", str(page), "--answers", "a.json"]) == 1
    expected = f"llama-speech: {page / 'key.json'}: No such file or directory: check the path\n"
    assert capsys.readouterr() == ("", expected)


def test_a_missing_bundle_is_one_line(tmp_path, capsys):
    (tmp_path / "a.wav").write_bytes(wav_bytes(tone(0.1, 16000)))
    assert main(["transcribe", str(tmp_path / "a.wav"), "--model", str(tmp_path / "none")]) == 1
    output, errors = capsys.readouterr()
    assert output == ""
    expected = (
        f"bundle {tmp_path / 'none'} is not a folder: name a bundle with --model or LLAMA_SPEECH_BUNDLE"
    )
    assert errors.splitlines() == [f"llama-speech: {expected}"]


def test_doctor_reports_what_is_missing(tmp_path, capsys):
    assert main(["doctor", "--model", str(tmp_path)]) == 1
    output, _ = capsys.readouterr()
    assert f"FAIL bundle: {tmp_path} is not a bundle: it has no bundle.json" in output
    assert "ok   voice activity: weights of silero-vad load" in output
    assert "torch: " in output
