"""Conversation items: what was said by whom, how it travels, and cutting answers to what was heard."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from llama_speech.service.endpoints.protocol import JsonObject
from speech_core.errors import ProtocolError

MAX_ID = 64
MAX_TEXT = 65_536
_PART_NAMES = {  # (role, name on the wire) -> our name; the beta names of answers are accepted
    ("system", "input_text"): "input_text",
    ("user", "input_text"): "input_text",
    ("user", "input_audio"): "input_audio",
    ("assistant", "output_text"): "output_text",
    ("assistant", "output_audio"): "output_audio",
    ("assistant", "text"): "output_text",
    ("assistant", "audio"): "output_audio",
}


@dataclass(frozen=True)
class WordMark:
    """A word of an answer: where it ends in the text and in the sound."""

    end_char: int
    end_sample: int  # at the rate of the synthesis


@dataclass
class Part:
    """One part of a message. kind: input_text, input_audio, output_text or output_audio.

    text: the text or transcript, None for speech that was not recognized yet. samples: length of the sound;
    pcm: the sound itself, 16-bit mono at `sample_rate`, empty if it was not kept. marks: words of an answer.
    """

    kind: str
    text: str | None = None
    pcm: bytes = field(default=b"", repr=False)
    samples: int = 0
    sample_rate: int = 24_000
    marks: list[WordMark] = field(default_factory=list)
    speech: tuple[Any, ...] = field(default=(), repr=False)  # what the engine made of the sound

    @property
    def duration_ms(self) -> int:
        """Length of the sound."""
        return self.samples * 1000 // self.sample_rate

    def cut(self, end_ms: int) -> int:
        """Keep the sound up to `end_ms` and the words that ended by then; the milliseconds that remain."""
        end_ms = min(end_ms, self.duration_ms)
        end_sample = self.samples = end_ms * self.sample_rate // 1000
        self.pcm = self.pcm[: 2 * end_sample]
        self.marks = [mark for mark in self.marks if mark.end_sample <= end_sample]
        self.text = (self.text or "")[: self.marks[-1].end_char if self.marks else 0]
        return end_ms

    def wire(self) -> JsonObject:
        """As events show it: without sound."""
        if self.kind == "input_audio":
            return {"type": self.kind, "transcript": self.text}
        return {"type": self.kind, "transcript" if self.kind == "output_audio" else "text": self.text or ""}


@dataclass
class Item:
    """A message, a call of a function, or its result."""

    id: str
    type: str  # message, function_call, function_call_output
    role: str | None = None
    status: str = "completed"  # completed, incomplete, in_progress
    parts: list[Part] = field(default_factory=list)
    name: str = ""
    call_id: str = ""
    arguments: str = ""
    output: str = ""

    def wire(self) -> JsonObject:
        """As events show it."""
        shown: JsonObject = {
            "id": self.id,
            "object": "realtime.item",
            "type": self.type,
            "status": self.status,
        }
        if self.type == "message":
            parts = [] if self.status == "in_progress" else [part.wire() for part in self.parts]
            return {**shown, "role": self.role, "content": parts}
        if self.type == "function_call":
            return {**shown, "name": self.name, "call_id": self.call_id, "arguments": self.arguments}
        return {**shown, "call_id": self.call_id, "output": self.output}


def read_item(value: Mapping[str, Any], new_id: str) -> Item:
    """An item a client made; `new_id` unless it chose one. Raises ProtocolError if it cannot be used."""
    item_id = value.get("id") or new_id
    if not isinstance(item_id, str) or len(item_id) > MAX_ID:
        raise _fault(f"an item id is a string of at most {MAX_ID} characters", "item.id")
    kind = value.get("type")
    if kind == "message":
        return _read_message(value, item_id)
    if kind == "function_call":
        return Item(
            item_id,
            kind,
            name=_text(value, "name"),
            call_id=_text(value, "call_id"),
            arguments=_text(value, "arguments"),
        )
    if kind == "function_call_output":
        return Item(item_id, kind, call_id=_text(value, "call_id"), output=_text(value, "output"))
    raise _fault(f"items of type {str(kind)[:40]!r} are not supported", "item.type")


def _read_message(value: Mapping[str, Any], item_id: str) -> Item:
    role, content = value.get("role"), value.get("content")
    if role not in ("system", "user", "assistant"):
        raise _fault("role is one of system, user, assistant", "item.role")
    if not isinstance(content, list):
        raise _fault("content is a list of parts", "item.content")
    parts = [_read_part(part, role, number) for number, part in enumerate(content)]
    return Item(item_id, "message", role, parts=parts)


def _read_part(value: Any, role: str, number: int) -> Part:
    place = f"item.content.{number}"
    if not isinstance(value, Mapping):
        raise _fault("a part is an object", place)
    name = value.get("type")
    kind = _PART_NAMES.get((role, str(name)))
    if kind is None:
        code = "unsupported_content_type" if name == "input_image" else "invalid_value"
        raise ProtocolError(f"a {role} message takes no part {str(name)[:40]!r}", code, f"{place}.type")
    if kind.endswith("_audio"):
        if role == "assistant" and value.get("audio"):
            raise _fault("answers cannot be created with sound: send output_text", f"{place}.audio")
        transcript = value.get("transcript")
        return Part(kind, _text(value, "transcript", place) if transcript is not None else None)
    return Part(kind, _text(value, "text", place))


def _text(value: Mapping[str, Any], name: str, place: str = "item") -> str:
    text = value.get(name)
    if not isinstance(text, str):
        raise ProtocolError(f"{place}.{name} is missing", "missing_required_parameter", f"{place}.{name}")
    if len(text) > MAX_TEXT:
        raise _fault(f"text is longer than {MAX_TEXT} characters", f"{place}.{name}")
    return text


def _fault(message: str, param: str) -> ProtocolError:
    return ProtocolError(message, "invalid_value", param)


class Conversation:
    """Items in order. Sound is kept for `retrieve` within a budget, the newest first."""

    def __init__(self, max_items: int = 2_000, max_pcm_bytes: int = 16 << 20) -> None:
        self._items: list[Item] = []
        self._max_items, self._max_pcm_bytes = max_items, max_pcm_bytes

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    @property
    def last_id(self) -> str | None:
        """Id of the last item."""
        return self._items[-1].id if self._items else None

    def get(self, item_id: str) -> Item | None:
        """The item of an id, or None."""
        return next((item for item in self._items if item.id == item_id), None)

    def add(self, item: Item, after: str | None = None) -> str | None:
        """Insert at the end, at the front ("root") or after an item; the id before it.

        Raises ProtocolError if the id is taken, the place unknown, or the conversation full.
        """
        if self.get(item.id) is not None:
            raise ProtocolError(f"item {item.id!r} exists", "item_create_duplicate_item_id", "item.id")
        if len(self._items) >= self._max_items:
            raise ProtocolError(
                f"the conversation has {self._max_items} items: delete some", "rate_limit_exceeded"
            )
        place = self._place(after)
        self._items.insert(place, item)
        return self._items[place - 1].id if place else None

    def remove(self, item_id: str) -> bool:
        """Take an item out; False if there is none."""
        kept = [item for item in self._items if item.id != item_id]
        removed = len(kept) < len(self._items)
        self._items = kept
        return removed

    def before(self, item_id: str) -> str | None:
        """Id of the item before another."""
        ids = [item.id for item in self._items]
        place = ids.index(item_id) if item_id in ids else 0
        return ids[place - 1] if place else None

    def limit_sound(self) -> None:
        """Drop the oldest sound beyond the budget; answers keep their words."""
        budget = self._max_pcm_bytes
        for item in reversed(self._items):
            for part in item.parts:
                if len(part.pcm) > budget:
                    part.pcm = b""
                budget -= len(part.pcm)

    def _place(self, after: str | None) -> int:
        if after is None:
            return len(self._items)
        if after == "root":
            return 0
        for place, item in enumerate(self._items):
            if item.id == after:
                return place + 1
        raise ProtocolError(
            f"there is no item {after!r}", "item_create_invalid_previous_item_id", "previous_item_id"
        )
