"""`/v1/chat/completions`: conversations with `input_audio` parts, answered as text, whole or streamed.

Answers are decoded in the batch of all sessions.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from llama_speech.chat import ChatOptions, read_speech
from llama_speech.messages import AudioPart, MessageTurn, parse_messages
from llama_speech.service.conversation.outbox import Message, Recognize, StartReply, random_id
from llama_speech.service.endpoints.protocol import JsonObject
from llama_speech.service.endpoints.rest_audio import event
from llama_speech.service.endpoints.uploads import read_json_body
from llama_speech.service.models.products import Called, Failed, Finished, Product, Said
from llama_speech.service.operation.server import Service
from speech_adapter.sampling import Sampling
from speech_core.errors import InputError, ProtocolError, SpeechError

_MOST_MESSAGES = 1_000
_LEAST = {"temperature": 0.0, "top_p": 1e-6}
_MOST = {"temperature": 10.0, "top_p": 1.0}


async def chat_completions(request: Request) -> Response:
    """One answer."""
    service: Service = request.app.state.service
    value = await read_json_body(request, service.config.limits.max_upload_bytes)
    options = read_options(value)
    messages = value.get("messages")
    if not isinstance(messages, list) or not 0 < len(messages) <= _MOST_MESSAGES:
        raise ProtocolError(f"messages is a list of 1 to {_MOST_MESSAGES}", "invalid_value", "messages")
    async with service.request_place():
        turns = await service.work(lambda: parse_messages(messages))
        told = tuple([await _message(service, turn) for turn in turns])
        answer = _Answer(service, _command(told, options, value.get("tool_choice")))
        first = await answer.next()
        if isinstance(first, Failed):
            raise _fault(first)
        if value.get("stream") is True:
            body = service.streamed(_chunks(service, answer, first))
            return StreamingResponse(body, media_type="text/event-stream")
        return JSONResponse(await _whole(service, answer, first))


class _Answer:
    """Products of one answer; leaving it stops the answer."""

    def __init__(self, service: Service, command: StartReply) -> None:
        self._loop, self._products = asyncio.get_running_loop(), asyncio.Queue[Product]()
        self._engine, self._name = service.engine, random_id("chat")
        self._reply = self._engine.reply(self._name, command, self._produced)

    async def next(self) -> Product:
        """The next product; the last one is Finished or Failed."""
        return await self._products.get()

    def close(self) -> None:
        """Nothing more is wanted."""
        self._reply.stop()
        self._engine.forget(self._name)

    def _produced(self, product: Product) -> None:
        self._loop.call_soon_threadsafe(self._products.put_nowait, product)


@dataclass
class _Message:
    """The answer so far, in the form of the clients."""

    text: str = ""
    calls: list[JsonObject] = field(default_factory=list)
    end: Finished = field(default_factory=Finished)

    def take(self, product: Product) -> JsonObject:
        """What a product adds, as the delta of a stream."""
        if isinstance(product, Said):
            self.text += product.text
            return {"content": product.text} if product.text else {}
        if isinstance(product, Called):
            function = {"name": product.name, "arguments": product.arguments}
            self.calls.append({"id": random_id("call"), "type": "function", "function": function})
            return {"tool_calls": [{"index": len(self.calls) - 1, **self.calls[-1]}]}
        if isinstance(product, Finished):
            self.end = product
        return {}

    @property
    def reason(self) -> str:
        """Why it ended, in the words of the clients."""
        return "tool_calls" if self.calls else "length" if self.end.reason == "length" else "stop"

    @property
    def usage(self) -> JsonObject:
        """Tokens."""
        asked, said = self.end.input_tokens, self.end.output_tokens
        return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}


async def _whole(service: Service, answer: _Answer, product: Product) -> JsonObject:
    message = _Message()
    try:
        while True:
            message.take(product)
            if isinstance(product, Finished):
                break
            product = await answer.next()
            if isinstance(product, Failed):
                raise _fault(product)
    finally:
        answer.close()
    shown: JsonObject = {"role": "assistant", "refusal": None, "content": message.text}
    if message.calls:
        shown = {**shown, "content": None, "tool_calls": message.calls}
    choice = {"index": 0, "message": shown, "finish_reason": message.reason, "logprobs": None}
    return {**_frame(service, "chat.completion"), "choices": [choice], "usage": message.usage}


async def _chunks(service: Service, answer: _Answer, product: Product) -> AsyncGenerator[str, None]:
    """The answer as it comes; a client that leaves ends it."""
    frame, message = _frame(service, "chat.completion.chunk"), _Message()
    try:
        yield event(_delta(frame, {"role": "assistant", "content": ""}))
        while not isinstance(product, Finished):
            if isinstance(product, Failed):
                told = {
                    "message": product.message,
                    "type": "server_error",
                    "code": product.code,
                    "param": None,
                }
                yield event({"error": told})
                return
            delta = message.take(product)
            if delta:
                yield event(_delta(frame, delta))
            product = await answer.next()
        message.take(product)
        yield event(_delta(frame, {}, message.reason))
        yield "data: [DONE]\n\n"
    finally:
        answer.close()


async def _message(service: Service, turn: MessageTurn) -> Message:
    """A turn with its sound recognized. Raises AudioError if nobody speaks in it."""
    parts, text = list[Any](), ""
    for part in turn.parts:
        if isinstance(part, AudioPart):
            words, speech = await _heard(service, part)
            words = f" {words}" if text and not text[-1].isspace() else words
            parts += speech if service.config.answer_from == "speech" else [words]
            text += words
        else:
            parts.append(part)
            text += part
    calls = tuple((call["name"], json.dumps(call["arguments"])) for call in turn.calls)
    spoken = tuple(parts) if any(not isinstance(part, str) for part in parts) else ()
    return Message(turn.role, text, calls, spoken)


async def _heard(service: Service, part: AudioPart) -> tuple[str, tuple[Any, ...]]:
    """Words of a part, and its speech as the Llama takes it."""
    loop = asyncio.get_running_loop()
    words, speech = list[str](), list[Any]()
    for audio in await service.work(lambda: read_speech(part)):
        found: asyncio.Future[tuple[str, str | None, tuple[Any, ...]]] = loop.create_future()

        def heard(
            text: str,
            error: str | None,
            speech: tuple[Any, ...] = (),
            found: asyncio.Future[Any] = found,
        ) -> None:
            loop.call_soon_threadsafe(_settle, found, (text, error, speech))

        service.engine.recognize(Recognize(0, audio), heard)
        text, error, one = await found
        if error is not None:
            raise SpeechError(error)
        words += [text] if text else []
        speech += one
    return " ".join(words), tuple(speech)


def _settle(found: asyncio.Future[Any], value: tuple[Any, ...]) -> None:
    if not found.done():  # the client may have left
        found.set_result(value)


def _command(messages: tuple[Message, ...], options: ChatOptions, choice: Any) -> StartReply:
    """What the engine is asked for; functions travel flat."""
    tools = tuple({"type": "function", **tool["function"]} for tool in options.tools)
    if isinstance(choice, dict):
        function = choice.get("function")
        choice = function.get("name") if isinstance(function, dict) else None
    return StartReply(
        generation=0,
        messages=messages,
        max_tokens=options.max_tokens,
        speak=False,
        tools=tools,
        tool_choice=choice if isinstance(choice, str) else "auto",
        drop_oldest=False,
        sampling=Sampling(options.temperature, options.top_p, options.seed),
        stop=tuple(options.stop),
    )


def _fault(failure: Failed) -> SpeechError:
    if failure.code == "rate_limit_exceeded":
        return ProtocolError(failure.message, failure.code)
    return (InputError if failure.code == "invalid_value" else SpeechError)(failure.message)


def read_options(value: JsonObject) -> ChatOptions:
    """Options of a request. Raises ProtocolError that names the field; unknown ones are ignored."""
    limit = value.get("max_completion_tokens") or value.get("max_tokens") or 256
    stop = value.get("stop") or ()
    numbers = {"temperature": 0.0, "top_p": 1.0}
    for name, default in numbers.items():
        given = value.get(name)
        numbers[name] = default if given is None else given
        if isinstance(given, bool) or not isinstance(numbers[name], int | float):
            raise ProtocolError(f"{name} is a number", "invalid_type", name)
        if not _LEAST[name] <= numbers[name] <= _MOST[name]:
            least, most = _LEAST[name], _MOST[name]
            raise ProtocolError(f"{name} is a number from {least:g} to {most:g}", "invalid_value", name)
    if isinstance(limit, bool) or not isinstance(limit, int) or not 0 < limit <= 4096:
        raise ProtocolError("max_tokens is a whole number from 1 to 4096", "invalid_value", "max_tokens")
    stops = [stop] if isinstance(stop, str) else stop
    if not isinstance(stops, list | tuple) or any(not isinstance(one, str) or not one for one in stops):
        raise ProtocolError("stop is a text or a list of texts", "invalid_type", "stop")
    tools = value.get("tools") or []
    if not isinstance(tools, list):
        raise ProtocolError("tools is a list", "invalid_type", "tools")
    seed = value.get("seed")
    if isinstance(seed, int) and not -(2**63) <= seed < 2**63:
        raise ProtocolError("seed is a whole number of 64 bits", "invalid_value", "seed")
    return ChatOptions(
        max_tokens=limit,
        temperature=float(numbers["temperature"]),
        top_p=float(numbers["top_p"]),
        seed=seed if isinstance(seed, int) and not isinstance(seed, bool) else None,
        stop=tuple(stops),
        tools=() if value.get("tool_choice") == "none" else tuple(tools),
    )


def _delta(frame: JsonObject, delta: JsonObject, reason: str | None = None) -> JsonObject:
    return {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def _frame(service: Service, kind: str) -> JsonObject:
    name = service.config.model_name
    return {"id": random_id("chatcmpl"), "object": kind, "created": round(time.time()), "model": name}
