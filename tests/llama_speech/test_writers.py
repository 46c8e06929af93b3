"""Every format against files written by hand; atomic writing."""

import json
import os
import stat

import pytest

from llama_speech.results import Segment, Transcription, Word
from llama_speech.writers import FORMATS, render, write_atomically
from speech_core.errors import InputError

WORDS = (Word("Good", 0.5, 0.74, 0.91234567), Word(" morning.", 0.8, 1.2345678, 0.5))
RESULT = Transcription(
    text="Good morning. Año 2024 --> fin",
    language="en",
    duration_s=3725.5,
    segments=(
        Segment(0, 0.5, 1.2345678, "Good morning.", (5, 9), -0.25, 0.01, WORDS),
        Segment(1, 3661.0006, 3662.9996, "Año\t2024 --> fin", (7,), -1.5, 0.2, ()),
    ),
)

EXPECTED = {
    "txt": "Good morning.\nAño\t2024 --> fin\n",
    "srt": (
        "1\n00:00:00,500 --> 00:00:01,235\nGood morning.\n\n"
        "2\n01:01:01,001 --> 01:01:03,000\nAño 2024 -> fin\n"
    ),
    "vtt": (
        "WEBVTT\n\n00:00.500 --> 00:01.235\nGood morning.\n\n01:01:01.001 --> 01:01:03.000\nAño 2024 -> fin\n"
    ),
    "tsv": "start\tend\ttext\n500\t1235\tGood morning.\n3661001\t3663000\tAño 2024 --> fin\n",
}


@pytest.mark.parametrize("output_format", EXPECTED)
def test_text_formats(output_format):
    assert render(RESULT, output_format, "a.wav") == EXPECTED[output_format]


def test_json_has_the_shape_of_whisper():
    values = json.loads(render(RESULT, "json", "a.wav"))
    assert values == {
        "text": "Good morning. Año 2024 --> fin",
        "language": "en",
        "duration": 3725.5,
        "segments": [
            {
                "id": 0,
                "start": 0.5,
                "end": 1.235,
                "text": "Good morning.",
                "tokens": [5, 9],
                "avg_logprob": -0.25,
                "no_speech_prob": 0.01,
                "words": [
                    {"word": "Good", "start": 0.5, "end": 0.74, "probability": 0.9123},
                    {"word": " morning.", "start": 0.8, "end": 1.235, "probability": 0.5},
                ],
            },
            {
                "id": 1,
                "start": 3661.001,
                "end": 3663.0,
                "text": "Año\t2024 --> fin",
                "tokens": [7],
                "avg_logprob": -1.5,
                "no_speech_prob": 0.2,
                "words": [],
            },
        ],
    }


def test_jsonl_is_the_same_on_one_line_with_the_file():
    line = render(RESULT, "jsonl", "some/ä.wav")
    assert line.count("\n") == 1
    assert line.endswith("\n")
    assert json.loads(line) == {"file": "some/ä.wav", **json.loads(render(RESULT, "json", ""))}


def test_words_are_left_out_unless_asked_for():
    plain = Transcription("a", "en", 1.0, (Segment(0, 0.0, 1.0, "a"),))
    assert "words" not in plain.to_dict()["segments"][0]
    assert plain.words == []
    assert [word.word for word in RESULT.words] == ["Good", " morning."]


@pytest.mark.parametrize(
    ("output_format", "expected"),
    [("txt", ""), ("srt", ""), ("vtt", "WEBVTT\n"), ("tsv", "start\tend\ttext\n")],
)
def test_silence(output_format, expected):
    assert render(Transcription("", "en", 9.0), output_format, "a") == expected


def test_unknown_format():
    with pytest.raises(
        InputError, match="output format is 'doc': use one of txt, json, srt, vtt, tsv, jsonl"
    ):
        render(RESULT, "doc", "a")
    assert list(FORMATS) == ["txt", "json", "srt", "vtt", "tsv", "jsonl"]


def test_write_makes_folders_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "new" / "a.txt"
    write_atomically(path, "Ä\n")
    write_atomically(path, "Ö\n")
    assert path.read_bytes() == "Ö\n".encode()
    assert [file.name for file in path.parent.iterdir()] == ["a.txt"]
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_failed_write_is_one_line_and_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(InputError, match=r"a\.txt: cannot be written: No space left on device"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
