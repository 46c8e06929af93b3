"""The labeller hears real speech as well as Whisper does, in its short window and in the long one."""

from pathlib import Path

import numpy as np
import pytest

from llama_speech.evaluation.peer_models import find_or_fetch_model
from llama_speech.evaluation.scores import score_texts
from recipes.data.whisper_labels import SHORT_S, WhisperLabeller
from speech_core.audio import load_audio

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


@pytest.mark.bundle
def test_short_and_long_clips_are_heard():
    pytest.importorskip("faster_whisper")
    listen = WhisperLabeller(find_or_fetch_model("tiny.en"))
    rows = [line.split("\t") for line in (SAMPLES / "transcripts.tsv").read_text().splitlines()[1:]]
    clips = [load_audio(SAMPLES / row[0]) for row in rows]
    assert {len(clip) > SHORT_S * 16_000 for clip in clips} == {True, False}
    rate = score_texts([row[-1] for row in rows], [listen(clip) for clip in clips]).rate
    assert rate is not None
    assert rate < 0.15
    assert len(listen(np.zeros(16_000, np.float32))) < 150  # what it makes up in silence has an end
