"""Manifests with case: whose clips are left out, and that nothing is heard twice."""

import json
from pathlib import Path

import numpy as np
import pytest

from recipes.data.manifests import Utterance, read_manifest, write_manifest
from recipes.prepare_case import CaseOptions, prepare
from speech_core.audio import write_wav
from speech_core.errors import ConfigError, InputError


@pytest.fixture
def manifest(tmp_path):
    clips = []
    for number, speaker in enumerate(["a", "b", "a", "c"]):
        write_wav(tmp_path / f"{number}.wav", np.full(16_000, number / 10, np.float32), 16_000)
        text = "hello my good friend" if number < 3 else None
        clips.append(Utterance(f"c/{number}", f"{number}.wav", text, "en", speaker, 1.0, "c", "CC0"))
    write_manifest(tmp_path / "clips.jsonl", clips)
    return tmp_path / "clips.jsonl"


def test_clips_that_are_heard_otherwise_and_kept_speakers_are_left_out(manifest, tmp_path):
    kept_out = tmp_path / "dev.jsonl"
    kept_out.write_text(json.dumps({"speaker": "b"}) + "\n")
    options = CaseOptions(out=tmp_path / "out", manifest=manifest, whisper=Path("tiny"), without=(kept_out,))
    heard = []

    def listener(audio):
        heard.append(audio)
        return "Hello, my good friend." if audio.max() < 0.1 else "Nothing of it"

    assert prepare(options, listener) == 1
    (kept,) = read_manifest(tmp_path / "out" / "train.jsonl")
    assert (kept.id, kept.text) == ("c/0", "Hello, my good friend.")
    assert Path(kept.audio) == (tmp_path / "0.wav").resolve()
    assert prepare(options, listener) == 1
    assert len(heard) == 2, "nothing is heard twice"


def test_sentences_tell_the_usual_case(manifest, tmp_path):
    (tmp_path / "text.txt").write_text("Hello my Friend\nGoodbye Friend\n")
    options = CaseOptions(out=tmp_path / "out", manifest=manifest, sentences=tmp_path / "text.txt")
    assert prepare(options) == 3
    assert {one.text for one in read_manifest(tmp_path / "out" / "train.jsonl")} == {"Hello my good Friend."}


def test_options_that_make_no_sense_are_errors(manifest, tmp_path):
    with pytest.raises(ConfigError, match="either --whisper or --sentences"):
        CaseOptions(manifest=manifest)
    with pytest.raises(ConfigError, match="either --manifest"):
        CaseOptions(whisper=Path("tiny"))
    write_manifest(manifest, [])
    (tmp_path / "text.txt").write_text("Hello\n")
    with pytest.raises(InputError, match="no clip with a text"):
        prepare(CaseOptions(out=tmp_path / "out", manifest=manifest, sentences=tmp_path / "text.txt"))
