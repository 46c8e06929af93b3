"""Messages of the chat APIs: checked, and taken apart into turns of text and audio.

    {"role": "user", "content": "Hello"}
    {"role": "user", "content": [{"type": "text", "text": "What is this?"},
                                 {"type": "input_audio", "input_audio": {"data": BASE64, "format": "wav"}}]}
    {"role": "assistant", "content": None, "tool_calls": [{"id": "call_0", "type": "function",
                                                           "function": {"name": ..., "arguments": JSON}}]}
    {"role": "tool", "tool_call_id": "call_0", "content": "21 degrees"}

Beside base64, `data` may be a `pathlib.Path`, bytes, a binary file object, or an array with `sample_rate`. A
string is never taken for a path: messages come from clients.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from speech_adapter.prompts import ROLES
from speech_core.errors import InputError
from speech_core.sources import UNNAMED, source_name

_RAW_RATES_HZ = {"pcm16": 24_000, "pcm": 24_000}  # headerless formats, and their usual rate
_DATA_URL = re.compile(r"data:audio/[\w.+-]+;base64,")
_SAME_ROLE = {"developer": "system", "ipython": "tool", "function": "tool"}


@dataclass(frozen=True)
class AudioPart:
    """Audio within a message, as `recordings.opener` takes it.

    where: what errors call it: the name of a file that has one, else the message and part.
    """

    audio: Any
    sample_rate: int | None
    where: str


@dataclass(frozen=True)
class MessageTurn:
    """One message: text and audio in order, and the functions an assistant called."""

    role: str
    parts: tuple[str | AudioPart, ...]
    calls: tuple[Mapping[str, Any], ...] = ()


def parse_messages(messages: Sequence[Any]) -> list[MessageTurn]:
    """The turns of a conversation. Raises InputError, naming the message, for what is no message."""
    if isinstance(messages, str | bytes | Mapping) or not messages:
        raise InputError("messages is empty or no list: give [{'role': 'user', 'content': ...}]")
    return [_turn(message, f"message {number}") for number, message in enumerate(messages, start=1)]


def _turn(message: Any, where: str) -> MessageTurn:
    if not isinstance(message, Mapping):
        raise InputError(f"{where} is no object: give {{'role': ..., 'content': ...}}")
    role = _SAME_ROLE.get(str(message.get("role")), str(message.get("role")))
    if role not in ROLES:
        raise InputError(f"the role of {where} is {role!r}: use one of {', '.join(ROLES)}")
    calls = tuple(_call(call, where) for call in message.get("tool_calls") or ())
    content = message.get("content")
    if content is None and not calls:
        raise InputError(f"{where} has no content")
    parts = _parts(content, where)
    if role != "user" and any(isinstance(part, AudioPart) for part in parts):
        raise InputError(f"{where} holds audio but its role is {role}: only a user speaks")
    return MessageTurn(role, parts, calls)


def _parts(content: Any, where: str) -> tuple[str | AudioPart, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (content,)
    if not isinstance(content, Sequence):
        raise InputError(f"the content of {where} is {type(content).__name__}: give text or a list of parts")
    return tuple(_part(part, f"part {number} of {where}") for number, part in enumerate(content, start=1))


def _part(part: Any, where: str) -> str | AudioPart:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind in ("text", "input_text", "output_text") and isinstance(part.get("text"), str):
        return str(part["text"])
    if kind == "input_audio" and isinstance(part.get("input_audio"), Mapping):
        return _audio(part["input_audio"], where)
    raise InputError(f"{where} is neither {{'type': 'text', 'text': ...}} nor {{'type': 'input_audio', ...}}")


def _audio(spec: Mapping[str, Any], where: str) -> AudioPart:
    data, rate = spec.get("data"), spec.get("sample_rate")
    if data is None or (isinstance(data, str | bytes) and not data):
        raise InputError(f"the audio of {where} is empty")
    if isinstance(data, str):
        data = _decoded(data, where)
    raw = _RAW_RATES_HZ.get(str(spec.get("format", "")).lower())
    if raw is not None and isinstance(data, bytes):
        if len(data) % 2:
            raise InputError(f"the audio of {where} is an odd number of bytes: pcm16 has two a sample")
        return AudioPart(np.frombuffer(data, "<i2").astype(np.float32) / 32768, int(rate or raw), where)
    name = source_name(data)
    return AudioPart(data, None if rate is None else int(rate), where if name == UNNAMED else name)


def _decoded(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(_DATA_URL.sub("", text, count=1), validate=True)
    except (binascii.Error, ValueError):
        raise InputError(
            f"the audio of {where} is not base64: encode the file, or give its name as pathlib.Path"
        ) from None


def _call(call: Any, where: str) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, Mapping) else None
    arguments = function.get("arguments", {}) if isinstance(function, Mapping) else None
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except json.JSONDecodeError:
            arguments = None
    if not isinstance(function, Mapping) or not function.get("name") or not isinstance(arguments, Mapping):
        raise InputError(f"a tool call of {where} has no name, or its arguments are no JSON object")
    return {"name": str(function["name"]), "arguments": dict(arguments)}
