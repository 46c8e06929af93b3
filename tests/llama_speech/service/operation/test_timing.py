import pytest

from llama_speech.service.operation.timing import STAGES, Marks, turn_times


def marks(asked, begun, done, sounded=None):
    return Marks(asked, begun, done, sounded)


def test_the_stages_of_a_turn_add_up_to_its_time():
    heard, answered = marks(10.0, 10.1, 10.3), marks(10.3, 10.35, 10.5, 10.9)
    times = turn_times(("s", "r"), heard, answered, confirmed=10.7, sent=11.0)
    assert times is not None
    assert list(times.stages) == list(STAGES)
    assert sum(times.stages.values()) == pytest.approx(times.sent - times.paused) == 1.0
    assert times.stages["recognition"] == pytest.approx(0.2)
    assert times.stages["confirm"] == 0.0


def test_sound_that_is_early_waits_for_the_end_of_the_turn():
    heard, answered = marks(10.0, 10.0, 10.1), marks(10.1, 10.1, 10.2, 10.25)
    times = turn_times(("s", "r"), heard, answered, confirmed=10.4, sent=10.41)
    assert times is not None
    assert times.stages["confirm"] == pytest.approx(0.15)
    assert times.stages["send"] == pytest.approx(0.01)


def test_a_turn_without_all_marks_is_left_out():
    assert turn_times(("s", "r"), marks(1.0, 1.1, 1.2), marks(1.2, 1.3, 1.4), 1.5, 1.6) is None


def test_only_the_first_result_is_marked():
    one = Marks()
    one.finish()
    one.sound()
    first = (one.done, one.sounded)
    one.finish()
    one.sound()
    assert (one.done, one.sounded) == first
