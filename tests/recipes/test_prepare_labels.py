"""Texts for recordings without: two listeners must agree, dev texts stay out, nothing is heard twice."""

import json
from pathlib import Path

import numpy as np
import pytest

from recipes.data.manifests import Utterance, read_manifest, write_manifest
from recipes.prepare_labels import LabelOptions, difference, prepare
from speech_core.audio import write_wav
from speech_core.errors import ConfigError, InputError

MODELS = (Path("large"), Path("small"))


class Listener:
    """Says of each clip what it is told to, by the clip's loudest sample."""

    def __init__(self, *texts: str) -> None:
        self.texts, self.heard = texts, 0

    def __call__(self, audio: np.ndarray) -> str:
        self.heard += 1
        return self.texts[round(float(audio.max()) * 10)]


@pytest.fixture
def manifest(tmp_path):
    clips = []
    for number in range(5):
        write_wav(tmp_path / f"{number}.wav", np.full(16_000, number / 10, np.float32), 16_000)
        text = "known" if number == 4 else None
        clips.append(Utterance(f"c/{number}", f"{number}.wav", text, "en", "someone", 1.0, "c", "CC0"))
    write_manifest(tmp_path / "clips.jsonl", clips)
    return tmp_path / "clips.jsonl"


def test_what_two_agree_on_is_kept(manifest, tmp_path):
    dev = tmp_path / "speech" / "set" / "dev.jsonl"
    dev.parent.mkdir(parents=True)
    dev.write_text(json.dumps({"text": "I will not be trained on"}) + "\n")
    options = LabelOptions(
        out=tmp_path / "out", manifest=manifest, speech_dir=tmp_path / "speech", whisper=MODELS
    )
    large = Listener("A 12 ounce coffee, please.", "Some tea with milk.", "Oh!", "I will not be trained on.")
    small = Listener("A 12-ounce coffee please", "Sun tea would melt.", "Oh!", "I will not be trained on.")
    counts = prepare(options, (large, small))
    assert counts == {"kept": 1, "not agreed on": 1, "too short": 1, "held out": 1}
    (kept,) = read_manifest(tmp_path / "out" / "train.jsonl")
    assert kept.text == "A twelve ounce coffee, please."
    assert kept.extra["text_by"] == ["large", "small"]
    assert kept.extra["text_difference"] <= 0.1
    again = Listener(), Listener()
    assert prepare(options, again) == counts
    assert again[0].heard == again[1].heard == 0


def test_loops_that_both_fall_into_are_left_out(manifest, tmp_path):
    options = LabelOptions(out=tmp_path / "out", manifest=manifest, whisper=MODELS)
    texts = (
        "The legs are greenish. The legs are greenish.",
        "No, no, no, it is very, very far.",
        "Successive reactions create. Successive reactions create. Successive",
        "It is what it is, and what it is is good.",
    )
    counts = prepare(options, (Listener(*texts), Listener(*texts)))
    assert counts == {"kept": 2, "said twice": 2}
    assert [one.text for one in read_manifest(tmp_path / "out" / "train.jsonl")] == [texts[1], texts[3]]


def test_difference_is_a_share_of_letters():
    assert difference("Soy milk!", "soy milk") == 0.0
    assert difference("soy milk", "soy silk") == pytest.approx(1 / 8)
    assert difference("", "soy milk") == difference("soy milk", "...") == 1.0


def test_what_cannot_be(tmp_path, manifest):
    with pytest.raises(ConfigError, match="names 1 models"):
        LabelOptions(whisper=MODELS[:1])
    with pytest.raises(ConfigError, match="either --manifest"):
        LabelOptions(whisper=MODELS)
    with pytest.raises(ConfigError, match="from 0 to 1"):
        LabelOptions(manifest=manifest, whisper=MODELS, most_difference=1.0)
    write_manifest(manifest, [])
    with pytest.raises(InputError, match="no recording without a text"):
        prepare(LabelOptions(out=tmp_path, manifest=manifest, whisper=MODELS), (Listener(), Listener()))
