"""The pipeline with a tiny stack of the real parts: order, windows, memory."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llama_speech.languages import find_language
from llama_speech.pipeline import Pipeline, TranscribeOptions
from llama_speech.results import Transcription
from llama_speech.segments import SegmentConfig
from speech_core.audio import load_audio
from speech_core.errors import AudioError, SpeechError

SAMPLES = sorted((Path(__file__).resolve().parents[2] / "samples").glob("*.flac"))
ENGLISH = find_language("en")


def make(tiny_model, **options: Any) -> Pipeline:
    parts = tiny_model.parts
    chosen = TranscribeOptions(ENGLISH, mode="ctc", **options)
    return Pipeline(parts.recognizer, parts.decode, parts.features, chosen)


def texts(outcomes: list[Transcription | SpeechError]) -> list[str]:
    return [outcome.text for outcome in outcomes if isinstance(outcome, Transcription)]


def test_outcomes_come_in_order_while_later_recordings_are_still_unread(tiny_model):
    audio = load_audio(SAMPLES[0])
    opened: list[int] = []

    def opener(number: int):
        def open_it():
            opened.append(number)
            return [audio]

        return open_it

    pipeline = make(tiny_model, batch_size=1)
    outcomes = pipeline.run(opener(number) for number in range(12))
    first = next(outcomes)
    assert isinstance(first, Transcription)
    assert len(opened) < 12
    rest = list(outcomes)
    assert opened == list(range(12))
    assert texts(rest) == [first.text] * 11


def test_an_error_half_way_drops_only_that_recording(tiny_model):
    audio = load_audio(SAMPLES[0])

    def broken():
        yield audio
        yield np.zeros(60_000, np.float32)
        raise AudioError("x: damaged")

    outcomes = list(make(tiny_model, batch_size=4).run([lambda: [audio], broken, lambda: [audio]]))
    assert texts(outcomes[:1]) == texts(outcomes[2:])
    assert isinstance(outcomes[1], SpeechError)
    assert str(outcomes[1]) == "x: damaged"


def test_never_more_than_one_window_waits(tiny_model):
    audio = np.concatenate([load_audio(path) for path in SAMPLES] * 4)
    pipeline = make(tiny_model, batch_size=2, vad=False, segments=SegmentConfig(target_s=2.0, max_s=3.0))
    most = 0

    def blocks():
        nonlocal most
        for start in range(0, audio.size, 16000):
            yield audio[start : start + 16000]
            most = max(most, len(pipeline._waiting))

    (outcome,) = pipeline.run([blocks])
    assert isinstance(outcome, Transcription)
    assert most == 7  # one less than a window of four batches


MEMORY = """
import resource, sys
import llama_speech
from tests.speech_core.test_audio import LongWav
bundle, llama, minutes = sys.argv[1:]
model = llama_speech.load(bundle, llama, device="cpu", dtype="float32", threads=1)
result = model.transcribe(LongWav(60 * int(minutes), rate=16000), mode="ctc", vad=False)
assert result.duration_s == 60 * int(minutes)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(tiny_stack):
    root = Path(__file__).resolve().parents[2]

    def peak_mb(minutes: int) -> int:
        command = [sys.executable, "-c", MEMORY, str(tiny_stack.bundle), str(tiny_stack.llama), str(minutes)]
        return int(subprocess.run(command, cwd=root, capture_output=True, check=True, text=True).stdout)

    assert peak_mb(60) < peak_mb(15) + 60
