"""`llama-speech pronounce`: a line a word, phones or IPA, JSON, own words, with the shipped weights."""

import io
import json
import sys

import pytest

from llama_speech.cli.main import main

pytestmark = pytest.mark.bundle


def run(capsys, *arguments):
    assert main(["pronounce", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_words_and_marks(capsys):
    assert run(capsys, "The apple, 2 dogs: 日本.") == [
        "The              DH IY0",
        "apple            AE1 P AH0 L   ,",
        "two              T UW1",
        "dogs             D AO1 G Z   :",
        "日本               (not said)   .",
    ]


def test_ipa_and_own_words(capsys, tmp_path):
    (tmp_path / "mine.txt").write_text("water W AO1 T ER0\nKyiv K IY1 IH0 V\n")
    out = run(capsys, "--ipa", "--lexicon", str(tmp_path / "mine.txt"), "Kyiv water")
    assert [line.split() for line in out] == [["Kyiv", "kˈiɪv"], ["water", "wˈɔTəɹ"]]


def test_json_of_standard_input(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("They live.\nthey record it"))
    words = [json.loads(line) for line in run(capsys, "--json")]
    assert [word["word"] for word in words] == ["They", "live", "they", "record", "it"]
    assert words[1] == {
        "word": "live",
        "phones": ["L", "IH1", "V"],
        "ipa": "lˈɪv",
        "punctuation": ".",
        "start": 5,
        "end": 9,
    }
    assert words[3]["phones"][:2] == ["R", "AH0"]


def test_homographs_by_the_llama(capsys):
    out = run(capsys, "--states", "He lives near Reading and likes reading.")
    assert [line.split()[1:3] for line in out if line.split()[0].lower() == "reading"] == [
        ["R", "EH1"],
        ["R", "IY1"],
    ]


def test_wrong_use_is_one_line(capsys, tmp_path):
    (tmp_path / "mine.txt").write_text("water QQ\n")
    assert main(["pronounce", "--lexicon", str(tmp_path / "mine.txt"), "x"]) == 1
    assert "line 1: 'QQ' is not a phone" in capsys.readouterr().err
    assert main(["pronounce", "--llama", "x", "x"]) == 2
    assert capsys.readouterr().err.strip().count("\n") == 0
