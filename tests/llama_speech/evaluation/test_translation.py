"""Translation over test sets: systems on the same files, what is left out, the report."""

import json

import pytest

from llama_speech.evaluation.datasets import languages_of, read_set
from llama_speech.evaluation.peers import Command, PeerOptions
from llama_speech.evaluation.scores import BootstrapConfig
from llama_speech.evaluation.translation import TranslationConfig, evaluate_translation, to_markdown
from speech_core.errors import InputError
from tests.llama_speech.evaluation.conftest import make_program

ENGLISH = {"one.wav": "The cat sits on the mat.", "two.wav": "Hello world out there!"}


@pytest.fixture
def translated_set(small_set):
    """The small set with translations for two of its clips; one more in another language without."""
    records = [json.loads(line) for line in (small_set / "dev.jsonl").read_text().splitlines()]
    for record in records:
        record["language"] = "es" if record["audio"] != "four.wav" else "cs"
        if record["audio"] in ENGLISH:
            record["translation"] = {"en": ENGLISH[record["audio"]]}
    (small_set / "dev.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return small_set


def system(folder, name, answers):
    return Command(make_program(folder, name, answers).removeprefix("command:"), PeerOptions())


def test_references_are_translations_and_the_rest_is_counted(translated_set):
    assert languages_of(translated_set) == ["es", "cs"]
    one = read_set(translated_set, "es", None, "en")
    assert [item.text for item in one.items] == list(ENGLISH.values())
    assert one.items[0].more["transcript"] == "The cat sat on the mat."
    assert one.dropped == {"no translation into en": 2}


def test_scores_examples_and_failures(translated_set, tmp_path):
    one = read_set(translated_set, "es", None, "en")
    good = system(tmp_path, "fine", ENGLISH)
    bad = system(tmp_path, "poor", {"one.wav": "A dog."})
    config = TranslationConfig(tmp_path / "cache", "en", BootstrapConfig(resamples=50))
    result = evaluate_translation([("es", one)], lambda *_: [good, bad], config)
    first, second = result.sets[0].systems
    assert first.scores["BLEU"].score == pytest.approx(100)
    assert (first.failed, second.failed) == (0, 1)
    assert second.scores["chrF"].score < 40
    assert result.sets[0].items[1].errors.keys() == {second.name}
    report = to_markdown(result)
    assert "| small | es | 2 | 100.0 [" in report
    assert "2 items scored, 2 left out (2 no translation into en); command:poor failed on 1" in report
    assert "**Hello world out there!**" in report
    assert "Llama 3 8B" in report
    assert "tok:13a" in report


def test_nothing_to_score_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no item has a translation into en"):
        evaluate_translation([], lambda *_: [], TranslationConfig(tmp_path))
