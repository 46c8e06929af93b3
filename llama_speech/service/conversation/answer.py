"""One answer (a `response` of the protocol): what the engine produces becomes events, each in its order.

States: draft (prepared while a pause is being confirmed, nobody knows of it) -> waiting (announced,
nothing said) -> speaking -> over. Exactly one `response.created` and one `response.done`; everything else
between them; what comes after the end is ignored. What the engine produces waits while the answer is held,
and sound until it is due (`pacing`); then it is told, or forgotten.
"""

import base64
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from llama_speech.service.conversation.items import Conversation, Item, Part, WordMark
from llama_speech.service.conversation.outbox import Outbox
from llama_speech.service.conversation.settings import Settings
from llama_speech.service.endpoints.pacing import Pace, Playback, cut
from llama_speech.service.endpoints.protocol import JsonObject
from llama_speech.service.endpoints.wire_audio import WireEncoder, wire_rate_hz, wire_sample_bytes
from llama_speech.service.models.products import Called, Failed, Finished, Product, Said, Sound, usage
from speech_core.pcm import float_to_pcm16

_DELTA_MS = 200  # longest sound in one event
_MOVES = {"draft": ("waiting", "over"), "waiting": ("speaking", "over"), "speaking": ("over",), "over": ()}


@dataclass(frozen=True)
class AnswerOptions:
    """What one answer is made with; a snapshot of the session when it began."""

    settings: Settings
    conversation_id: str | None  # None: out of band, nothing enters the conversation
    metadata: JsonObject | None = None
    pace: Pace | None = None  # None: sound is sent as soon as it is there


class Answer:
    """See the module. `clock` gives seconds; `conversation` is where its items go."""

    def __init__(
        self,
        generation: int,
        options: AnswerOptions,
        outbox: Outbox,
        conversation: Conversation,
        clock: Callable[[], float],
    ) -> None:
        self.generation, self.options = generation, options
        self.id = outbox.new_id("resp")
        self.state = "draft"
        self.held = True
        self._outbox, self._conversation = outbox, conversation
        self._playback = Playback(clock)
        self._waiting: deque[Product] = deque()
        self._items: list[Item] = []
        self._open: Item | None = None
        self._text = ""  # all the model said
        self._told = 0  # characters of it the client was told
        self._encoder: WireEncoder | None = None
        self._samples = 0  # of sound that was taken

    @property
    def in_conversation(self) -> bool:
        """Whether it is the answer of the conversation, not one out of band."""
        return self.options.conversation_id is not None

    @property
    def running(self) -> bool:
        """Announced and not over."""
        return self.state in ("waiting", "speaking")

    @property
    def heard_ms(self) -> float:
        """At most so much of its sound can have been heard: it was sent, and there was time to play it."""
        return self._playback.heard_ms

    @property
    def audible(self) -> bool:
        """Whether it is being said, or its sound is still being played."""
        return self.running or (self.state == "over" and self._playback.left_ms > 0)

    @property
    def due_s(self) -> float | None:
        """Seconds until `advance` has something to tell; None: nothing waits for its time."""
        if self.held or not self._waiting:
            return None
        first, pace = self._waiting[0], self.options.pace
        if pace is None or not isinstance(first, Sound):
            return 0.0
        return pace.wait_s(self._playback.left_ms, first.duration_ms)

    def writes(self, item_id: str) -> bool:
        """Whether an item is one of its own."""
        return any(item.id == item_id for item in self._items)

    def announce(self) -> None:
        """Tell the client that there is an answer."""
        self._move("waiting")
        self._outbox.emit("response.created", response=self._wire("in_progress"))

    def hold(self) -> None:
        """Keep what comes until `release`."""
        self.held = True

    def release(self) -> None:
        """Tell what was held back, as it is due."""
        self.held = False
        self.advance()

    def advance(self) -> None:
        """Tell what is due by now."""
        while self.due_s == 0:
            self._take(self._next())

    def hurry(self) -> None:
        """Tell the rest at once, if all of it is there and only waits to be due."""
        if not self.held and self._waiting and isinstance(self._waiting[-1], Finished | Failed):
            while self._waiting:
                self._take(self._next())

    def receive(self, product: Product) -> None:
        """Something from the engine."""
        if self.state != "over":
            self._waiting.append(product)
            self.advance()

    def cancel(self, reason: str) -> None:
        """Stop: "turn_detected" or "client_cancelled". Does nothing to an answer that is over."""
        if self.state == "over":
            return
        self._waiting.clear()
        if self.state == "draft":
            self._move("over")
            return
        item = self._open
        self._end("cancelled", {"type": "cancelled", "reason": reason}, None)
        if item is not None and item.parts and item.parts[0].kind == "output_audio":
            item.parts[0].cut(round(self.heard_ms))  # nobody heard the rest

    def _next(self) -> Product:
        """What is told next: of sound, as much as is sent at once."""
        product, pace = self._waiting.popleft(), self.options.pace
        if pace is None or not isinstance(product, Sound):
            return product
        samples = max(round(pace.piece_ms * product.sample_rate / 1000), 1)
        product, rest = cut(product, samples, self._samples)
        if rest is not None:
            self._waiting.appendleft(rest)
        return product

    def _take(self, product: Product) -> None:
        if isinstance(product, Said):
            self._say(product.text)
        elif isinstance(product, Sound):
            self._sound(product)
        elif isinstance(product, Called):
            self._call(product)
        elif isinstance(product, Finished):
            self._finish(product)
        else:
            self._fail(product)

    def _say(self, text: str) -> None:
        if not text:
            return
        self._text += text
        part = self._part()
        if part.kind == "output_text":
            self._tell(len(self._text))

    def _sound(self, sound: Sound) -> None:
        """Words appear with their sound, so that what was never heard was never shown."""
        part = self._part()
        part.sample_rate = sound.sample_rate
        part.marks += [WordMark(word.end_char, word.end_sample) for word in sound.words]
        part.pcm += float_to_pcm16(sound.audio)
        part.samples += sound.audio.size
        self._samples += sound.audio.size
        if sound.words:
            self._tell(max(word.end_char for word in sound.words))
        if self._encoder is None:
            self._encoder = WireEncoder(self._format, sound.sample_rate)
        self._send(self._encoder.push(sound.audio))

    def _call(self, call: Called) -> None:
        self._close("completed")
        item = Item(
            self._outbox.new_id("item"),
            "function_call",
            status="in_progress",
            name=call.name,
            call_id=self._outbox.new_id("call"),
        )
        self._add(item)
        place = {"response_id": self.id, "item_id": item.id, "output_index": len(self._items) - 1}
        item.arguments = call.arguments
        emit, call_id = self._outbox.emit, item.call_id
        emit("response.function_call_arguments.delta", **place, call_id=call_id, delta=call.arguments)
        emit(
            "response.function_call_arguments.done",
            **place,
            call_id=call_id,
            name=call.name,
            arguments=call.arguments,
        )
        self._finish_item(item, "completed")
        self._open = None

    def _finish(self, end: Finished) -> None:
        if self._encoder is not None:
            self._send(self._encoder.flush())
            self._encoder = None
        if end.reason == "length":
            details: JsonObject | None = {"type": "incomplete", "reason": "max_output_tokens"}
            self._end("incomplete", details, end)
        else:
            self._end("completed", None, end)

    def _fail(self, failure: Failed) -> None:
        error = {"type": "server_error", "code": failure.code, "message": failure.message}
        self._end("failed", {"type": "failed", "error": error}, None)

    def _end(self, status: str, details: JsonObject | None, end: Finished | None) -> None:
        """Close what is open and say that it is over."""
        if status in ("completed", "incomplete") and self._open is not None:
            self._tell(len(self._text))
        self._close("completed" if status == "completed" else "incomplete")
        self._move("over")
        self._waiting.clear()
        self._outbox.emit("response.done", response=self._wire(status, details, end or Finished()))

    def _part(self) -> Part:
        """The part that is being written; opens the message if need be."""
        if self._open is None:
            kind = "output_audio" if self.options.settings.speaks else "output_text"
            item = Item(self._outbox.new_id("item"), "message", "assistant", "in_progress")
            self._add(item)
            item.parts.append(Part(kind, ""))
            part = (
                {"type": "audio", "transcript": ""}
                if kind == "output_audio"
                else {"type": "text", "text": ""}
            )
            self._outbox.emit("response.content_part.added", **self._place(item), part=part)
            self._open = item
        return self._open.parts[0]

    def _add(self, item: Item) -> None:
        if self.state == "waiting":
            self._move("speaking")
        self._items.append(item)
        index = len(self._items) - 1
        self._outbox.emit(
            "response.output_item.added", response_id=self.id, output_index=index, item=item.wire()
        )
        if self.in_conversation:
            before = self._conversation.add(item)
            self._outbox.emit("conversation.item.added", previous_item_id=before, item=item.wire())

    def _tell(self, end_char: int) -> None:
        """Text up to a character that the client was not told yet."""
        delta = self._text[self._told : end_char]
        if self._open is None or not delta:
            return
        self._told += len(delta)
        part = self._open.parts[0]
        part.text = (part.text or "") + delta
        kind = "output_audio_transcript" if part.kind == "output_audio" else "output_text"
        self._outbox.emit(f"response.{kind}.delta", **self._place(self._open), delta=delta)

    def _send(self, data: bytes) -> None:
        if self._open is None or not data:
            return
        bytes_per_ms = wire_rate_hz(self._format) * wire_sample_bytes(self._format) // 1000
        step = _DELTA_MS * bytes_per_ms
        for start in range(0, len(data), step):
            piece = base64.b64encode(data[start : start + step]).decode("ascii")
            self._outbox.emit("response.output_audio.delta", **self._place(self._open), delta=piece)
        self._playback.sent(len(data) / bytes_per_ms)

    def _close(self, status: str) -> None:
        """End the open message."""
        item, self._open = self._open, None
        if item is None:
            return
        part, place, emit = item.parts[0], self._place(item), self._outbox.emit
        text = part.text or ""
        if part.kind == "output_audio":
            emit("response.output_audio.done", **place)
            emit("response.output_audio_transcript.done", **place, transcript=text)
            emit("response.content_part.done", **place, part={"type": "audio", "transcript": text})
        else:
            emit("response.output_text.done", **place, text=text)
            emit("response.content_part.done", **place, part={"type": "text", "text": text})
        self._finish_item(item, status)

    def _finish_item(self, item: Item, status: str) -> None:
        item.status = status
        index = self._items.index(item)
        self._outbox.emit(
            "response.output_item.done", response_id=self.id, output_index=index, item=item.wire()
        )
        if self.in_conversation:
            before = self._conversation.before(item.id)
            self._outbox.emit("conversation.item.done", previous_item_id=before, item=item.wire())
            self._conversation.limit_sound()

    @property
    def _format(self) -> str:
        return self.options.settings.audio.output.format.type

    def _place(self, item: Item) -> JsonObject:
        index = self._items.index(item)
        return {"response_id": self.id, "item_id": item.id, "output_index": index, "content_index": 0}

    def _wire(
        self, status: str, details: JsonObject | None = None, end: Finished | None = None
    ) -> JsonObject:
        settings = self.options.settings
        output = settings.audio.output
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": [item.wire() for item in self._items] if end else [],
            "conversation_id": self.options.conversation_id,
            "output_modalities": settings.output_modalities,
            "max_output_tokens": settings.max_output_tokens,
            "audio": {"output": {"format": output.format.model_dump(), "voice": output.voice}},
            "usage": usage(end) if end else None,
            "metadata": self.options.metadata,
        }

    def _move(self, state: str) -> None:
        if state not in _MOVES[self.state]:
            raise RuntimeError(f"an answer cannot go from {self.state} to {state}")
        self.state = state
