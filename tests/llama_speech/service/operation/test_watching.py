from prometheus_client.parser import text_string_to_metric_families

from llama_speech.service.conversation.outbox import Recognize, StartReply
from llama_speech.service.models.products import Said
from llama_speech.service.operation.metrics import Metrics
from llama_speech.service.operation.watching import TurnWatch
from tests.llama_speech.service.helpers import SILENCE, Driven, sound


def watched(driven, metrics, seen):
    """A watch that is shown all the session said and wants done so far."""
    watch = TurnWatch(driven.session, metrics, seen.append)
    for command in driven.commands:
        watch.command(command)
    return watch


def counts(metrics):
    """Number of durations of each stage."""
    families = text_string_to_metric_families(metrics.text().decode())
    return {
        sample.labels["stage"]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == "llama_speech_stage_seconds_count"
    }


def test_a_turn_is_timed_from_its_pause_to_its_first_sound():
    driven, metrics, seen = Driven(), Metrics(), []
    driven.turn()
    for command in (driven.last(Recognize), driven.last(StartReply)):
        command.marks.begin()
        command.marks.finish()
    driven.last(StartReply).marks.sound()
    watch = watched(driven, metrics, seen)
    for event in [*driven.log, *driven.produce(Said("Noon."), sound(200, (0, 200, 5)))]:
        watch.event(event)
    assert len(seen) == 1
    assert seen[0].session == driven.session.id
    assert seen[0].response == driven.session.answers.current.id
    assert counts(metrics)["voice_to_voice"] == counts(metrics)["turn_prefill"] == 1
    driven.hear(96, SILENCE)
    for event in driven.produce(sound(200)):
        watch.event(event)
    assert len(seen) == 1  # only the first sound of a turn


def test_an_interruption_is_timed_from_its_first_sound():
    driven, metrics = Driven(), Metrics()
    driven.turn()
    driven.produce(Said("Noon."), sound(2_000, (0, 200, 5)))
    watch = watched(driven, metrics, [])
    for event in driven.hear(960):
        watch.event(event)
    assert counts(metrics)["interruption"] == 1
    assert 0 < driven.session.speech_lag_s <= 0.4


def test_errors_are_counted():
    driven, metrics = Driven(), Metrics()
    watch = watched(driven, metrics, [])
    for event in driven.send("response.cancel"):
        watch.event(event)
    assert 'llama_speech_errors_total{code="response_cancel_not_active"} 1.0' in metrics.text().decode()
