import base64

import httpx
import openai
import pytest

from llama_speech.service.endpoints.rest_chat import read_options
from speech_core.errors import ProtocolError
from tests.llama_speech.service.conftest import SAMPLE

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def client(server):
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="x", max_retries=0)


def test_a_question_is_answered(client, tiny_model):
    reply = client.chat.completions.create(model="m", messages=HELLO, max_tokens=12)
    expected = tiny_model.chat(HELLO, max_tokens=12).answer()
    assert reply.choices[0].message.content == expected.text
    assert reply.usage.completion_tokens == len(expected.token_ids)


def test_a_streamed_answer_is_the_same(client):
    whole = client.chat.completions.create(model="m", messages=HELLO, max_tokens=12)
    chunks = list(client.chat.completions.create(model="m", messages=HELLO, max_tokens=12, stream=True))
    assert (
        "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.choices[0].message.content
    )
    assert chunks[-1].choices[0].finish_reason == whole.choices[0].finish_reason


def test_a_spoken_question_is_answered(client):
    data = base64.b64encode(SAMPLE.read_bytes()).decode()
    part = {"type": "input_audio", "input_audio": {"data": data, "format": "flac"}}
    reply = client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": [part]}], max_tokens=8
    )
    assert reply.choices[0].finish_reason in ("length", "stop")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": "hi"},
        {"messages": []},
        {"messages": [{"role": "king", "content": "x"}]},
        {"messages": [3]},
    ],
)
def test_what_is_no_conversation_is_refused(client, body):
    reply = httpx.post(f"{client.base_url}chat/completions", json=body)
    assert reply.status_code == 400
    assert reply.json()["error"]["message"]


def test_a_broken_body_is_refused(client):
    reply = httpx.post(f"{client.base_url}chat/completions", content=b"{")
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "invalid_event")


@pytest.mark.parametrize(
    ("value", "param"),
    [
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": True}, "top_p"),
        ({"top_p": 0}, "top_p"),
        ({"temperature": 10**400}, "temperature"),
        ({"temperature": -1}, "temperature"),
        ({"seed": 2**63}, "seed"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"stop": [1]}, "stop"),
        ({"tools": {}}, None),
        ({"tools": 3}, "tools"),
    ],
)
def test_options_are_checked(value, param):
    if param is None:
        assert read_options(value).tools == ()
        return
    with pytest.raises(ProtocolError) as caught:
        read_options(value)
    assert caught.value.param == param


def test_options_are_read():
    options = read_options(
        {"max_completion_tokens": 7, "temperature": 1, "stop": "x", "seed": 3, "unknown": 1}
    )
    assert (options.max_tokens, options.temperature, options.stop, options.seed) == (7, 1.0, ("x",), 3)
