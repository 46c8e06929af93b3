import io
import json
import sys
import wave

import pytest

from llama_speech.bundle import BundleInfo
from llama_speech.cli.main import main
from llama_speech.cli.speak import _pieces, wav_header
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
        (["--rate", "100"], 2, "rate is 100"),
        (["--seed", "-1"], 2, "seed -1"),
        (["-o", "."], 2, ". is a folder: name a file"),
        (["--timestamps", "nowhere/times.json"], 2, "there is no folder nowhere"),
        (["--voice", "nobody"], 1, "no speaker 'nobody'"),
        (["--lexicon", "missing.txt"], 1, "missing.txt cannot be read"),
        (["-o", "/no/such/folder/x.wav"], 2, "there is no folder /no/such/folder"),
    ],
)
def test_mistakes_are_one_line(voice, capsys, arguments, code, said):
    assert main(["speak", "They stop.", "--model", voice, *arguments]) == code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("text", ["letter.txt", "./letter", "/no/such/letter", "Notes.MD", "letters/"])
def test_a_file_that_is_not_there_is_not_said(voice, tmp_path, monkeypatch, capsys, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "letters").mkdir()
    assert main(["speak", text, "--model", voice]) == 2
    assert capsys.readouterr().err.startswith(f"llama-speech: {text}: no such file")


@pytest.mark.parametrize("text", ["and/or", "3.5", "/", "w/", "Who?", "e.g. this.txt", "http://a.b/c"])
def test_what_only_looks_like_a_file_is_said(text):
    assert _pieces(text) == [text]


def test_a_file_that_is_no_text_is_one_line(voice, tmp_path, capsys):
    sound = tmp_path / "sound.wav"
    sound.write_bytes(b"RIFF\xff\xfe\x00\x01" * 50)
    assert main(["speak", str(sound), "--model", voice, "-o", str(tmp_path / "out.wav")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("llama-speech: the text is not UTF-8")
    assert error.count("\n") == 1
