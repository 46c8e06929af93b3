"""`/v1/audio/transcriptions`, `/translations` and `/speech`, as the official clients use them."""

import asyncio
import base64
import json
import queue
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from llama_speech.languages import require_language
from llama_speech.results import Transcription
from llama_speech.service.conversation.session import HOSTED_VOICES
from llama_speech.service.endpoints.protocol import JsonObject
from llama_speech.service.endpoints.uploads import field, fields, read_form, read_json_body
from llama_speech.service.models.products import Failed, Finished, Product, Sound
from llama_speech.service.operation.server import Service
from llama_speech.writers import render
from speech_core.audio import AudioLimits
from speech_core.audio_encoding import Encoder, make_encoder
from speech_core.errors import ProtocolError

FORMATS = ("json", "text", "srt", "vtt", "verbose_json")
_MEDIA = {"mp3": "audio/mpeg", "opus": "audio/ogg", "aac": "audio/aac", "flac": "audio/flac",
          "wav": "audio/wav", "pcm": "audio/pcm"}  # fmt: skip
_POLL_S = 0.02


@dataclass(frozen=True)
class Wish:
    """What an upload asks for."""

    audio: Any  # binary file
    format: str
    language: str
    words: bool
    segments: bool
    stream: bool


async def transcriptions(request: Request) -> Response:
    """Speech to text."""
    service: Service = request.app.state.service
    async with service.request_place(), _form(request) as form:
        wish = read_wish(form, "en")
        result = await service.work(lambda: transcribe(service, wish, to=None))
        return _shown(result, wish, "transcribe")


async def translations(request: Request) -> Response:
    """Speech to text in English, or in the language of the field `target_language`."""
    service: Service = request.app.state.service
    async with service.request_place(), _form(request) as form:
        wish = read_wish(form, "en")
        to = field(form, "target_language") or "en"
        result = await service.work(lambda: transcribe(service, wish, to=to))
        return _shown(result, wish, "translate")


async def speech(request: Request) -> Response:
    """Text to speech, sent while it is made."""
    service: Service = request.app.state.service
    value = await read_json_body(request, 1 << 20)
    text, voice = value.get("input"), value.get("voice")
    limit = service.config.limits.max_speech_chars
    if not isinstance(text, str) or not text.strip() or len(text) > limit:
        raise ProtocolError(f"input is a text of at most {limit} characters", "invalid_value", "input")
    voice = voice.get("id") if isinstance(voice, dict) else voice
    if voice is not None and voice not in (*HOSTED_VOICES, *service.engine.voices):
        raise ProtocolError(f"there is no voice {voice!r}", "invalid_value", "voice")
    speed = value.get("speed", 1.0)
    if not isinstance(speed, int | float) or not 0.25 <= speed <= 4.0:
        raise ProtocolError("speed is a number from 0.25 to 4", "invalid_value", "speed")
    kind, events = value.get("response_format", "mp3"), value.get("stream_format", "audio") == "sse"
    if not isinstance(kind, str) or kind not in _MEDIA:
        raise ProtocolError(
            f"response_format is one of {', '.join(_MEDIA)}", "unsupported_format", "response_format"
        )
    if not service.engine.voices:
        raise ProtocolError("this server has no voice: use a bundle that speaks", "unsupported_parameter")
    async with service.request_place():
        stream = Spoken(service, text, float(speed), kind)
        if events:
            return StreamingResponse(service.streamed(stream.events()), media_type="text/event-stream")
        return StreamingResponse(service.streamed(stream.sound()), media_type=_MEDIA[kind])


class Spoken:
    """One text being spoken for one request; stops when the client leaves."""

    def __init__(self, service: Service, text: str, speed: float, kind: str) -> None:
        self._products: queue.SimpleQueue[Product] = queue.SimpleQueue()
        self._service, self._kind = service, kind
        self._encoder: Encoder | None = None
        self._characters = len(text)
        self._reply = service.engine.speak(text, "default", speed, self._products.put)

    async def sound(self) -> AsyncGenerator[bytes, None]:
        """The sound in its format."""
        try:
            while True:
                product = await self._next()
                if isinstance(product, Sound):
                    self._encoder = self._encoder or make_encoder(self._kind, product.sample_rate)
                    yield await self._service.work(partial(self._encode, product))
                elif isinstance(product, Failed):
                    raise RuntimeError(product.message)
                elif isinstance(product, Finished):
                    if self._encoder is not None:
                        yield self._encoder.flush()
                    return
        finally:
            self._reply.stop()

    async def events(self) -> AsyncGenerator[str, None]:
        """The same as server-sent events."""
        async for data in self.sound():
            if data:
                yield event({"type": "speech.audio.delta", "audio": base64.b64encode(data).decode("ascii")})
        usage = {"input_tokens": self._characters, "output_tokens": 0, "total_tokens": self._characters}
        yield event({"type": "speech.audio.done", "usage": usage})

    def _encode(self, sound: Sound) -> bytes:
        return self._encoder.push(sound.audio) if self._encoder is not None else b""

    async def _next(self) -> Product:
        while self._products.empty():
            await asyncio.sleep(_POLL_S)
        return self._products.get()


def read_wish(form: FormData, language: str) -> Wish:
    """The fields of an upload. Raises ProtocolError that names the one at fault."""
    upload = form.get("file")
    if not isinstance(upload, UploadFile):
        raise ProtocolError("file is missing: send the recording", "missing_required_parameter", "file")
    kind = field(form, "response_format") or "json"
    if kind not in FORMATS:
        raise ProtocolError(
            f"response_format is one of {', '.join(FORMATS)}", "unsupported_value", "response_format"
        )
    stream = field(form, "stream") == "true"
    if stream and kind not in ("json", "text"):
        raise ProtocolError(f"{kind} cannot be streamed: use json", "unsupported_value", "stream")
    wanted = fields(form, "timestamp_granularities") or ["segment"]
    if set(wanted) - {"word", "segment"}:
        raise ProtocolError("granularities are word and segment", "invalid_value", "timestamp_granularities")
    chosen = field(form, "language") or language
    return Wish(upload.file, kind, chosen, "word" in wanted, "segment" in wanted, stream)


def transcribe(service: Service, wish: Wish, to: str | None) -> Transcription:
    """The work itself, on a thread. Raises InputError."""
    most = service.config.limits
    limits = AudioLimits(max_duration_s=most.max_audio_s, max_bytes=most.max_upload_bytes)
    options: dict[str, Any] = {"batch_size": 2, "limits": limits}
    if to is not None:
        result: Transcription = service.api.translate(wish.audio, to, wish.language, **options)
    else:
        result = service.api.transcribe(wish.audio, wish.language, wish.words, **options)
    return result


@asynccontextmanager
async def _form(request: Request) -> AsyncIterator[FormData]:
    """The fields of an upload; its files are removed afterwards."""
    service: Service = request.app.state.service
    form = await read_form(request, service.config.limits.max_upload_bytes)
    try:
        yield form
    finally:
        await form.close()


def _shown(result: Transcription, wish: Wish, task: str) -> Response:
    """The reply in the format asked for."""
    usage = {"type": "duration", "seconds": round(result.duration_s, 3)}
    if wish.stream:
        return StreamingResponse(_events(result, usage), media_type="text/event-stream")
    if wish.format == "text":
        return PlainTextResponse(result.text + "\n")
    if wish.format in ("srt", "vtt"):
        return PlainTextResponse(render(result, wish.format, "upload"))
    if wish.format == "json":
        return JSONResponse({"text": result.text, "usage": usage})
    return JSONResponse(verbose(result, wish, task, usage))


def verbose(result: Transcription, wish: Wish, task: str, usage: JsonObject) -> JsonObject:
    """Everything known; segments with all members the clients' types ask for."""
    name = require_language(result.language, ()).name.lower()
    shown: JsonObject = {
        "task": task,
        "language": name,
        "duration": round(result.duration_s, 3),
        "text": result.text,
    }
    if wish.segments:
        more = {"seek": 0, "temperature": 0.0, "compression_ratio": 1.0}
        without_words = [{k: v for k, v in one.to_dict().items() if k != "words"} for one in result.segments]
        shown["segments"] = [{**more, **one} for one in without_words]
    if wish.words:
        shown["words"] = [
            {"word": word.word.strip(), "start": round(word.start, 3), "end": round(word.end, 3)}
            for word in result.words
        ]
    return {**shown, "usage": usage}


def _events(result: Transcription, usage: JsonObject) -> Iterator[str]:
    """Segments as server-sent events; joined, the deltas are the text."""
    told = ""
    for segment in result.segments:
        delta = segment.text if not told else f" {segment.text}"
        told += delta
        yield event({"type": "transcript.text.delta", "delta": delta})
    yield event({"type": "transcript.text.done", "text": result.text, "usage": usage})
    yield "data: [DONE]\n\n"


def event(value: JsonObject) -> str:
    """One server-sent event."""
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"
