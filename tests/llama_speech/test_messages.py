"""Messages of the chat APIs: every form, and one clear line for what is none."""

import base64
from pathlib import Path

import numpy as np
import pytest

from llama_speech.messages import AudioPart, parse_messages
from speech_core.errors import InputError


def user(content):
    return [{"role": "user", "content": content}]


def audio(**spec):
    return user([{"type": "input_audio", "input_audio": spec}])


def only_part(messages):
    return parse_messages(messages)[0].parts[0]


def test_text_in_both_forms():
    assert parse_messages(user("Hi"))[0].parts == ("Hi",)
    assert parse_messages(user([{"type": "text", "text": "Hi"}]))[0].parts == ("Hi",)
    assert parse_messages(user([{"type": "input_text", "text": "Hi"}]))[0].parts == ("Hi",)


def test_audio_in_every_form(tmp_path):
    data = b"RIFF...."
    encoded = base64.b64encode(data).decode()
    assert only_part(audio(data=encoded, format="wav")).audio == data
    assert only_part(audio(data=f"data:audio/wav;base64,{encoded}")).audio == data
    assert only_part(audio(data=data)).audio == data
    assert only_part(audio(data=tmp_path / "a.wav")).audio == tmp_path / "a.wav"
    array = np.zeros(4, np.float32)
    part = only_part(audio(data=array, sample_rate=8000))
    assert (part.audio is array, part.sample_rate) == (True, 8000)


def test_pcm16_becomes_samples():
    encoded = base64.b64encode(np.array([0, 16384, -32768], "<i2").tobytes()).decode()
    part = only_part(audio(data=encoded, format="pcm16"))
    np.testing.assert_array_equal(part.audio, np.array([0.0, 0.5, -1.0], np.float32))
    assert part.sample_rate == 24_000
    assert only_part(audio(data=encoded, format="pcm16", sample_rate=16_000)).sample_rate == 16_000


def test_a_string_is_never_a_path(tmp_path):
    """Clients of a service send strings: they must not read files of the server."""
    (tmp_path / "secret").write_bytes(b"x")
    with pytest.raises(InputError, match="is not base64: encode the file, or give its name as pathlib"):
        parse_messages(audio(data=str(tmp_path / "secret.wav")))
    part = only_part(audio(data="abcd"))  # a file of this name would be base64, and is read as that
    assert isinstance(part, AudioPart)
    assert isinstance(part.audio, bytes)


def test_tools_go_both_ways():
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    turns = parse_messages(
        [
            {"role": "developer", "content": "Be brief."},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "2"},
            {"role": "ipython", "content": "3"},
        ]
    )
    assert [turn.role for turn in turns] == ["system", "assistant", "tool", "tool"]
    assert turns[1].calls == ({"name": "f", "arguments": {"a": 1}},)
    assert turns[1].parts == ()


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([], "messages is empty or no list"),
        ("Hi", "messages is empty or no list"),
        ({"role": "user"}, "messages is empty or no list"),
        ([3], "message 1 is no object"),
        ([{"content": "Hi"}], "the role of message 1 is 'None': use one of system, user, assistant, tool"),
        ([{"role": "robot", "content": "Hi"}], "the role of message 1 is 'robot'"),
        ([*user("a"), {"role": "user"}], "message 2 has no content"),
        (user(3), "the content of message 1 is int: give text or a list of parts"),
        (user([{"type": "image_url"}]), "part 1 of message 1 is neither"),
        (user(["a"]), "part 1 of message 1 is neither"),
        (user([{"type": "text", "text": None}]), "part 1 of message 1 is neither"),
        (audio(data=""), "the audio of part 1 of message 1 is empty"),
        (audio(), "the audio of part 1 of message 1 is empty"),
        (audio(data="%%"), "is not base64"),
        (audio(data=b"abc", format="pcm16"), "odd number of bytes"),
        ([{"role": "assistant", "tool_calls": [{}]}], "a tool call of message 1 has no name"),
        ([{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "x"}}]}],
         "no JSON object"),
        ([{**audio(data=Path("a"))[0], "role": "system"}], "message 1 holds audio but its role is system"),
    ],
)  # fmt: skip
def test_what_is_no_message_gets_one_line(messages, message):
    with pytest.raises(InputError, match=message) as error:
        parse_messages(messages)
    assert "\n" not in str(error.value)
