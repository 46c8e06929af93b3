import base64

import numpy as np
import pytest

from llama_speech.service.conversation.outbox import Message, Recognize, StartReply
from llama_speech.service.conversation.session import Session
from llama_speech.service.models.products import Called, Finished, Said
from tests.llama_speech.service.helpers import SILENCE, Driven, kinds, sound

HEARD = {"transcript": "It is"}


def error_of(events):
    return next(event["error"] for event in events if event["type"] == "error")


def spoken():
    """A session in which an answer of two seconds was given."""
    driven = Driven()
    driven.turn()
    driven.produce(Said("It is noon."), sound(900, (0, 300, 2), (300, 600, 5), (600, 900, 10)), Finished())
    return driven, driven.session.conversation.last_id


def test_the_first_event_is_the_session():
    driven = Driven(instructions="Be nice.", longest_s=60)
    (created,) = driven.log
    assert created["type"] == "session.created"
    assert created["session"]["instructions"] == "Be nice."
    assert created["session"]["expires_at"] == 1_060


@pytest.mark.parametrize(
    ("end_ms", "text", "told"),
    [(0, "", 0), (650, "It is", 650), (900, "It is noon", 900), (99_999, "It is noon", 900)],
)
def test_the_next_prompt_holds_exactly_the_words_heard(end_ms, text, told):
    driven, item_id = spoken()
    (event,) = driven.send(
        "conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=end_ms
    )
    assert (event["type"], event["audio_end_ms"]) == ("conversation.item.truncated", told)
    (shown,) = driven.send("conversation.item.retrieve", item_id=item_id)
    assert shown["item"]["content"][0]["transcript"] == text
    assert len(base64.b64decode(shown["item"]["content"][0].get("audio", ""))) == 48 * told
    driven.clock.advance(5)
    driven.turn("and in Rome")
    said = [message for message in driven.last(StartReply).messages if message.role == "assistant"]
    assert said == ([Message("assistant", text)] if text else [])


def test_an_answer_under_way_is_stopped_and_cut():
    driven = Driven()
    driven.turn()
    driven.produce(Said("It is noon."), sound(900, (0, 300, 2), (300, 600, 5), (600, 900, 10)))
    driven.clock.advance(2)
    events = driven.send(
        "conversation.item.truncate", item_id=driven.session.conversation.last_id, audio_end_ms=400
    )
    assert kinds(events)[-2:] == ["response.done", "conversation.item.truncated"]
    assert driven.produce(sound(100), Finished()) == []


@pytest.mark.parametrize(
    ("kind", "fields", "code"),
    [
        ("conversation.item.retrieve", {"item_id": "x"}, "item_retrieve_invalid_item_id"),
        ("conversation.item.delete", {"item_id": "x"}, "item_delete_invalid_item_id"),
        ("conversation.item.truncate", {"item_id": "x", "audio_end_ms": 1}, "item_truncate_invalid_item_id"),
        ("response.cancel", {}, "response_cancel_not_active"),
        ("output_audio_buffer.clear", {}, "invalid_value"),
        ("no.such.event", {}, "unknown_event"),
    ],
)
def test_errors_name_the_event_and_the_session_lives(kind, fields, code):
    driven = Driven()
    error = error_of(driven.send(kind, event_id="rci_1", **fields))
    assert (error["code"], error["event_id"]) == (code, "rci_1")
    assert kinds(driven.update()) == ["session.updated"]


def test_only_spoken_answers_are_truncated():
    driven = Driven()
    driven.turn()
    user = next(iter(driven.session.conversation)).id
    error = error_of(driven.send("conversation.item.truncate", item_id=user, audio_end_ms=0))
    assert error["message"] == "Only model output audio messages can be truncated"


def test_a_refused_update_changes_nothing():
    driven = Driven()
    before = driven.session.settings
    error = error_of(driven.update(instructions="new", audio={"output": {"speed": 9}}))
    assert error["param"] == "session.audio.output.speed"
    assert driven.session.settings == before


def test_a_server_without_a_voice_writes_and_says_so():
    driven = Driven(can_speak=False)
    assert driven.log[0]["session"]["output_modalities"] == ["text"]
    error = error_of(driven.update(output_modalities=["audio"]))
    assert (error["code"], error["param"]) == ("unsupported_parameter", "session.output_modalities")
    driven.turn()
    assert driven.last(StartReply).speak is False


def test_the_voice_stays_once_it_was_heard():
    driven, _ = spoken()
    assert error_of(driven.update(audio={"output": {"voice": "marin"}}))["code"] == "cannot_update_voice"


def test_hosted_voices_are_taken_and_unknown_ones_refused():
    driven = Driven()
    assert (
        driven.update(audio={"output": {"voice": "ash"}})[0]["session"]["audio"]["output"]["voice"] == "ash"
    )
    assert (
        error_of(driven.update(audio={"output": {"voice": "nobody"}}))["param"]
        == "session.audio.output.voice"
    )


def test_the_model_stays_what_it_was():
    driven = Driven(model="mine")
    assert driven.update(model="gpt-realtime")[0]["session"]["model"] == "mine"


def test_a_transcription_session_only_transcribes():
    driven = Driven(transcription_only=True)
    assert driven.log[0]["session"]["object"] == "realtime.transcription_session"
    driven.hear(640)
    driven.hear(640, SILENCE)
    assert kinds(driven.words("hello"))[-1].endswith("transcription.completed")
    assert not [command for command in driven.commands if isinstance(command, StartReply)]
    assert error_of(driven.send("response.create", event_id="e"))["event_id"] == "e"


def test_the_type_of_a_session_may_change_only_at_its_start():
    driven = Driven()
    driven.send("session.update", session={"type": "transcription"})
    driven.hear(640)
    driven.hear(640, SILENCE)
    assert error_of(driven.update())["param"] == "session.type"


def test_spoken_items_are_recognized():
    driven = Driven()
    pcm = base64.b64encode(np.zeros(24_000, "<i2").tobytes()).decode()
    content = [{"type": "input_audio", "audio": pcm}]
    events = driven.send(
        "conversation.item.create", item={"type": "message", "role": "user", "content": content}
    )
    assert events[0]["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    assert driven.last(Recognize).audio.size == 16_000
    driven.send("response.create")
    driven.words("hello")
    assert driven.last(StartReply).messages == (Message("user", "hello"),)


def test_parts_of_items_that_have_none_are_ignored():
    item = {
        "type": "function_call",
        "role": "user",
        "content": [1],
        "name": "f",
        "call_id": "c",
        "arguments": "",
    }
    assert kinds(Driven().send("conversation.item.create", item=item))[0] == "conversation.item.added"


def test_results_need_a_call():
    driven = Driven()
    driven.send("response.create")
    driven.produce(Called("f", "{}"), Finished())
    call_id = driven.log[-1]["response"]["output"][0]["call_id"]
    item = {"type": "function_call_output", "output": "12:00"}
    assert (
        error_of(driven.send("conversation.item.create", item={**item, "call_id": "x"}))["param"]
        == "item.call_id"
    )
    assert (
        kinds(driven.send("conversation.item.create", item={**item, "call_id": call_id}))[0]
        == "conversation.item.added"
    )


def test_a_session_ends_after_its_time():
    driven = Driven(longest_s=10)
    driven.clock.advance(9)
    driven.session.tick()
    assert driven.collect() == []
    driven.clock.advance(1)
    driven.session.tick()
    assert driven.session.over
    assert error_of(driven.collect())["code"] == "session_expired"


def test_a_client_that_falls_silent_has_ended_its_turn():
    driven = Driven()
    driven.hear(640)
    driven.clock.advance(2)
    driven.session.tick()
    assert "input_audio_buffer.committed" in kinds(driven.collect())


def test_an_idle_user_is_asked_once():
    driven = Driven()
    driven.update(audio={"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 5000}}})
    driven.turn()
    driven.produce(Said("Yes?"), sound(900, (0, 900, 4)), Finished())
    driven.session.tick()
    for _ in range(20):
        driven.clock.advance(1)
        driven.session.tick()
    assert kinds(driven.collect()).count("input_audio_buffer.timeout_triggered") == 1


def test_a_session_needs_no_options():
    assert kinds(Session().outbox.take_events()) == ["session.created"]
