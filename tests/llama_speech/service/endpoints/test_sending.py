import json
from typing import Any

from llama_speech.service.endpoints.sending import SendQueue


def delta(response, sound="AAAA"):
    return {"type": "response.output_audio.delta", "response_id": response, "delta": sound}


def done(response, status):
    return {"type": "response.done", "response": {"id": response, "status": status}}


def drain(queue):
    return [json.loads(queue.take()) for _ in range(len(queue))]


def test_events_leave_in_their_order():
    queue = SendQueue(1_000)
    events = [{"type": "a"}, delta("r"), {"type": "b", "text": "ü"}, done("r", "completed")]
    for event in events:
        queue.put(event)
    assert drain(queue) == events


def test_sound_of_a_stopped_answer_is_taken_back():
    queue = SendQueue(1_000)
    for event in (delta("r1"), delta("r2"), {"type": "x"}, done("r1", "cancelled")):
        queue.put(event)
    assert drain(queue) == [delta("r2"), {"type": "x"}, done("r1", "cancelled")]


def test_a_slow_reader_is_noticed():
    queue: Any = SendQueue(200)
    queue.put(delta("r", "A" * 100))
    assert not queue.overflowing
    queue.put(delta("r", "A" * 100))
    assert queue.overflowing
    drain(queue)
    assert not queue.overflowing
