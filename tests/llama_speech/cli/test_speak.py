import io
import json
import sys
import wave

import pytest

from llama_speech.bundle import BundleInfo
from llama_speech.cli.main import main
from llama_speech.cli.speak import wav_header
from tests.voice_parts import add_voice


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    return str(add_voice(tmp_path_factory.mktemp("voice"), BundleInfo("test", "1")))


def read(path):
    with wave.open(str(path), "rb") as file:
        return file.getparams()[:3], file.readframes(file.getnframes())


def test_a_text_is_written_as_wav(voice, tmp_path, capsys):
    out = tmp_path / "out.wav"
    assert main(["speak", "They stop.", "--model", voice, "-o", str(out)]) == 0
    shape, data = read(out)
    assert shape == (1, 2, 24_000)
    assert len(data) > 20_000
    assert capsys.readouterr().out == f"{out}: {len(data) / 48_000:.2f} s\n"


def test_a_file_and_standard_input_give_the_same(voice, tmp_path, monkeypatch):
    text = tmp_path / "text.txt"
    text.write_text("They stop.\nThe end.", encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", io.StringIO("They stop.\nThe end."))
    for source, name in ((str(text), "a.wav"), ("-", "b.wav")):
        assert main(["speak", source, "--model", voice, "-o", str(tmp_path / name)]) == 0
    assert read(tmp_path / "a.wav") == read(tmp_path / "b.wav")


@pytest.mark.parametrize("kind", ["wav", "pcm"])
def test_the_stream_is_the_file(voice, tmp_path, capfdbinary, kind):
    out = tmp_path / "out.wav"
    main(["speak", "They stop.", "--model", voice, "-o", str(out)])
    capfdbinary.readouterr()
    assert main(["speak", "They stop.", "--model", voice, "--stream", "--format", kind]) == 0
    streamed = capfdbinary.readouterr().out
    header = wav_header(24_000) if kind == "wav" else b""
    assert streamed == header + read(out)[1]


def test_the_streamed_header_is_read_by_others():
    data = wav_header(24_000) + bytes(480)
    with wave.open(io.BytesIO(data), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24_000)


def test_word_times_are_written(voice, tmp_path):
    out = tmp_path / "times.json"
    command = ["speak", "They stop 5", "--model", voice, "-o", str(tmp_path / "a.wav")]
    assert main([*command, "--timestamps", str(out)]) == 0
    found = json.loads(out.read_text(encoding="utf-8"))
    assert [word["word"] for word in found["words"]] == ["They", "stop", "five"]
    assert (found["words"][2]["text_start"], found["words"][2]["text_end"]) == (10, 11)
    assert 0 < found["words"][0]["start"] < found["words"][2]["end"] <= found["samples"] / 24_000


@pytest.mark.parametrize("text", ["", "...", " "])
def test_nothing_to_say_is_one_line(voice, tmp_path, capsys, text):
    out = tmp_path / "out.wav"
    assert main(["speak", text, "--model", voice, "-o", str(out)]) == 1
    streams = capsys.readouterr()
    assert (streams.out, streams.err) == ("", "llama-speech: there is nothing to say in this text\n")
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--stream", "-o", "x.wav"], 2, "leave --output out"),
        (["--rate", "100"], 1, "rate is 100"),
        (["--voice", "nobody"], 1, "no speaker 'nobody'"),
        (["--lexicon", "missing.txt"], 1, "missing.txt cannot be read"),
        (["-o", "/no/such/folder/x.wav"], 1, "x.wav"),
    ],
)
def test_mistakes_are_one_line(voice, capsys, arguments, code, said):
    assert main(["speak", "They stop.", "--model", voice, *arguments]) == code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
