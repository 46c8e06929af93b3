import pytest

from llama_speech.service.conversation.answering import to_messages
from llama_speech.service.conversation.items import Item, Part
from llama_speech.service.conversation.outbox import Message, StartReply, StopReply
from llama_speech.service.models.products import Finished, Said
from tests.llama_speech.service.helpers import Driven, kinds, sound

TEXT = {"output_modalities": ["text"]}


def say(driven, text="hello"):
    content = [{"type": "input_text", "text": text}]
    driven.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})


def error_of(events):
    return next(event["error"] for event in events if event["type"] == "error")


def test_an_answer_is_announced_before_the_engine_works():
    driven = Driven()
    say(driven)
    assert kinds(driven.send("response.create", response=TEXT)) == ["response.created"]
    assert driven.last(StartReply).messages == (Message("user", "hello"),)


def test_settings_of_one_answer_hold_for_it_alone():
    driven = Driven()
    driven.update(instructions="Be nice.")
    say(driven)
    driven.send("response.create", response={**TEXT, "instructions": "Be brief.", "max_output_tokens": 5})
    command = driven.last(StartReply)
    assert (command.messages[0], command.max_tokens, command.speak) == (
        Message("system", "Be brief."),
        5,
        False,
    )
    driven.produce(Said("ok"), Finished())
    driven.send("response.create")
    command = driven.last(StartReply)
    assert (command.messages[0], command.max_tokens, command.speak) == (
        Message("system", "Be nice."),
        None,
        True,
    )


def test_metadata_comes_back():
    driven = Driven()
    created = driven.send("response.create", response={"metadata": {"client_event_id": "abc"}})
    done = driven.produce(Finished())
    assert (
        created[0]["response"]["metadata"] == done[-1]["response"]["metadata"] == {"client_event_id": "abc"}
    )


@pytest.mark.parametrize(
    "metadata", [{"a": 1}, {"a" * 65: "b"}, {"a": "b" * 513}, {str(n): "" for n in range(17)}, []]
)
def test_metadata_is_bounded(metadata):
    error = error_of(Driven().send("response.create", response={"metadata": metadata}, event_id="e1"))
    assert (error["param"], error["event_id"]) == ("response.metadata", "e1")


def test_a_second_answer_is_refused_by_name():
    driven = Driven()
    running = driven.send("response.create")[0]["response"]["id"]
    error = error_of(driven.send("response.create", event_id="agents_js_response_create_1"))
    assert error["code"] == "conversation_already_has_active_response"
    assert running in error["message"]
    assert error["event_id"] == "agents_js_response_create_1"


def test_cancel_stops_the_engine_once():
    driven = Driven()
    driven.send("response.create")
    driven.produce(Said("a"))
    assert driven.send("response.cancel")[-1]["response"]["status_details"]["reason"] == "client_cancelled"
    error = error_of(driven.send("response.cancel", event_id="e"))
    assert error["code"] == "response_cancel_not_active"
    assert error["message"].startswith("Cancellation failed: no active response found")
    assert sum(isinstance(command, StopReply) for command in driven.commands) == 1
    assert driven.produce(Said("late"), Finished()) == []


def test_out_of_band_runs_beside_the_answer_of_the_conversation():
    driven = Driven()
    say(driven)
    driven.send("response.create", response=TEXT)
    first = driven.last(StartReply).generation
    content = [{"type": "input_text", "text": "classify"}]
    wish = {
        **TEXT,
        "conversation": "none",
        "input": [{"type": "message", "role": "user", "content": content}],
    }
    driven.send("response.create", response=wish)
    second = driven.last(StartReply)
    assert second.messages == (Message("user", "classify"),)
    driven.produce(Said("x"), Finished(), generation=second.generation)
    driven.produce(Said("y"), Finished(), generation=first)
    texts = [
        one["response"]["output"][0]["content"][0]["text"]
        for one in driven.log
        if one["type"] == "response.done"
    ]
    assert texts == ["x", "y"]
    assert [item.parts[0].text for item in driven.session.conversation] == ["hello", "y"]


def test_out_of_band_answers_are_limited_and_cancelled_by_their_id():
    driven = Driven()
    wish = {**TEXT, "conversation": "none"}
    ids = [driven.send("response.create", response=wish)[0]["response"]["id"] for _ in range(4)]
    assert error_of(driven.send("response.create", response=wish))["code"] == "rate_limit_exceeded"
    assert error_of(driven.send("response.cancel"))["code"] == "response_cancel_not_active"
    assert driven.send("response.cancel", response_id=ids[2])[0]["response"]["id"] == ids[2]


@pytest.mark.parametrize("given", [3, [3], [{"type": "item_reference", "id": "nobody"}], [{"type": "song"}]])
def test_a_wrong_input_is_refused(given):
    assert error_of(Driven().send("response.create", response={"input": given}))["code"] in (
        "invalid_value",
        "invalid_type",
    )


def test_references_mean_items():
    driven = Driven()
    say(driven, "one")
    say(driven, "two")
    first = next(iter(driven.session.conversation)).id
    driven.send("response.create", response={"input": [{"type": "item_reference", "id": first}]})
    assert driven.last(StartReply).messages == (Message("user", "one"),)


def test_functions_travel_to_the_engine():
    driven = Driven()
    tool = {"type": "function", "name": "get_time", "parameters": {"type": "object"}}
    driven.update(tools=[tool], tool_choice={"type": "function", "name": "get_time"})
    driven.send("response.create")
    command = driven.last(StartReply)
    assert command.tools[0]["name"] == command.tool_choice == "get_time"
    driven.produce(Finished())
    driven.send("response.create", response={"tool_choice": "none"})
    assert driven.last(StartReply).tools == ()


def test_the_context_has_calls_and_results():
    items = [
        Item("1", "message", "user", parts=[Part("input_audio", "what time")]),
        Item("2", "function_call", name="f", call_id="c", arguments="{}"),
        Item("3", "function_call_output", call_id="c", output="12:00"),
        Item("4", "message", "user", parts=[Part("input_audio", None)]),
        Item("5", "message", "assistant", parts=[Part("output_audio", "It is noon.")]),
    ]
    assert to_messages("Be nice.", items) == [
        Message("system", "Be nice."),
        Message("user", "what time"),
        Message("assistant", "", (("f", "{}"),)),
        Message("tool", "12:00"),
        Message("assistant", "It is noon."),
    ]


def test_a_second_answer_can_be_asked_for_while_the_first_is_only_being_played():
    driven = Driven(lead_ms=80)
    driven.send("response.create")
    driven.produce(Said("a b"), sound(3_000, (0, 900, 1)))
    assert kinds(driven.send("response.create")) == ["error"]  # it is still being made
    driven.produce(Finished())
    shown = kinds(driven.send("response.create"))
    assert "error" not in shown
    assert shown[-1] == "response.created"
    assert shown.index("response.done") < shown.index("response.created")
