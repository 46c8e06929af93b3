import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama_speech.service.conversation.items import Conversation, Item, Part, WordMark, read_item
from speech_core.errors import ProtocolError


def answer(text, ends_ms, rate=24_000):
    """A spoken answer; ends_ms: where each word ends."""
    ends = [
        len(text[:place]) for place in range(1, len(text) + 1) if place == len(text) or text[place] == " "
    ]
    marks = [WordMark(char, ms * rate // 1000) for char, ms in zip(ends, ends_ms, strict=True)]
    samples = ends_ms[-1] * rate // 1000
    return Part("output_audio", text, b"\1\0" * samples, samples, rate, marks)


@pytest.mark.parametrize(
    ("end_ms", "text", "left_ms"),
    [
        (0, "", 0),
        (299, "", 299),
        (300, "It", 300),
        (650, "It is", 650),
        (5_000, "It is noon.", 900),
    ],
)
def test_a_cut_keeps_exactly_the_words_that_were_heard(end_ms, text, left_ms):
    part = answer("It is noon.", [300, 600, 900])
    assert part.cut(end_ms) == left_ms
    assert part.text == text
    assert len(part.pcm) == 48 * left_ms


def test_a_second_cut_only_shortens():
    part = answer("It is noon.", [300, 600, 900])
    assert [part.cut(700), part.cut(400), part.cut(900)] == [700, 400, 400]
    assert part.text == "It"


def test_a_cut_needs_no_sound_to_be_kept():
    part = answer("It is noon.", [300, 600, 900])
    part.pcm = b""
    assert part.cut(620) == 620
    assert part.text == "It is"


@given(st.lists(st.integers(1, 500), min_size=1, max_size=12), st.integers(0, 7_000))
def test_what_was_heard_is_a_prefix_that_ends_at_a_word(lengths, end_ms):
    ends = [sum(lengths[: n + 1]) for n in range(len(lengths))]
    words = [f"w{n}" for n in range(len(lengths))]
    part = answer(" ".join(words), ends)
    part.cut(end_ms)
    assert part.text == " ".join(word for word, end in zip(words, ends, strict=True) if end <= end_ms)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({}, "invalid_value"),
        ({"type": "mcp_call"}, "invalid_value"),
        ({"type": "message", "role": "root", "content": []}, "invalid_value"),
        ({"type": "message", "role": "user", "content": "hi"}, "invalid_value"),
        ({"type": "message", "role": "user", "content": [3]}, "invalid_value"),
        (
            {"type": "message", "role": "user", "content": [{"type": "output_text", "text": "x"}]},
            "invalid_value",
        ),
        (
            {"type": "message", "role": "user", "content": [{"type": "input_image"}]},
            "unsupported_content_type",
        ),
        (
            {"type": "message", "role": "user", "content": [{"type": "input_text"}]},
            "missing_required_parameter",
        ),
        (
            {"type": "message", "role": "assistant", "content": [{"type": "audio", "audio": "AAAA"}]},
            "invalid_value",
        ),
        ({"type": "function_call_output", "output": "x"}, "missing_required_parameter"),
        ({"type": "message", "role": "user", "content": [], "id": "x" * 65}, "invalid_value"),
        (
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x" * 70_000}]},
            "invalid_value",
        ),
    ],
)
def test_what_is_no_item_is_refused(value, code):
    with pytest.raises(ProtocolError) as caught:
        read_item(value, "item_1")
    assert caught.value.code == code


def test_items_look_on_the_wire_as_clients_expect():
    user = read_item({"type": "message", "role": "user", "content": [{"type": "input_audio"}]}, "item_1")
    assert user.wire()["content"] == [{"type": "input_audio", "transcript": None}]
    said = read_item(
        {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "a"}]}, "item_2"
    )
    assert said.wire()["content"] == [{"type": "output_text", "text": "a"}]
    growing = Item("item_3", "message", "assistant", "in_progress", [Part("output_text", "a")])
    assert growing.wire()["content"] == []
    call = read_item(
        {"type": "function_call", "name": "f", "call_id": "c", "arguments": "{}"}, "item_4"
    ).wire()
    assert call == {
        "id": "item_4",
        "object": "realtime.item",
        "type": "function_call",
        "status": "completed",
        "name": "f",
        "call_id": "c",
        "arguments": "{}",
    }


def message(item_id):
    return Item(item_id, "message", "user", parts=[Part("input_text", item_id)])


def test_items_are_put_where_they_belong():
    conversation = Conversation()
    assert conversation.add(message("b")) is None
    assert conversation.add(message("d")) == "b"
    assert conversation.add(message("c"), after="b") == "b"
    assert conversation.add(message("a"), after="root") is None
    assert [item.id for item in conversation] == ["a", "b", "c", "d"]
    assert (conversation.before("c"), conversation.before("a"), conversation.last_id) == ("b", None, "d")
    assert conversation.remove("b")
    assert not conversation.remove("b")
    assert [item.id for item in conversation] == ["a", "c", "d"]


@pytest.mark.parametrize(
    ("item_id", "after", "code"),
    [("a", None, "item_create_duplicate_item_id"), ("b", "x", "item_create_invalid_previous_item_id")],
)
def test_a_refused_item_leaves_the_conversation_alone(item_id, after, code):
    conversation = Conversation()
    conversation.add(message("a"))
    with pytest.raises(ProtocolError) as caught:
        conversation.add(message(item_id), after)
    assert caught.value.code == code
    assert [item.id for item in conversation] == ["a"]


def test_a_conversation_is_bounded():
    conversation = Conversation(max_items=2, max_pcm_bytes=100)
    for name in ("a", "b"):
        conversation.add(Item(name, "message", "user", parts=[Part("input_audio", "x", b"\0" * 80, 40)]))
    conversation.limit_sound()
    assert [len(item.parts[0].pcm) for item in conversation] == [0, 80]
    with pytest.raises(ProtocolError):
        conversation.add(message("c"))
