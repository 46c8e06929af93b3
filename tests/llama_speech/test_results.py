"""Rounding and shape of results; the formats are tested in test_writers.py."""

import dataclasses

import pytest

from llama_speech.results import Segment, Transcription, Word


def test_times_are_rounded_to_milliseconds_only_in_json():
    word = Word("a", 0.12345, 0.23456, 0.987654)
    assert word.start == 0.12345
    assert word.to_dict() == {"word": "a", "start": 0.123, "end": 0.235, "probability": 0.9877}


def test_results_cannot_be_changed():
    segment = Segment(0, 0.0, 1.0, "a")
    for one, name in (
        (segment, "text"),
        (Transcription("a", "en", 1.0), "text"),
        (Word("a", 0, 1, 1), "word"),
    ):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(one, name, "b")


def test_values_are_plain():
    segment = Segment(
        3, 0.0, 1.0, "a b", (1, 2), -0.5, 0.25, (Word("a", 0, 0.4, 1.0), Word(" b", 0.5, 1, 0.5))
    )
    values = Transcription("a b", "en", 1.0, (segment,)).to_dict()
    assert list(values) == ["text", "language", "duration", "segments"]
    assert list(values["segments"][0]) == [
        "id", "start", "end", "text", "tokens", "avg_logprob", "no_speech_prob", "words",
    ]  # fmt: skip
    assert values["segments"][0]["tokens"] == [1, 2]
