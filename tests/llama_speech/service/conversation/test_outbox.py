import pytest

from llama_speech.service.conversation.outbox import Outbox, StopReply, random_id
from speech_core.errors import ProtocolError
from tests.llama_speech.service.helpers import OFFICIAL


def test_ids_are_long_and_differ():
    ids = {random_id("item") for _ in range(1_000)}
    assert len(ids) == 1_000
    assert all(len(one) == 26 and one.startswith("item_") and one[5:].isalnum() for one in ids)


def test_events_and_commands_are_taken_once_and_in_order():
    outbox = Outbox()
    outbox.emit("input_audio_buffer.cleared")
    outbox.emit("conversation.item.deleted", item_id="a")
    outbox.command(StopReply(outbox.number()))
    events = outbox.take_events()
    assert [event["type"] for event in events] == ["input_audio_buffer.cleared", "conversation.item.deleted"]
    assert len({event["event_id"] for event in events}) == 2
    assert outbox.take_commands() == [StopReply(1)]
    assert (outbox.take_events(), outbox.take_commands(), outbox.number()) == ([], [], 2)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("invalid_value", "invalid_request_error"),
        ("rate_limit_exceeded", "rate_limit_error"),
        ("session_limit_reached", "rate_limit_error"),
        ("inference_error", "server_error"),
    ],
)
def test_errors_have_the_type_of_their_code(code, kind):
    outbox = Outbox()
    outbox.error(ProtocolError("wrong", code, "a.b"), "evt_7")
    (event,) = outbox.take_events()
    OFFICIAL.validate_python(event)
    assert event["error"] == {
        "type": kind,
        "code": code,
        "message": "wrong",
        "param": "a.b",
        "event_id": "evt_7",
    }
