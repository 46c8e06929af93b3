"""Spoken sets: clips, provenance, going on after an interruption."""

import json

import pytest

from recipes.data.manifests import read_manifest, validate_manifest
from recipes.data.spoken_sets import PICO_LANGUAGES, SpokenText, pico_of, spoken_by, write_spoken_set
from speech_core.errors import InputError

TEXTS = [
    SpokenText(
        "a/1", "Guten Morgen.", "de", "tests", "CC0", {"en": "Good morning."}, {"task": "translation"}
    ),
    SpokenText("a/2", "Wie spät ist es?", "de", "tests", "CC0"),
    SpokenText("a/3", "...", "de", "tests", "CC0"),
]


def speak(manifest, texts, seed=0):
    return write_spoken_set(manifest, texts, lambda text: pico_of(text.language), seed)


def test_clips_with_provenance_and_resumption(tmp_path):
    manifest = tmp_path / "train.jsonl"
    counts = speak(manifest, TEXTS)
    found = list(read_manifest(manifest))
    assert counts["spoken"] == len(found) >= 2
    assert counts.total() == 3
    assert validate_manifest(manifest) == []
    first = found[0]
    assert (first.translation, first.extra["task"]) == ({"en": "Good morning."}, "translation")
    assert first.extra["text_licence"] == "CC0"
    assert first.extra["teacher"] == first.speaker == "pico-de-DE"
    assert first.extra["voice"].keys() >= {"pitch", "pace"}
    assert first.licence == "Apache-2.0"
    before = manifest.read_bytes()
    manifest.write_bytes(before + b'{"id": "half a li')  # a run that was killed
    assert speak(manifest, TEXTS)["known"] == len(found)
    assert manifest.read_bytes()[: len(before)] == before
    later = SpokenText("a/4", "Bis morgen.", "de", "tests", "CC0")
    assert speak(manifest, [*TEXTS[:2], later])["spoken"] == 1
    assert json.loads(manifest.read_text().splitlines()[-1])["id"] == "a/4"


def test_a_voice_belongs_to_its_text_and_seed(tmp_path):
    """Whatever was spoken before: so a set does not depend on where a run stopped."""
    speak(tmp_path / "one.jsonl", TEXTS[:2])
    speak(tmp_path / "two.jsonl", TEXTS[1:2])
    speak(tmp_path / "three.jsonl", TEXTS[1:2], seed=1)
    voices = [
        list(read_manifest(tmp_path / f"{name}.jsonl"))[-1].extra["voice"] for name in ("one", "two", "three")
    ]
    assert voices[0] == voices[1] != voices[2]


def test_teachers_by_language():
    assert {spoken_by(pico_of(language)).name for language in PICO_LANGUAGES} == {
        "pico-de-DE", "pico-es-ES", "pico-fr-FR", "pico-it-IT"
    }  # fmt: skip
    assert spoken_by("flite-awb").name == "flite-awb"
    with pytest.raises(InputError, match="no teacher speaks 'ru'"):
        pico_of("ru")
    with pytest.raises(InputError, match="teacher 'robot' is unknown"):
        spoken_by("robot")
