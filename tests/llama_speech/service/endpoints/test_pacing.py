import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama_speech.service.endpoints.pacing import LONGEST_LEAD_MS, Pace, Playback, cut
from llama_speech.service.models.products import Sound, SpokenMark
from tests.fakes import FakeClock

RATE = 24_000


def test_a_client_plays_what_it_has():
    clock = FakeClock()
    playback = Playback(clock)
    assert (playback.left_ms, playback.heard_ms) == (0, 0)
    playback.sent(100)
    clock.advance(0.06)
    assert (playback.left_ms, playback.heard_ms) == (pytest.approx(40), pytest.approx(60))


def test_silence_between_two_sounds_is_not_heard():
    clock = FakeClock()
    playback = Playback(clock)
    playback.sent(100)
    clock.advance(1.0)
    playback.sent(100)
    clock.advance(0.03)
    assert (playback.left_ms, playback.heard_ms) == (pytest.approx(70), pytest.approx(130))


@given(st.lists(st.integers(0, 300), min_size=1, max_size=60))
def test_a_client_never_has_more_than_the_lead(pauses_ms):
    """Whenever more is sent, what is then in store is at most the lead, and at most one piece less."""
    clock, pace = FakeClock(), Pace(80, FakeClock())
    pace.arrived(0.02)
    playback = Playback(clock)
    for pause_ms in pauses_ms:
        clock.advance(pause_ms / 1000)
        while pace.wait_s(playback.left_ms, 10_000) == 0:
            playback.sent(pace.piece_ms)
        assert 80 - pace.piece_ms - 1 <= playback.left_ms <= 81
        wait_s = pace.wait_s(playback.left_ms, 10_000)
        assert wait_s == pytest.approx((playback.left_ms + pace.piece_ms - 80) / 1000)


def test_a_steady_microphone_leaves_the_lead_as_it_is():
    clock = FakeClock()
    pace = Pace(80, clock)
    for size in [0.02, 0.1, 0.05] * 40:
        clock.advance(size)
        pace.arrived(size)
    assert (pace.jitter_ms, pace.lead_ms) == (pytest.approx(0), pytest.approx(80))


def test_sound_that_comes_irregularly_makes_the_lead_longer():
    clock, rng = FakeClock(), np.random.default_rng(0)
    pace = Pace(80, clock)
    begin = clock()
    for number in range(1, 300):
        clock.now_s = max(clock(), begin + number * 0.02 + rng.uniform(0, 0.06))
        pace.arrived(0.02)
    assert 40 < pace.jitter_ms < 60
    assert pace.lead_ms == pytest.approx(80 + pace.jitter_ms)


@pytest.mark.parametrize("step_s", [0.0, 0.005])
def test_a_recording_sent_at_once_is_not_irregular(step_s):
    clock = FakeClock()
    pace = Pace(80, clock)
    for _ in range(100):
        clock.advance(step_s)
        pace.arrived(0.5)
    assert pace.jitter_ms == 0


def test_a_microphone_that_was_off_is_not_late():
    clock = FakeClock()
    pace = Pace(80, clock)
    for number in range(100):
        clock.advance(5.0 if number % 40 == 39 else 0.02)
        pace.arrived(0.02)
    assert pace.jitter_ms == pytest.approx(0)


def test_a_client_that_sends_no_sound_cannot_interrupt():
    clock = FakeClock()
    pace = Pace(80, clock)
    assert pace.lead_ms == LONGEST_LEAD_MS
    pace.arrived(0.02)
    assert pace.lead_ms == 80
    clock.advance(2.1)
    assert pace.lead_ms == LONGEST_LEAD_MS
    assert Pace(600, clock).lead_ms == 600


def test_the_lead_has_a_limit_unless_more_was_asked_for():
    clock = FakeClock()
    late, asked = Pace(80, clock), Pace(60_000, clock)
    for number in range(200):
        clock.advance(0.9 if number % 10 == 0 else 0.0)
        late.arrived(0.09)
        asked.arrived(0.09)
    assert late.jitter_ms > 500
    assert late.lead_ms == LONGEST_LEAD_MS
    assert asked.lead_ms == 60_000
    assert asked.piece_ms == 200


@given(st.integers(1, 400), st.lists(st.integers(0, 2_000), max_size=6), st.integers(0, 500))
def test_cutting_loses_neither_sound_nor_words(samples, starts, begin):
    audio = np.arange(1_000, dtype=np.float32)
    words = tuple(SpokenMark(start, start + 10, number) for number, start in enumerate(sorted(starts)))
    rest, pieces = Sound(audio, RATE, words), []
    place = begin
    while rest is not None:
        piece, rest = cut(rest, samples, place)
        place += piece.audio.size
        if rest is not None:
            assert piece.audio.size == samples
            assert all(word.start_sample < place for word in piece.words)
            assert all(word.start_sample >= place for word in rest.words)
        pieces.append(piece)
    assert np.array_equal(np.concatenate([piece.audio for piece in pieces]), audio)
    assert tuple(word for piece in pieces for word in piece.words) == words
