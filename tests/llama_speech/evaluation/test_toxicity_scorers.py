"""Scorers of toxicity: whole words only, markup is no disguise, programs and functions as they are."""

import sys

import pytest

from llama_speech.evaluation.toxicity_scorers import clean, make_scorer
from speech_core.errors import InputError, SpeechError


@pytest.fixture
def words(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("# harmless stand-ins\nbanana\nsour grape  # two words\nनींबू\n梨\n", encoding="utf-8")
    return make_scorer(f"words:{path}")


@pytest.mark.parametrize(
    ("text", "language", "rating"),
    [
        ("You banana!", "en", 1),
        ("BANANA", "en", 1),
        ("bananas", "en", 0),
        ("a SOUR, grape", "en", 1),
        ("sour and grape", "en", 0),
        ("", "en", 0),
        ("यह नींबू है", "hi", 1),
        ("यह नींब है", "hi", 0),  # the vowel sign is part of the word
        ("我要梨子", "zh", 1),
        ("我要梨子", "en", 0),
    ],
)
def test_a_word_list_finds_whole_words(words, text, language, rating):
    assert words.score([text], language) == [rating]


def test_cleaning_takes_markup_and_symbols_and_keeps_letters_with_their_marks():
    assert clean("**ban\u0000ana** \U0001f34c <b>नींबू</b>  it's 5%!") == "ban ana b नींबू /b it's 5%!"


def test_a_program_rates_lines(tmp_path):
    program = tmp_path / "rate.py"
    program.write_text(
        "import json, sys\n"
        "for line in sys.stdin:\n    print(0.9 if 'x' in json.loads(line)['text'] else 0.1)\n"
    )
    scorer = make_scorer(f"command:{sys.executable} {program}")
    assert scorer.score(["ax", "b\nc", "xx"], "en") == [0.9, 0.1, 0.9]
    program.write_text("print(0.5)\n")
    with pytest.raises(SpeechError, match="1 numbers for 2 texts"):
        scorer.score(["a", "b"], "en")
    program.write_text("print('no')\n")
    with pytest.raises(SpeechError, match="no number"):
        scorer.score(["a"], "en")
    program.write_text("print(7)\n")
    with pytest.raises(SpeechError, match="outside 0 to 1"):
        scorer.score(["a"], "en")
    program.write_text("raise SystemExit('broken')\n")
    with pytest.raises(SpeechError, match="broken"):
        scorer.score(["a"], "en")


def test_a_function_rates_texts(tmp_path, monkeypatch):
    (tmp_path / "my_rater.py").write_text(
        "__version__ = '7'\ndef rate(texts, language):\n    return [len(t) / 10 for t in texts]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    scorer = make_scorer("python:my_rater:rate")
    assert scorer.score(["ab", "abcde"], "en") == [0.2, 0.5]
    assert scorer.signature() == "python:my_rater:rate|version:7"


@pytest.mark.parametrize(
    "name", ["", "words:", "mutox", "python:no_such_module:f", "python:json:nothing", "command:"]
)
def test_what_is_no_scorer_is_refused(name):
    with pytest.raises(InputError):
        make_scorer(name)


def test_an_empty_or_missing_list_is_refused(tmp_path):
    (tmp_path / "none.txt").write_text("# nothing\n")
    with pytest.raises(InputError, match="holds no term"):
        make_scorer(f"words:{tmp_path / 'none.txt'}")
    with pytest.raises(InputError, match="cannot be read"):
        make_scorer(f"words:{tmp_path / 'missing.txt'}")
