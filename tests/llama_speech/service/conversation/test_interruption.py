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
from llama_speech.service.conversation.interruption import CHECK_PREFIX_MS, WordCheck
from llama_speech.service.conversation.outbox import Recognize
from llama_speech.service.conversation.turns import Ear, TurnConfig, TurnDetector
from llama_speech.service.endpoints.wire_audio import PCM, encode_samples
from llama_speech.service.models.hearing import TurnHearing
from llama_speech.service.models.products import Finished, Said
from llama_speech.service.operation.config import ServiceConfig
from llama_speech.service.operation.metrics import Metrics
from llama_speech.voice_activity import load_voice_activity
from speech_core.audio import load_audio
from speech_core.resampling import resample
from tests.llama_speech.service.helpers import SILENCE, Driven, kinds, partials, sound
from tests.llama_speech.service.sounds import cough, mhm

_log = logging.getLogger(__name__)
SAMPLES = Path(__file__).resolve().parents[4] / "samples"
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


def test_speech_interrupts_an_answer_and_its_sound():
    driven = Driven()
    driven.turn()
    driven.produce(Said("It is noon."), sound(2_000, (0, 600, 2), (600, 1_200, 5), (1_200, 2_000, 11)))
    events = driven.hear(640)
    assert kinds(events)[0] == "input_audio_buffer.speech_started"
    assert events[-1]["response"]["status_details"]["reason"] == "turn_detected"
    assert "response.output_audio.delta" not in kinds(events)
    assert driven.produce(sound(500), Finished()) == []


def test_a_cough_only_holds_the_answer_back():
    driven = Driven()
    driven.turn()
    driven.produce(Said("It is noon."), sound(500, (0, 400, 5)))
    assert driven.hear(160) == []
    assert driven.produce(sound(500, (400, 900, 11))) == []
    events = driven.hear(160, SILENCE)
    assert "response.output_audio.delta" in kinds(events)
    assert "input_audio_buffer.speech_started" not in kinds(events)
    assert driven.produce(Finished())[-1]["response"]["status"] == "completed"


def held(**options):
    """An answer that is held back by 160 ms of speech."""
    driven = Driven(**options)
    driven.turn()
    driven.produce(Said("It is noon."), sound(500, (0, 400, 5)))
    driven.hear(160)
    assert driven.produce(sound(500, (400, 900, 11)), Finished()) == []
    return driven


@pytest.mark.parametrize(
    "event",
    [
        {"type": "input_audio_buffer.clear"},
        {"type": "input_audio_buffer.commit"},
        {"type": "session.update", "session": {"audio": {"input": {"turn_detection": None}}}},
    ],
)
def test_an_answer_goes_on_when_the_client_forgets_what_held_it(event):
    driven = held()
    driven.session.handle(event)
    assert "response.done" in kinds(driven.collect())


def test_an_answer_goes_on_when_the_microphone_is_switched_off():
    driven = held()
    driven.clock.advance(0.5)
    driven.session.tick()
    assert driven.collect() == []
    driven.clock.advance(1.0)
    driven.session.tick()
    assert driven.collect()[-1]["response"]["status"] == "completed"


def test_words_into_a_paced_answer_silence_it_before_they_are_known():
    driven = Driven(lead_ms=80, turns=TurnConfig(check_ms=128, interrupt_ms=832))
    driven.turn()
    driven.produce(Said("It is noon."), sound(5_000, (0, 400, 5), (400, 900, 11)), Finished())
    for _ in range(20):
        driven.clock.advance(0.02)
        driven.session.advance()
    driven.collect()
    assert driven.hear(96) == []
    before = driven.session.answers.current.heard_ms
    assert driven.hear(224) == []
    assert driven.session.answers.current.heard_ms - before <= 80
    events = driven.words("what about")
    assert kinds(events)[0] == "input_audio_buffer.speech_started"
    assert events[-1]["response"]["status_details"]["reason"] == "turn_detected"
    assert "response.output_audio.delta" not in kinds(events)
    (item,) = [item for item in driven.session.conversation if item.role == "assistant"]
    assert item.parts[0].text == "It is"
    assert item.parts[0].duration_ms < 700


def speaking_into_an_answer():
    """A session whose answer is heard, as a server sets it up."""
    driven = Driven(turns=TurnConfig(check_ms=160, interrupt_ms=832))
    driven.turn()
    driven.produce(Said("Noon has come."), sound(4_000, (0, 400, 4)))
    return driven


def test_words_interrupt_an_answer_once_they_are_certain():
    driven, found = speaking_into_an_answer(), []
    for _ in range(2):
        while not partials(driven)[len(found) :]:
            assert "input_audio_buffer.speech_started" not in kinds(driven.hear(32))
        found.append(partials(driven)[-1])
        driven.session.recognized(found[-1], "stop")
    assert kinds(driven.collect())[0] == "input_audio_buffer.speech_started"
    assert driven.session.answers.current.state == "over"


def test_a_word_is_heard_even_if_it_ended_before_it_was_recognized():
    driven = speaking_into_an_answer()
    driven.hear(288)
    driven.hear(160, SILENCE)
    job = partials(driven)[-1]
    driven.session.recognized(job, "stop")
    assert driven.collect() == []  # one result is not enough, and no sound follows
    driven = speaking_into_an_answer()
    driven.hear(192)
    driven.session.recognized(partials(driven)[-1], "stop")
    driven.hear(96)
    driven.hear(160, SILENCE)
    driven.session.recognized(partials(driven)[-1], "stop")
    assert "response.done" in kinds(driven.collect())


@pytest.mark.parametrize("text", ["", "H", "mhm", "Mm, hmm.", "Hmmmm... Hmmmm"])
def test_a_long_mhm_does_not_interrupt(text):
    driven = speaking_into_an_answer()
    for _ in range(25):  # 800 ms
        assert driven.hear(32) == []
        for job in partials(driven)[-1:]:
            driven.session.recognized(job, text)
    assert "input_audio_buffer.speech_started" not in kinds(driven.hear(320, SILENCE))
    assert driven.session.answers.current.running


def test_sound_that_does_not_end_interrupts_all_the_same():
    driven = speaking_into_an_answer()
    assert "response.done" in kinds(driven.hear(864))


@pytest.mark.parametrize("text", ["stop", "please H", "21", "No.", "sí"])
def test_words_are_words(text):
    check = WordCheck()
    assert [check.answered(text) for _ in range(6)][-1]


@pytest.mark.parametrize("text", ["", "H", "a b", "Mhm.", "uh, HMM", "..."])
def test_sounds_are_no_words(text):
    check = WordCheck()
    assert not any(check.answered(text) for _ in range(6))


def test_words_are_certain_when_two_results_have_some():
    check = WordCheck()
    assert [check.answered(text) for text in ("stop", "H", "stop", "stop")] == [False, False, False, True]
    assert WordCheck().answered("stop it")  # many letters
    assert not WordCheck().answered("mhm uh hmm")


def test_a_word_of_two_letters_has_to_be_heard_three_times():
    check = WordCheck()
    assert [check.answered("No.") for _ in range(3)] == [False, False, True]
