"""Caching states: once for each text, resumable, the same as run directly."""

import json

import numpy as np
import pytest

from llama_speech.text_states import TextStates
from recipes import normalizer_states
from recipes.batches.normalizer_places import StateCache
from tests.fakes import TinyLlama

TEXTS = ["In 1984 he got 5 votes.", "See chapter IV.", "It cost $5.20 on 2/3."]


def write_part(path, texts, source):
    lines = [{"written": text, "source": source, "labels": labels(text)} for text in texts]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def labels(text):
    found = {"In 1984": ["year", 2, 3], "See cha": ["roman_cardinal", 4, 5], "It cost": ["money", 4, 8]}
    return [found[text[:7]]]


@pytest.fixture
def data(tmp_path):
    write_part(tmp_path / "train.jsonl", TEXTS, "libritts_tn")
    write_part(tmp_path / "dev.jsonl", TEXTS[:1], "google_tn")
    return tmp_path


def test_states_are_cached_once_and_equal_those_run_directly(data, tmp_path):
    llama = TinyLlama().save(tmp_path / "llama")
    out = tmp_path / "states"
    argv = ["--data", str(data), "--out", str(out), "--llama", str(llama)]
    normalizer_states.main([*argv, "--samples", "1"])
    before = len(StateCache(out).places)
    normalizer_states.main([*argv, "--samples", "9"])
    cache = StateCache(out)
    assert 1 <= before <= 2
    assert set(cache.places) == set(TEXTS)
    direct = TextStates.from_folder(llama)
    for text in TEXTS:
        states, ends = cache.of(text)
        events = direct.events(text)
        assert ends[-1] == len(text)
        expected = np.stack([event.embedding.numpy() for event in events])
        assert np.allclose(states, expected, atol=0.05, rtol=0.05)
    assert len(cache.states) == sum(len(ends) for _, ends in cache.places.values())
