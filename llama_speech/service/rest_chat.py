"""`/v1/chat/completions`: conversations with `input_audio` parts, answered as text, whole or streamed."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from llama_speech.chat import ChatOptions, ChatStream
from llama_speech.service.outbox import random_id
from llama_speech.service.protocol import JsonObject
from llama_speech.service.rest_audio import event
from llama_speech.service.server import Service
from llama_speech.service.uploads import read_json_body
from speech_core.errors import ProtocolError

_REASONS = {"length": "length"}  # all others mean that the answer came to its end
_MOST_MESSAGES = 1_000


async def chat_completions(request: Request) -> Response:
    """One answer."""
    service: Service = request.app.state.service
    value = await read_json_body(request, service.config.limits.max_upload_bytes)
    options = read_options(value)
    messages = value.get("messages")
    if not isinstance(messages, list) or not 0 < len(messages) <= _MOST_MESSAGES:
        raise ProtocolError(f"messages is a list of 1 to {_MOST_MESSAGES}", "invalid_value", "messages")
    async with service.request_place():
        stream: ChatStream = await service.work(lambda: service.api.chat(messages, options))
        if value.get("stream") is True and not options.tools:
            return StreamingResponse(_chunks(service, stream), media_type="text/event-stream")
        answer = await service.work(stream.answer)
    reason = "tool_calls" if answer.tool_calls else _REASONS.get(answer.reason, "stop")
    message = {"refusal": None, **answer.message()}
    if value.get("stream") is True:
        return StreamingResponse(_whole(service, message, reason), media_type="text/event-stream")
    shown = _frame(service, "chat.completion")
    shown["choices"] = [{"index": 0, "message": message, "finish_reason": reason, "logprobs": None}]
    count = len(answer.token_ids)
    shown["usage"] = {"prompt_tokens": 0, "completion_tokens": count, "total_tokens": count}
    return JSONResponse(shown)


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
    if isinstance(limit, bool) or not isinstance(limit, int) or not 0 < limit <= 4096:
        raise ProtocolError("max_tokens is a whole number from 1 to 4096", "invalid_value", "max_tokens")
    stops = [stop] if isinstance(stop, str) else stop
    if not isinstance(stops, list | tuple) or any(not isinstance(one, str) or not one for one in stops):
        raise ProtocolError("stop is a text or a list of texts", "invalid_type", "stop")
    tools = value.get("tools") or []
    if not isinstance(tools, list):
        raise ProtocolError("tools is a list", "invalid_type", "tools")
    seed = value.get("seed")
    return ChatOptions(
        max_tokens=limit,
        temperature=float(numbers["temperature"]),
        top_p=float(numbers["top_p"]),
        seed=seed if isinstance(seed, int) and not isinstance(seed, bool) else None,
        stop=tuple(stops),
        tools=() if value.get("tool_choice") == "none" else tuple(tools),
    )


async def _chunks(service: Service, stream: ChatStream) -> AsyncIterator[str]:
    """The answer token by token; a client that leaves ends it."""
    loop, events = asyncio.get_running_loop(), asyncio.Queue[Any]()

    def read() -> None:
        try:
            for token in stream:
                loop.call_soon_threadsafe(events.put_nowait, token.text)
        finally:
            loop.call_soon_threadsafe(events.put_nowait, None)

    frame = _frame(service, "chat.completion.chunk")
    threading.Thread(target=read, name="chat", daemon=True).start()
    try:
        yield event(_delta(frame, {"role": "assistant", "content": ""}))
        while (text := await events.get()) is not None:
            if text:
                yield event(_delta(frame, {"content": text}))
        yield event(_delta(frame, {}, _REASONS.get(stream.reason or "", "stop")))
        yield "data: [DONE]\n\n"
    finally:
        stream.cancel()


async def _whole(service: Service, message: JsonObject, reason: str) -> AsyncIterator[str]:
    """An answer that may call functions, known only when it is complete, as a stream."""
    frame = _frame(service, "chat.completion.chunk")
    delta = {**message}
    if "tool_calls" in delta:
        delta["tool_calls"] = [{"index": place, **call} for place, call in enumerate(delta["tool_calls"])]
    yield event(_delta(frame, delta))
    yield event(_delta(frame, {}, reason))
    yield "data: [DONE]\n\n"


def _delta(frame: JsonObject, delta: JsonObject, reason: str | None = None) -> JsonObject:
    return {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def _frame(service: Service, kind: str) -> JsonObject:
    name = service.config.model_name
    return {"id": random_id("chatcmpl"), "object": kind, "created": round(time.time()), "model": name}
