"""Words so far: the urgent ones at once, the others when there is time, and late ones not at all."""

import numpy as np
import pytest

from llama_speech.service.conversation.outbox import Recognize
from llama_speech.service.models.partials import Partials

AUDIO = np.zeros(160, dtype=np.float32)


@pytest.fixture
def heard():
    return []


def turn(heard, job, urgent=False, age_s=0.0):
    command = Recognize(job, AUDIO, partial=True, urgent=urgent)
    command.marks.asked -= age_s
    return command, lambda text, error, speech=(): heard.append((job, text, error))


def test_urgent_ones_come_first_where_only_they_may(heard):
    partials = Partials()
    for job, urgent in ((1, False), (2, True), (3, False)):
        partials.add(turn(heard, job, urgent))
    assert partials.take(urgent_only=True)[0].job == 2
    assert partials.take(urgent_only=True) is None
    assert [partials.take(urgent_only=False)[0].job for _ in range(2)] == [1, 3]
    assert partials.take(urgent_only=False) is None
    assert heard == []


def test_late_ones_are_forgotten_and_told(heard):
    partials = Partials()
    for job, urgent, age_s in ((1, False, 60.0), (2, True, 60.0), (3, False, 0.0)):
        partials.add(turn(heard, job, urgent, age_s))
    assert partials.take(urgent_only=True)[0].job == 2
    assert heard == [(1, "", None)]
    assert len(partials) == 1


def test_however_long_nobody_has_time_the_queue_stays_short(heard):
    partials = Partials(stale_s=0.0)
    for job in range(1000):
        partials.add(turn(heard, job, age_s=1.0))
        partials.take(urgent_only=True)
    assert len(partials) == 0
    assert len(heard) == 1000
