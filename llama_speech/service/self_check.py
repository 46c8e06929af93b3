"""One conversation of a server with itself, over its own socket, and how long each step took."""

import base64
import json
import queue
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from websockets.sync.client import ClientConnection, connect

from llama_speech.service.answer import Failed, Finished, Product, Sound
from llama_speech.service.app import build_app
from llama_speech.service.run import running, warm_up
from llama_speech.service.server import Service
from llama_speech.service.wire_audio import PCM, WireEncoder
from speech_core.errors import SpeechError

_QUESTION = "Hello, can you hear me?"
_CHUNK_S = 0.1
_TIMEOUT_S = 60.0
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
            start = time.monotonic()
            asked = _ask_aloud(socket, question) if question else _ask_in_writing(socket)
            yield from _report(socket, start, asked)


def _report(socket: ClientConnection, start: float, asked: float) -> Iterator[str]:
    """When each kind of event came first, after the end of the question."""
    seen: set[str] = set()
    while True:
        event: dict[str, Any] = json.loads(socket.recv(timeout=_TIMEOUT_S))
        kind = event["type"]
        if kind == "error":
            raise SpeechError(f"the server answered with an error: {event['error']['message']}")
        if kind in _SHOWN and kind not in seen:
            seen.add(kind)
            yield f"{1000 * (time.monotonic() - asked):8.0f} ms  {_SHOWN[kind]}"
        if kind == "response.done":
            status = event["response"]["status"]
            if status == "failed":
                raise SpeechError("the answer failed: see the log of the server")
            yield f"ok: {status} after {time.monotonic() - start:.1f} s"
            return


def _ask_in_writing(socket: ClientConnection) -> float:
    content = [{"type": "input_text", "text": _QUESTION}]
    item = {"type": "message", "role": "user", "content": content}
    _send(socket, type="conversation.item.create", item=item)
    _send(socket, type="response.create")
    return time.monotonic()


def _ask_aloud(socket: ClientConnection, question: bytes) -> float:
    """Send the question as fast as it is spoken, then silence; when the question ended."""
    settings = {"type": "realtime", "audio": {"input": {"transcription": {"model": "default"}}}}
    _send(socket, type="session.update", session=settings)
    step = round(_CHUNK_S * 48_000)
    for start in range(0, len(question), step):
        _send(socket, type="input_audio_buffer.append", audio=_text(question[start : start + step]))
        time.sleep(_CHUNK_S)
    asked = time.monotonic()
    for _ in range(15):
        _send(socket, type="input_audio_buffer.append", audio=_text(bytes(step)))
        time.sleep(_CHUNK_S)
    return asked


def _send(socket: ClientConnection, **event: Any) -> None:
    socket.send(json.dumps(event))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


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
