from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama_speech.service.conversation.turns import Ear, NoiseFloor, TurnConfig, TurnDetector, Window
from llama_speech.service.endpoints.wire_audio import PCM, encode_samples
from llama_speech.voice_activity import load_voice_activity
from speech_core.audio import load_audio
from speech_core.errors import ConfigError
from speech_core.resampling import resample

SAMPLES = Path(__file__).resolve().parents[4] / "samples"

QUIET = np.zeros(512, dtype=np.float32)


def run(detector, *spans, answering=False):
    """Events of spans (ms, probability, level in dB): kind and ms."""
    events = []
    for length_ms, probability, level_db in spans:
        for _ in range(length_ms // 32):
            events += detector.push(Window(QUIET, probability, level_db), answering)
    return [(event.kind, event.sample // 16) for event in events]


SPEECH, PAUSE = (640, 0.9, -20.0), (640, 0.02, -60.0)


def test_a_turn_begins_pauses_and_ends():
    found = run(TurnDetector(TurnConfig(silence_ms=512)), PAUSE, SPEECH, PAUSE)
    assert found == [("started", 640), ("paused", 1280), ("ended", 1792)]


def test_a_short_pause_belongs_to_the_turn():
    found = run(TurnDetector(TurnConfig()), PAUSE, SPEECH, (256, 0.02, -60.0), SPEECH, PAUSE)
    assert [kind for kind, _ in found] == ["started", "paused", "resumed", "paused", "ended"]


def test_a_single_click_is_no_turn():
    assert run(TurnDetector(TurnConfig()), PAUSE, (32, 0.9, -10.0), PAUSE) == []


def test_speech_into_an_answer_holds_it_first_and_interrupts_later():
    found = run(TurnDetector(TurnConfig()), PAUSE, SPEECH, answering=True)
    assert found == [("maybe", 640), ("started", 640)]


def test_a_cough_does_not_interrupt():
    found = run(TurnDetector(TurnConfig()), PAUSE, (192, 0.9, -20.0), PAUSE, answering=True)
    assert [kind for kind, _ in found] == ["maybe", "dismissed"]


def test_words_that_sound_finished_end_the_turn_sooner():
    detector = TurnDetector(TurnConfig(silence_ms=4000))
    assert [kind for kind, _ in run(detector, PAUSE, SPEECH, (224, 0.02, -60.0))] == ["started", "paused"]
    detector.expect_end_after(320)
    assert run(detector, PAUSE) == [("ended", 1600)]


def test_speech_takes_the_judgement_back():
    detector = TurnDetector(TurnConfig(silence_ms=4000))
    run(detector, PAUSE, SPEECH, (224, 0.02, -60.0))
    detector.expect_end_after(320)
    assert [kind for kind, _ in run(detector, SPEECH, (1280, 0.02, -60.0))] == ["resumed", "paused"]


def test_noise_that_sounds_like_speech_ends_the_turn_all_the_same():
    """A fan: the network is sure it is speech, but it is as loud as the room."""
    found = run(TurnDetector(TurnConfig()), PAUSE, (9600, 0.9, -40.0))
    assert [kind for kind, _ in found][-1] == "ended"
    assert found[-1][1] < 640 + 6_000


def test_speech_above_the_noise_is_heard():
    found = run(TurnDetector(TurnConfig()), (9600, 0.1, -40.0), SPEECH, (640, 0.1, -40.0))
    assert [kind for kind, _ in found] == ["started", "paused", "ended"]


def test_a_turn_has_a_greatest_length():
    found = run(
        TurnDetector(TurnConfig(longest_turn_ms=3_200)), PAUSE, *[(320, 0.9, -20.0), (32, 0.9, -60.0)] * 10
    )
    assert ("ended", 640 + 3_200) in found


def test_the_room_is_the_lowest_level():
    floor = NoiseFloor()
    for _ in range(40):
        floor.push(-50.0)
    assert floor.push(-20.0) == pytest.approx(floor.push(-20.0))
    assert floor.push(-20.0) < -45


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(-70, 0), st.booleans()), max_size=200))
def test_events_come_in_an_order_that_makes_sense(windows):
    detector, allowed = (
        TurnDetector(TurnConfig(longest_turn_ms=2_000)),
        {
            "outside": {"maybe": "held", "started": "inside"},
            "held": {"dismissed": "outside", "started": "inside"},
            "inside": {"paused": "paused", "ended": "outside"},
            "paused": {"resumed": "inside", "ended": "outside"},
        },
    )
    state, last = "outside", 0
    for probability, level_db, answering in windows:
        for event in detector.push(Window(QUIET, probability, level_db), answering):
            state = allowed[state][event.kind]
            assert event.sample >= last or event.kind == "started"
            last = max(last, event.sample)
        assert detector.in_turn == (state in ("inside", "paused"))


@pytest.mark.parametrize("cut", [1, 1_001, 4_800])
def test_windows_do_not_depend_on_chunks(cut):
    voice, data = load_voice_activity(), np.random.default_rng(0).bytes(30_000)
    whole = Ear(PCM, voice).push(data)
    ear = Ear(PCM, voice)
    parts = [window for start in range(0, len(data), cut) for window in ear.push(data[start : start + cut])]
    assert len(parts) == len(whole) > 10
    for one, other in zip(parts, whole, strict=True):
        assert np.array_equal(one.audio, other.audio)
        assert one.probability == pytest.approx(other.probability, abs=1e-5)


def test_recorded_speech_is_one_turn():
    audio = load_audio(SAMPLES / "3607-135982-0000.flac", 24_000)
    data = encode_samples(
        np.concatenate([np.zeros(12_000, np.float32), audio, np.zeros(48_000, np.float32)]), PCM
    )
    detector = TurnDetector(TurnConfig())
    found = [
        event
        for window in Ear(PCM, load_voice_activity()).push(data)
        for event in detector.push(window, False)
    ]
    kinds = [event.kind for event in found]
    assert (kinds[0], kinds[-1]) == ("started", "ended")
    assert kinds.count("ended") == 1
    assert resample(audio, 24_000, 16_000).size > found[0].sample


@pytest.mark.parametrize(
    "wrong", [{"threshold": 2}, {"hold_ms": 10}, {"interrupt_ms": 50}, {"silence_ms": -1}]
)
def test_settings_that_contradict_each_other_are_refused(wrong):
    with pytest.raises(ConfigError):
        TurnConfig(**wrong)


def checking():
    return TurnDetector(TurnConfig(check_ms=160, interrupt_ms=832))


def test_words_are_looked_for_in_speech_during_an_answer():
    found = run(checking(), PAUSE, (800, 0.95, -20.0), answering=True)
    assert [kind for kind, _ in found] == ["maybe", *["check"] * 11]
    assert [kind for kind, _ in run(checking(), PAUSE, SPEECH)] == ["started"]  # nothing is heard: no need


def test_confirmed_words_interrupt_even_when_they_are_over():
    detector = checking()
    run(detector, PAUSE, (256, 0.95, -20.0), (160, 0.02, -60.0), answering=True)
    assert [(event.kind, event.sample) for event in detector.confirm()] == [("started", 640 * 16)]
    assert detector.in_turn
    assert detector.confirm() == []
    assert [kind for kind, _ in run(detector, (800, 0.02, -60.0))] == ["paused", "ended"]


def test_words_found_too_late_are_forgotten():
    detector = checking()
    run(detector, PAUSE, (256, 0.95, -20.0), (640, 0.02, -60.0), answering=True)
    assert detector.confirm() == []
