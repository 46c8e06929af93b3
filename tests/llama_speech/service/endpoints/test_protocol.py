import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llama_speech.service.endpoints.protocol import (
    CLIENT_EVENTS,
    AppendAudio,
    JsonLimits,
    TruncateItem,
    event_id_of,
    parse_event,
    read_event,
    read_json,
)
from speech_core.errors import ProtocolError

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)

FIELDS = ["session", "audio", "item", "item_id", "response", "audio_end_ms", "event_id"]


def fault(function, *values):
    with pytest.raises(ProtocolError) as caught:
        function(*values)
    return caught.value


def test_all_client_events_are_known():
    assert {
        "session.update",
        "transcription_session.update",
        "input_audio_buffer.append",
        "input_audio_buffer.commit",
        "input_audio_buffer.clear",
        "conversation.item.create",
        "conversation.item.retrieve",
        "conversation.item.truncate",
        "conversation.item.delete",
        "response.create",
        "response.cancel",
        "output_audio_buffer.clear",
    } == CLIENT_EVENTS


def test_events_are_typed_and_unknown_fields_ignored():
    event = parse_event({"audio": "AAAA", "type": "input_audio_buffer.append", "new_field": 1})
    assert event == AppendAudio(type="input_audio_buffer.append", audio="AAAA")
    event = parse_event({"type": "conversation.item.truncate", "item_id": "a", "audio_end_ms": 293})
    assert isinstance(event, TruncateItem)
    assert event.content_index == 0


@pytest.mark.parametrize(
    ("value", "code", "param"),
    [
        ({}, "missing_required_parameter", "type"),
        ({"type": 1}, "missing_required_parameter", "type"),
        ({"type": "session.destroy"}, "unknown_event", "type"),
        ({"type": "session.update"}, "missing_required_parameter", "session"),
        ({"type": "session.update", "session": []}, "invalid_type", "session"),
        ({"type": "input_audio_buffer.append", "audio": 3}, "invalid_type", "audio"),
        (
            {"type": "conversation.item.truncate", "item_id": "a", "audio_end_ms": -1},
            "invalid_value",
            "audio_end_ms",
        ),
        (
            {"type": "conversation.item.truncate", "item_id": "a", "audio_end_ms": 1.5},
            "invalid_type",
            "audio_end_ms",
        ),
    ],
)
def test_faults_name_the_field(value, code, param):
    error = fault(parse_event, value)
    assert (error.code, error.param) == (code, param)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1]",
        "null",
        '{"a": NaN}',
        '"text"',
        "[" * 100_000,
        '{"a":' * 100 + "1" + "}" * 100,
        "\ud800",
    ],
)
def test_what_is_no_event_is_refused(text):
    assert fault(read_event, text).code == "invalid_event"


def test_limits_of_json_are_kept():
    assert read_json("[[1]]", JsonLimits(max_depth=2)) == [[1]]
    assert "2 deep" in str(fault(read_json, "[[[1]]]", JsonLimits(max_depth=2)))
    assert "3 items" in str(fault(read_json, "[1,2,3,4]", JsonLimits(max_items=3)))


def test_a_large_sound_is_no_large_structure():
    text = json.dumps({"type": "input_audio_buffer.append", "audio": "AAAA" * 1_000_000})
    assert len(read_event(text)["audio"]) == 4_000_000


def outcome(value):
    """The event, or the code of the fault; anything else is a defect."""
    try:
        return parse_event(read_event(json.dumps(value)))
    except ProtocolError as error:
        return error.code


@settings(max_examples=40)
@given(ANY_JSON)
def test_any_json_is_an_event_or_a_clear_fault(value):
    event_id_of(value)
    assert outcome(value) in ("invalid_event", "missing_required_parameter", "unknown_event")


@settings(max_examples=40)
@given(st.sampled_from(sorted(CLIENT_EVENTS)), st.dictionaries(st.sampled_from(FIELDS), ANY_JSON))
def test_any_fields_are_an_event_or_a_clear_fault(kind, fields):
    found = outcome({**fields, "type": kind})
    faults = ("missing_required_parameter", "invalid_type", "invalid_value")
    assert found in faults if isinstance(found, str) else found.type == kind


@pytest.mark.parametrize(
    ("value", "event_id"), [({"event_id": "a"}, "a"), ({"event_id": 1}, None), ([], None)]
)
def test_the_id_of_a_client_is_echoed_if_it_can_be(value, event_id):
    assert event_id_of(value) == event_id


@pytest.mark.parametrize(
    "text", ['"\\ud800"', '{"a": ["\\uDC00x"]}', '{"\\ud83d": 1}', "1e999", '{"a": -1e999}', "NaN"]
)
def test_what_cannot_be_sent_back_is_refused(text):
    with pytest.raises(ProtocolError):
        read_json(text)


def test_whole_surrogate_pairs_and_other_escapes_are_text():
    assert read_json('["\\ud83d\\ude00", "\\u0000", "\\\\ud800"]') == ["\U0001f600", "\0", "\\ud800"]
    assert read_json("1e308") == 1e308
