"""`llama-speech ask` with a tiny stack: text and speech in, text or JSON out, conversations kept."""

import io
import json
import sys
from pathlib import Path

import pytest

from llama_speech.cli.main import main
from tests.audio_files import tone, wav_bytes

ROOT = Path(__file__).resolve().parents[3]
SAMPLES = sorted((ROOT / "samples").glob("*.flac"))


@pytest.fixture
def ask(tiny_stack, capsys, tmp_path, monkeypatch):
    """Run the command in an empty folder: (exit code, standard output, lines of standard error)."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.flac").write_bytes(SAMPLES[2].read_bytes())
    (tmp_path / "silence.wav").write_bytes(wav_bytes(tone(1.0, 16000) * 0))
    (tmp_path / "empty.wav").write_bytes(b"")

    def run(*arguments: str) -> tuple[int, str, list[str]]:
        code = main(["ask", *arguments, "--max-tokens", "8", *tiny_stack.options])
        output, errors = capsys.readouterr()
        return code, output, errors.splitlines()

    return run


def printable(text):
    return "".join(mark for mark in text if mark.isprintable() or mark in "\n\t")


def test_speech_and_text(ask, tiny_model, tmp_path):
    parts = [
        {"type": "text", "text": "What? "},
        {"type": "input_audio", "input_audio": {"data": SAMPLES[2]}},
    ]
    answer = tiny_model.chat([{"role": "user", "content": parts}], max_tokens=8).answer()
    code, output, _ = ask("clip.flac", "--text", "What? ")
    assert (code, output) == (0, printable(answer.text) + "\n")
    code, output, errors = ask("clip.flac", "--text", "What? ", "--json")
    result = json.loads(output)
    assert result["heard"] == [tiny_model.transcribe(SAMPLES[2]).text]
    assert result["text"] == answer.text
    assert (code, errors) == (0, [])


def test_text_alone_and_standard_input(ask, monkeypatch):
    assert ask("--text", "Hello")[0] == 0
    _, expected, _ = ask("clip.flac", "--speech", "embeds")

    class Stdin:
        buffer = io.BytesIO(SAMPLES[2].read_bytes())

    monkeypatch.setattr(sys, "stdin", Stdin)
    assert ask("-", "--speech", "embeds")[1] == expected


def test_a_conversation_is_kept_and_gone_on_with(ask, tiny_model, tmp_path):
    assert ask("--text", "Hello", "--system", "Be brief.", "--history", "talk.json")[0] == 0
    code, output, _ = ask("clip.flac", "--history", "talk.json")
    assert code == 0
    talk = json.loads((tmp_path / "talk.json").read_text())
    assert [message["role"] for message in talk] == ["system", "user", "assistant", "user", "assistant"]
    assert talk[3]["content"] == [{"type": "input_audio", "input_audio": {"path": "clip.flac"}}]
    talk[3]["content"][0]["input_audio"] = {"data": SAMPLES[2]}
    assert output == printable(tiny_model.chat(talk[:4], max_tokens=8).answer().text) + "\n"
    assert ask("--text", "And?", "--history", "talk.json")[0] == 0  # audio of before is read again
    code, _, errors = ask("--text", "x", "--system", "y", "--history", "talk.json")
    assert (code, len(errors)) == (2, 1)


def test_sampling_repeats_by_seed(ask):
    options = ("--text", "Hello", "--temperature", "1.5", "--quiet")
    assert ask(*options, "--seed", "1") == ask(*options, "--seed", "1")
    assert ask(*options, "--seed", "1") != ask(*options, "--seed", "2")


def test_a_guard_is_a_llama(ask, tiny_stack):
    """A random Llama gives no verdict that can be read: the question is refused."""
    code, output, _ = ask("--text", "Hello", "--guard", str(tiny_stack.llama), "--json")
    assert code == 0
    assert json.loads(output)["reason"] == "guard"


@pytest.mark.parametrize(
    ("arguments", "expected_code", "message"),
    [
        ((), 2, "nothing is asked: give a FILE, or --text"),
        (("missing.wav",), 1, "missing.wav: no such file"),
        (("empty.wav",), 1, "empty.wav: is empty (0 bytes)"),
        (("silence.wav", "--text", "?"), 1, "silence.wav: no speech found in its audio"),
        (("clip.flac", "-l", "xx"), 2, "language 'xx' is not known"),
        (("clip.flac", "-l", "de"), 1, "language German is not one this model was trained for"),
        (("--text", "?", "--temperature", "-1"), 2, "temperature is -1"),
        (("--text", "?", "--tools", "clip.flac"), 1, "clip.flac: is not JSON"),
        (("--text", "?", "-o", "a.wav"), 2, "--output is where --speak writes: add --speak"),
        (("--text", "?", "--speak"), 1, "bundle "),
        (
            ("--text", "?", "--speak", "-o", "nowhere/a.wav"),
            2,
            "nowhere/a.wav cannot be written: ",
        ),
        (("--text", "?", "--guard", "nowhere"), 1, "nowhere is not the folder of a Llama"),
    ],
)
def test_what_cannot_be_asked_gets_one_line(ask, arguments, expected_code, message):
    code, output, errors = ask(*arguments)
    assert (code, output, len(errors)) == (expected_code, "", 1)
    assert errors[0].startswith(f"llama-speech: {message}")


@pytest.mark.bundle
def test_the_shipped_model_answers_aloud(tmp_path, capsys):
    import wave

    path = tmp_path / "answer.wav"
    question = "What is the capital of France?"
    assert main(["ask", "--text", question, "--max-tokens", "20", "--speak", "-o", str(path)]) == 0
    assert "Paris" in capsys.readouterr().out
    with wave.open(str(path)) as sound:
        assert sound.getnframes() > 0.5 * sound.getframerate()
