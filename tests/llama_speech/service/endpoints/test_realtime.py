import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect as typed_connect

from llama_speech.service.endpoints.app import build_app
from llama_speech.service.operation.run import running
from tests.llama_speech.service.conftest import make_service
from tests.llama_speech.service.helpers import Checker

connect: Any = typed_connect


def client_of(url: str) -> Any:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="test")


def until(connection, kind, checker=None):
    """Events up to one of a kind."""
    events = []
    for event in connection:
        events.append(event)
        if checker is not None:
            checker.see(event.model_dump(mode="json", exclude_unset=True))
        if event.type == kind:
            return events
    raise AssertionError(f"{kind} never came")


def code_of(error):
    return error.rcvd.code


def append(connection, pcm):
    for start in range(0, len(pcm), 9_600):
        audio = base64.b64encode(pcm[start : start + 9_600]).decode()
        connection.input_audio_buffer.append(audio=audio)


def kinds(events):
    return [event.type for event in events]


def test_a_spoken_turn_with_the_official_client(server, speech_pcm):
    checker = Checker()
    with client_of(server.url).realtime.connect(model="gpt-realtime") as connection:
        transcription = {"input": {"transcription": {"model": "whisper-1"}}}
        connection.session.update(session={"type": "realtime", "audio": transcription})
        append(connection, speech_pcm)
        events = until(connection, "response.done", checker)
    order = [
        "session.created",
        "session.updated",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "response.created",
        "response.output_audio.delta",
        "response.done",
    ]
    assert [kind for kind in kinds(events) if kind in order][: len(order) - 2] == order[:-2]
    transcript = "".join(
        event.delta for event in events if event.type == "response.output_audio_transcript.delta"
    )
    done = events[-1].response
    assert done.output[0].content[0].transcript == transcript
    sound = b"".join(base64.b64decode(e.delta) for e in events if e.type == "response.output_audio.delta")
    assert len(sound) % 9_600 == 0
    assert len(sound) > 0
    heard = [event for event in events if event.type.endswith("input_audio_transcription.completed")]
    assert len(heard) == 1


def test_a_written_turn_and_a_call_with_the_official_client(server):
    with client_of(server.url).realtime.connect(model="m") as connection:
        connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        content = [{"type": "input_text", "text": "hello"}]
        connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
        connection.response.create(response={"max_output_tokens": 24, "metadata": {"a": "b"}})
        done = until(connection, "response.done", Checker())[-1].response
        assert done.metadata == {"a": "b"}
        item_id = done.output[0].id
        connection.conversation.item.retrieve(item_id=item_id)
        assert until(connection, "conversation.item.retrieved")[-1].item.id == item_id
        connection.conversation.item.delete(item_id=item_id)
        assert until(connection, "conversation.item.deleted")[-1].item_id == item_id


def test_sessions_at_the_same_time_get_their_own_answers(server):
    """Greedy answers are those each question gets alone, whoever else is being answered."""
    questions = [f"question number {number}" for number in range(8)]

    def answered(question):
        with client_of(server.url).realtime.connect(model="m") as connection:
            content = [{"type": "input_text", "text": question}]
            item = {"type": "message", "role": "user", "content": content}
            connection.conversation.item.create(item=item)
            connection.response.create(response={"output_modalities": ["text"]})
            done = until(connection, "response.done", Checker())[-1].response
            return done.output[0].content[0].text if done.output else ""

    alone = [answered(question) for question in questions]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(answered, questions)) == alone
    assert len(set(alone)) > 1
    assert server.service.sessions == 0 or wait_for(lambda: server.service.sessions == 0)


def wait_for(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def test_speech_interrupts_a_running_answer(server, speech_pcm):
    with client_of(server.url).realtime.connect(model="m") as connection:
        content = [{"type": "input_text", "text": "hello"}]
        connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
        connection.response.create(response={"max_output_tokens": 400})
        until(connection, "response.output_audio.delta")
        append(connection, speech_pcm)
        events = until(connection, "response.done")
        started = kinds(events).index("input_audio_buffer.speech_started")
        assert "response.output_audio.delta" not in kinds(events)[started:]
        assert events[-1].response.status_details.reason == "turn_detected"
        item_id = events[-1].response.output[0].id
        connection.conversation.item.truncate(item_id=item_id, content_index=0, audio_end_ms=200)
        assert until(connection, "conversation.item.truncated")[-1].audio_end_ms <= 200


@pytest.mark.parametrize("conversation", ["auto", "none"])
def test_sound_comes_at_the_pace_of_its_playback(tiny_engine, tiny_model, conversation):
    """In the conversation; answers out of band are nobody's to listen to and come as they are made."""
    service = make_service(tiny_engine, tiny_model, lead_ms=80)
    service.ready = True
    with (
        running(build_app(service), service) as url,
        client_of(url).realtime.connect(model="m") as connection,
    ):
        message = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
        append(connection, bytes(9_600))  # who sends no sound cannot interrupt, and is sent more
        connection.response.create(response={"conversation": conversation, "input": [message]})
        began, ahead_ms, sent_ms = 0.0, [], 0.0
        for event in connection:
            if event.type == "response.output_audio.delta":
                began = began or time.perf_counter()
                sent_ms += len(base64.b64decode(event.delta)) / 48
                ahead_ms.append(sent_ms - 1000 * (time.perf_counter() - began))
            if event.type == "response.done":
                break
    assert sent_ms >= 400
    assert event.response.status in ("completed", "incomplete")
    assert max(ahead_ms) < 200 if conversation == "auto" else max(ahead_ms) > 200
    service.close()


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("not json", "invalid_event"),
        ("[]", "invalid_event"),
        ("{}", "missing_required_parameter"),
        (b"binary", "invalid_event"),
        ('{"type": "nothing.known"}', "unknown_event"),
        ('{"type": "input_audio_buffer.append", "audio": "!"}', "invalid_value"),
        ('{"type": "input_audio_buffer.append"}', "missing_required_parameter"),
        ("[" * 100_000, "invalid_event"),
        ('{"type": "session.update", "session": {"audio": {"input": {"format": "x"}}}}', None),
    ],
)
def test_what_is_wrong_is_answered_and_the_session_lives(server, message, code):
    with connect(server.websocket) as socket:
        json.loads(socket.recv(timeout=30))
        socket.send(message)
        error = json.loads(socket.recv(timeout=30))
        assert error["type"] == "error"
        assert code is None or error["error"]["code"] == code
        socket.send(
            '{"type": "input_audio_buffer.append", "audio": "AAA="}'
        )  # an odd byte waits for the next
        socket.send('{"type": "input_audio_buffer.clear"}')
        assert json.loads(socket.recv(timeout=30))["type"] == "input_audio_buffer.cleared"


def test_the_beta_protocol_is_spoken_when_asked_for(server):
    with connect(server.websocket, additional_headers={"OpenAI-Beta": "realtime=v1"}) as socket:
        assert json.loads(socket.recv(timeout=30))["session"]["input_audio_format"] == "pcm16"
        socket.send(json.dumps({"type": "session.update", "session": {"modalities": ["text"]}}))
        assert json.loads(socket.recv(timeout=30))["session"]["modalities"] == ["text"]


def test_a_transcription_session_by_its_address(server, speech_pcm):
    with client_of(server.url).realtime.connect(extra_query={"intent": "transcription"}) as connection:
        append(connection, speech_pcm)
        events = until(connection, "conversation.item.input_audio_transcription.completed", Checker())
    assert not [kind for kind in kinds(events) if kind.startswith("response.")]


@pytest.fixture
def guarded(tiny_engine, tiny_model):
    service = make_service(
        tiny_engine,
        tiny_model,
        api_keys=("right",),
        max_sessions=1,
        max_message_bytes=100_000,
        any_model=False,
    )
    with running(build_app(service), service) as url:
        yield url.replace("http", "ws", 1) + "/v1/realtime"
    service.close()


def test_keys_are_asked_for_on_the_socket(guarded):
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        with pytest.raises(InvalidStatus) as caught, connect(guarded, additional_headers=headers):
            pass
        assert caught.value.response.status_code == 401
        assert json.loads(caught.value.response.body)["error"]["code"] == "invalid_api_key"
    with connect(guarded, additional_headers={"Authorization": "Bearer right"}) as socket:
        assert json.loads(socket.recv(timeout=30))["type"] == "session.created"
    for _ in range(100):  # the only place is free again a moment after the first has left
        with connect(guarded, subprotocols=["realtime", "openai-insecure-api-key.right"]) as socket:
            assert socket.subprotocol == "realtime"
            first = json.loads(socket.recv(timeout=30))["type"]
        if first == "session.created":
            break
        time.sleep(0.1)
    assert first == "session.created"


def test_a_browser_with_a_wrong_key_is_told_why(guarded):
    with connect(guarded, subprotocols=["realtime", "openai-insecure-api-key.wrong"]) as socket:
        assert json.loads(socket.recv(timeout=30))["error"]["code"] == "invalid_api_key"
        with pytest.raises(ConnectionClosed) as caught:
            socket.recv(timeout=30)
        assert code_of(caught.value) == 1008


@pytest.mark.parametrize(("query", "status"), [("?model=other", 404), ("?call_id=x", 404)])
def test_other_models_and_calls_are_not_there(guarded, query, status):
    with (
        pytest.raises(InvalidStatus) as caught,
        connect(guarded + query, additional_headers={"Authorization": "Bearer right"}),
    ):
        pass
    assert caught.value.response.status_code == status


def test_other_origins_stay_out(guarded):
    headers = {"Authorization": "Bearer right", "Origin": "https://evil.example"}
    with pytest.raises(InvalidStatus) as caught, connect(guarded, additional_headers=headers):
        pass
    assert caught.value.response.status_code == 403


def test_a_full_server_says_so_and_closes(guarded):
    headers = {"Authorization": "Bearer right"}
    with connect(guarded, additional_headers=headers) as first:
        first.recv(timeout=30)
        with connect(guarded, additional_headers=headers) as second:
            assert json.loads(second.recv(timeout=30))["error"]["code"] == "session_limit_reached"
            with pytest.raises(ConnectionClosed) as caught:
                second.recv(timeout=30)
            assert code_of(caught.value) == 1013
    time.sleep(2)
    with connect(guarded, additional_headers=headers) as third:
        assert json.loads(third.recv(timeout=30))["type"] == "session.created"


def test_a_message_that_is_too_large_ends_the_connection(guarded):
    with connect(guarded, additional_headers={"Authorization": "Bearer right"}) as socket:
        socket.recv(timeout=30)
        socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": "A" * 200_000}))
        with pytest.raises(ConnectionClosed) as caught:
            socket.recv(timeout=30)
        assert code_of(caught.value) == 1009
