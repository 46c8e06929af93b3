"""One conversation of a server with itself, over its own socket, and how long each step took."""

import base64
import json
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from websockets.sync.client import ClientConnection, connect

from llama_speech.service.endpoints.app import build_app
from llama_speech.service.endpoints.wire_audio import PCM, WireEncoder
from llama_speech.service.models.products import Failed, Finished, Product, Sound
from llama_speech.service.operation.latency import QUESTIONS, measure, question_of, summary
from llama_speech.service.operation.run import running, warm_up
from llama_speech.service.operation.server import Service
from speech_core.errors import SpeechError

_QUESTION = "Hello, can you hear me?"
_ANSWER_TOKENS = 24
_CHUNK_S = 0.1
_SILENCE_S = 1.5
_TIMEOUT_S = 120.0
_SHOWN = {
    "session.created": "session ready",
    "input_audio_buffer.speech_started": "speech noticed",
    "input_audio_buffer.committed": "end of turn confirmed",
    "conversation.item.input_audio_transcription.completed": "words known",
    "response.created": "answer announced",
    "response.output_text.delta": "first text",
    "response.output_audio.delta": "first sound",
    "response.done": "answer complete",
}


def self_check(service: Service) -> Iterator[str]:
    """Lines of a report. Raises SpeechError if the server does not answer."""
    warm_up(service)
    key = service.config.api_keys[0] if service.config.api_keys else "none"
    question = _spoken(service, _QUESTION) if service.engine.voices else b""
    with running(build_app(service), service) as url:
        yield f"serving at {url}, {'speaking' if question else 'writing (this bundle has no voice)'}"
        headers = {"Authorization": f"Bearer {key}"}
        with connect(url.replace("http", "ws", 1) + "/v1/realtime", additional_headers=headers) as socket:
            asking = threading.Thread(target=_ask, args=(socket, question), daemon=True)
            asking.start()
            seen = _first_times(socket)
            asking.join()
        ended = _end_of_question(seen, question)
        for kind, moment in seen.items():
            yield f"{1000 * (moment - ended):8.0f} ms  {_SHOWN[kind]}"
        yield "ok: answered; times are from the end of the question"


def check_load(service: Service, sessions: Sequence[int], turns: int) -> Iterator[dict[str, Any]]:
    """Latencies with so many sessions at once, a summary for each. Raises SpeechError without a voice."""
    if not service.engine.voices:
        raise SpeechError("latencies are measured with spoken questions: use a bundle that speaks")
    most = service.config.limits.max_sessions
    if max(sessions) > most:
        raise SpeechError(f"{max(sessions)} sessions are more than the limit of {most}: raise --max-sessions")
    warm_up(service)
    key = service.config.api_keys[0] if service.config.api_keys else "none"
    questions = [question_of(_spoken(service, text)) for text in QUESTIONS]
    with running(build_app(service), service) as url:
        address = url.replace("http", "ws", 1) + "/v1/realtime"
        for number in sessions:
            yield summary(measure(address, key, questions, (number, turns), service.watch_turns))


def _ask(socket: ClientConnection, question: bytes) -> None:
    if question:
        _ask_aloud(socket, question)
    else:
        _ask_in_writing(socket)


def _end_of_question(seen: dict[str, float], question: bytes) -> float:
    """When its last sample was sent: the sound starts when the session does and takes as long as it lasts."""
    return seen["session.created"] + len(question) / 48_000


def _first_times(socket: ClientConnection) -> dict[str, float]:
    """When each kind of event came first. Raises SpeechError if the server complains."""
    seen: dict[str, float] = {}
    while "response.done" not in seen:
        event: dict[str, Any] = json.loads(socket.recv(timeout=_TIMEOUT_S))
        kind = event["type"]
        if kind == "error":
            raise SpeechError(f"the server answered with an error: {event['error']['message']}")
        if kind in _SHOWN:
            seen.setdefault(kind, time.monotonic())
        if kind == "response.done" and event["response"]["status"] == "failed":
            raise SpeechError("the answer failed: see the log of the server")
    return seen


def _ask_in_writing(socket: ClientConnection) -> None:
    content = [{"type": "input_text", "text": _QUESTION}]
    item = {"type": "message", "role": "user", "content": content}
    _send(socket, type="conversation.item.create", item=item)
    _send(socket, type="response.create", response={"max_output_tokens": _ANSWER_TOKENS})


def _ask_aloud(socket: ClientConnection, question: bytes) -> None:
    """Send the question as fast as it is spoken, then silence."""
    heard = {"input": {"transcription": {"model": "default"}}}
    settings = {"type": "realtime", "audio": heard, "max_output_tokens": _ANSWER_TOKENS}
    _send(socket, type="session.update", session=settings)
    step, start = round(_CHUNK_S * 48_000), time.monotonic()
    sound = question + bytes(round(_SILENCE_S * 48_000))
    for number, place in enumerate(range(0, len(sound), step), start=1):
        audio = base64.b64encode(sound[place : place + step]).decode("ascii")
        _send(socket, type="input_audio_buffer.append", audio=audio)
        time.sleep(max(0.0, start + number * _CHUNK_S - time.monotonic()))


def _send(socket: ClientConnection, **event: Any) -> None:
    socket.send(json.dumps(event))


def _spoken(service: Service, text: str) -> bytes:
    """A sentence in the server's own voice, as PCM of the wire. Raises SpeechError if that fails."""
    products: queue.SimpleQueue[Product] = queue.SimpleQueue()
    service.engine.speak(text, "default", 1.0, products.put)
    audio, rate = [np.zeros(0, dtype=np.float32)], 24_000
    while not isinstance(product := products.get(timeout=_TIMEOUT_S), Finished):
        if isinstance(product, Failed):
            raise SpeechError(product.message)
        if isinstance(product, Sound):
            audio.append(product.audio)
            rate = product.sample_rate
    encoder = WireEncoder(PCM, rate)
    return encoder.push(np.concatenate(audio)) + encoder.flush()
