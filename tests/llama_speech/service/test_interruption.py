"""What interrupts an answer, with the shipped recognizer: words do, a cough or a long "mhm" does not.

`pytest -m bundle --log-cli-level INFO` shows the figures; with $LLAMA_SPEECH_DATA, a folder of speech sets,
of more words.
"""

import json
import logging
import os
from pathlib import Path

import numpy as np
import pytest

import llama_speech
from llama_speech.service.captions import WordCheck
from llama_speech.service.config import ServiceConfig
from llama_speech.service.hearing import TurnHearing
from llama_speech.service.listening import CHECK_PREFIX_MS
from llama_speech.service.metrics import Metrics
from llama_speech.service.outbox import Recognize
from llama_speech.service.turns import Ear, TurnConfig, TurnDetector
from llama_speech.service.wire_audio import PCM, encode_samples
from llama_speech.voice_activity import load_voice_activity
from speech_core.audio import load_audio
from speech_core.resampling import resample
from tests.llama_speech.service.sounds import cough, mhm

_log = logging.getLogger(__name__)
SAMPLES = Path(__file__).resolve().parents[3] / "samples"
CONFIG = TurnConfig(check_ms=128, interrupt_ms=832)
_AUDIBLE = 0.1  # of the loudest sample
_REST = np.random.default_rng(0).standard_normal(8_000).astype(np.float32) * 5e-4


@pytest.fixture(scope="module")
def hearing():
    model = llama_speech.load(device="cpu", threads=1)
    return TurnHearing(model.parts.loaded, model.languages, "ctc", Metrics())


def windows_of(audio):
    """Sound between two rests, and its windows."""
    sound = np.concatenate([_REST, audio, _REST, _REST])
    pcm = encode_samples(resample(sound, 16_000, 24_000), PCM)
    return sound, Ear(PCM, load_voice_activity()).push(pcm)


def held_after_ms(audio):
    """From what can first be heard until the answer is held back; None if it is not."""
    sound, windows = windows_of(audio)
    onset = np.flatnonzero(np.abs(sound) > _AUDIBLE * np.abs(sound).max())[0] / 16
    detector = TurnDetector(CONFIG)
    for number, window in enumerate(windows, start=1):
        if any(event.kind == "maybe" for event in detector.push(window, True)):
            return number * 32 - onset
    return None


def interruption_ms(hearing, audio):
    """Speech heard before an answer is interrupted, in ms of sound; None if it is not."""
    sound, windows = windows_of(audio)
    detector, check, found = TurnDetector(CONFIG), WordCheck(), []
    for number, window in enumerate(windows, start=1):
        for event in detector.push(window, True):
            if event.kind == "maybe":
                check = WordCheck()
            elif event.kind == "started":
                return number * 32 - event.sample // 16
            elif event.kind == "check":
                heard = sound[max(event.sample - CHECK_PREFIX_MS * 16, 0) : number * 512]
                hearing([(Recognize(0, heard, partial=True), lambda text, *rest: found.append(text))], "en")
                if check.answered(found[-1]):
                    return number * 32 - event.sample // 16
    return None


def spoken():
    """Beginnings of real speech."""
    files = sorted(SAMPLES.glob("*.flac"))
    data = os.environ.get("LLAMA_SPEECH_DATA")
    for name in ("librispeech", "kathleen-en", "flight-of-the-amazon-queen") if data else ():
        lines = (Path(data) / name / "dev.jsonl").read_text(encoding="utf-8").splitlines()[:14]
        files += [Path(data) / name / json.loads(line)["audio"] for line in lines]
    return [load_audio(file, 16_000)[: 16_000 * 3] for file in files]


def test_an_answer_falls_silent_soon_after_the_first_voice():
    """The client plays what it has when sending is held: the lead at most."""
    times = [ms for ms in map(held_after_ms, spoken()) if ms is not None]
    seeds = (30, 20) if os.environ.get("LLAMA_SPEECH_DATA") else (3, 3)
    hums, coughs = (
        [held_after_ms(make(seed)) is not None for seed in range(count)]
        for make, count in zip((mhm, cough), seeds, strict=True)
    )
    silent = np.percentile(times, [25, 50, 75, 95]) + ServiceConfig().lead_ms
    _log.info("silent at most %s ms after speech begins (25, 50, 75, 95 %%)", silent.round().tolist())
    _log.info("held by %d of %d hums, %d of %d coughs", sum(hums), len(hums), sum(coughs), len(coughs))
    assert silent[1] <= 200


@pytest.mark.bundle
def test_words_interrupt_and_sounds_do_not(hearing):
    hums = [interruption_ms(hearing, mhm(seed)) for seed in range(30)]
    coughs = [interruption_ms(hearing, cough(seed)) for seed in range(20)]
    words = [interruption_ms(hearing, audio) for audio in spoken()]
    times = [ms for ms in words if ms is not None]
    quartiles = np.percentile(times, [25, 50, 75, 95]).round().tolist()
    shares = [sum(ms is not None for ms in one) for one in (hums, coughs)]
    _log.info("interrupted by mhm %d of 30, by coughs %d of 20", *shares)
    _log.info("by words %d of %d, after %s ms (25, 50, 75, 95 %%)", len(times), len(words), quartiles)
    assert shares[0] <= 8
    assert shares[1] == 0
    assert len(times) >= 0.9 * len(words)
    assert quartiles[1] <= 500
