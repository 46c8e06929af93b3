"""Client events of the Realtime protocol: read with limits, validated into typed records.

Server events are plain dictionaries; what clients may send is here. Unknown fields are ignored, since new
client versions add some all the time; unknown types are an error the session survives.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from speech_core.errors import ProtocolError

JsonObject = dict[str, Any]
# How validation names the member of a union it tried: no field of the client has such a name.
_UNION_MEMBER = re.compile(r"^(server_vad|semantic_vad|audio/\w+|int|str|dict|[A-Z]\w+)$|[\[(]")


@dataclass(frozen=True)
class JsonLimits:
    """What one JSON text may hold."""

    max_depth: int = 64
    max_items: int = 50_000  # brackets and commas, those in strings included: base64 has none


class ClientEvent(BaseModel):
    """What all client events share."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    event_id: str | None = Field(default=None, max_length=512)


class UpdateSession(ClientEvent):
    """Change the fields that are present."""

    type: Literal["session.update", "transcription_session.update"]
    session: JsonObject


class AppendAudio(ClientEvent):
    """Audio in the session's input format, base64."""

    type: Literal["input_audio_buffer.append"]
    audio: str


class CommitAudio(ClientEvent):
    """End the user's turn."""

    type: Literal["input_audio_buffer.commit"]


class ClearAudio(ClientEvent):
    """Forget audio that was not committed."""

    type: Literal["input_audio_buffer.clear"]


class CreateItem(ClientEvent):
    """Put an item into the conversation: at its end, after an item, or at the front ("root")."""

    type: Literal["conversation.item.create"]
    item: JsonObject
    previous_item_id: str | None = None


class RetrieveItem(ClientEvent):
    """Ask for an item with its audio."""

    type: Literal["conversation.item.retrieve"]
    item_id: str


class TruncateItem(ClientEvent):
    """Cut an answer to what the user heard."""

    type: Literal["conversation.item.truncate"]
    item_id: str
    content_index: int = Field(default=0, ge=0)
    audio_end_ms: int = Field(ge=0)


class DeleteItem(ClientEvent):
    """Take an item out of the conversation."""

    type: Literal["conversation.item.delete"]
    item_id: str


class CreateResponse(ClientEvent):
    """Answer now; `response` overrides the session for this answer."""

    type: Literal["response.create"]
    response: JsonObject | None = None


class CancelResponse(ClientEvent):
    """Stop an answer: the one named, else the one of the conversation."""

    type: Literal["response.cancel"]
    response_id: str | None = None


class ClearOutput(ClientEvent):
    """Of WebRTC connections only."""

    type: Literal["output_audio_buffer.clear"]


AnyClientEvent = (
    UpdateSession
    | AppendAudio
    | CommitAudio
    | ClearAudio
    | CreateItem
    | RetrieveItem
    | TruncateItem
    | DeleteItem
    | CreateResponse
    | CancelResponse
    | ClearOutput
)
_ADAPTER: TypeAdapter[AnyClientEvent] = TypeAdapter(Annotated[AnyClientEvent, Field(discriminator="type")])
CLIENT_EVENTS = frozenset(
    name for kind in AnyClientEvent.__args__ for name in kind.model_fields["type"].annotation.__args__
)


def read_json(text: str, limits: JsonLimits | None = None) -> Any:
    """The value of a JSON text. Raises ProtocolError if it is none, too deep, or has too many items."""
    limits = limits or JsonLimits()
    if _counted(text) > limits.max_items:
        raise ProtocolError(f"the JSON has more than {limits.max_items} items", "invalid_event")
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError:
        raise ProtocolError("the JSON is nested too deeply", "invalid_event") from None
    except ValueError as error:
        raise ProtocolError(f"this is not JSON: {error}", "invalid_event") from None
    _check_depth(value, limits.max_depth)
    _check_text(value, text)
    return value


def read_event(text: str, limits: JsonLimits | None = None) -> JsonObject:
    """The JSON object of an event. Raises ProtocolError if the text holds something else."""
    value = read_json(text, limits)
    if not isinstance(value, dict):
        raise ProtocolError("an event is a JSON object", "invalid_event")
    return value


def parse_event(value: Mapping[str, Any]) -> AnyClientEvent:
    """The typed event of a JSON object. Raises ProtocolError that names the field at fault."""
    kind = value.get("type")
    if not isinstance(kind, str):
        raise ProtocolError("the event has no type", "missing_required_parameter", "type")
    if kind not in CLIENT_EVENTS:
        raise ProtocolError(f"there is no client event {kind[:80]!r}", "unknown_event", "type")
    try:
        return _ADAPTER.validate_python(dict(value))
    except ValidationError as error:
        raise validation_fault(error, skip=1) from None


def event_id_of(value: Any) -> str | None:
    """The id a client gave its event, if it can be echoed."""
    event_id = value.get("event_id") if isinstance(value, dict) else None
    return event_id if isinstance(event_id, str) and len(event_id) <= 512 else None


def validation_fault(error: ValidationError, prefix: str = "", skip: int = 0) -> ProtocolError:
    """The first fault of a validation as one line.

    prefix: goes before its place; skip: so many leading parts of the place are ours, not the client's.
    """
    fault = error.errors(include_url=False, include_input=False)[0]
    places = (str(part) for part in fault["loc"][skip:])
    place = ".".join(part for part in (prefix, *places) if part and not _UNION_MEMBER.search(part))
    code = {"missing": "missing_required_parameter"}.get(fault["type"], "invalid_value")
    if fault["type"].endswith("_type"):
        code = "invalid_type"
    return ProtocolError(f"{place or 'the event'}: {fault['msg']}", code, place or None)


def _counted(text: str) -> int:
    return text.count("[") + text.count("{") + text.count(",")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits[:40]} is too large a number")
    return number


def _check_text(value: Any, source: str) -> None:
    """Refuse half of a surrogate pair: JSON can write it as an escape, but no text can hold it."""
    if "\\u" not in source:
        return
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ProtocolError("a text holds half of a surrogate pair", "invalid_event") from None


def _check_depth(value: Any, limit: int) -> None:
    level = [value]
    for _ in range(limit + 1):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise ProtocolError(f"the JSON is nested more than {limit} deep", "invalid_event")


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
