"""Unlabelled audio: speech is cut out and scored, the rest is left out."""

from pathlib import Path

import numpy as np
import pytest

from recipes.data.manifests import read_manifest
from recipes.prepare_unlabelled import UnlabelledOptions, prepare
from speech_core.audio import load_audio, write_wav
from speech_core.errors import ConfigError, InputError

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "6880-216547-0000.flac"


@pytest.fixture
def folder(tmp_path):
    audio = tmp_path / "audio"
    (audio / "more").mkdir(parents=True)
    speech = load_audio(SAMPLE)
    pause = np.zeros(16_000 * 4, np.float32)
    write_wav(audio / "talk.wav", np.concatenate([pause, speech, pause]), 16_000)
    write_wav(
        audio / "more" / "noise.wav",
        np.random.default_rng(0).normal(0, 0.1, 48_000).astype(np.float32),
        16_000,
    )
    (audio / "broken.wav").write_bytes(b"RIFF")
    return audio


def test_speech_is_kept_with_its_place_and_score(folder, tmp_path):
    chosen = UnlabelledOptions(audio=folder, out=tmp_path / "out", language="en", licence="CC BY 4.0")
    counts = prepare(chosen)
    found = list(read_manifest(tmp_path / "out" / "train.jsonl"))
    assert {one.speaker for one in found} == {"talk.wav"}
    assert counts["files that cannot be read"] == 1
    assert counts["pieces"] == len(found) >= 1
    for one in found:
        assert one.extra["speech_score"] > 0.7
        assert 3.0 <= one.extra["start_s"] <= 11.0
        assert one.text is None
    assert sum(one.duration_s for one in found) == pytest.approx(5.7, abs=1.0)
    again = prepare(chosen)
    assert again["files known"] == 3
    assert len(list(read_manifest(tmp_path / "out" / "train.jsonl"))) == len(found)


def test_machines_share_the_files(folder, tmp_path):
    for number in (0, 1):
        prepare(UnlabelledOptions(audio=folder, out=tmp_path / "out", share=(number, 2)))
    journals = [(tmp_path / "out" / f"train-000{number}.done").read_text().split() for number in (0, 1)]
    assert sorted(journals[0] + journals[1]) == ["broken.wav", "more/noise.wav", "talk.wav"]


def test_what_cannot_be(tmp_path):
    with pytest.raises(InputError, match="is no folder"):
        prepare(UnlabelledOptions(audio=tmp_path / "none", out=tmp_path))
    with pytest.raises(ConfigError, match="share is 2 2"):
        UnlabelledOptions(share=(2, 2))
    with pytest.raises(ConfigError, match=r"least-score is 1\.5"):
        UnlabelledOptions(least_score=1.5)
