"""One conversation as a state machine: events and results in, events and commands out, no network.

Whoever drives it feeds client events, windows of sound and results of the engine, each from one thread, and
after each call takes what the outbox holds. Time comes from an injected clock.
"""

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from llama_speech.service.conversation.answering import Answers
from llama_speech.service.conversation.items import Conversation, Item, Part, read_item
from llama_speech.service.conversation.listening import Listener, silence
from llama_speech.service.conversation.outbox import NewId, Outbox, random_id
from llama_speech.service.conversation.settings import ServerVad, Settings, merged
from llama_speech.service.conversation.turns import TurnConfig, Window
from llama_speech.service.endpoints.pacing import Pace
from llama_speech.service.endpoints.protocol import (
    AnyClientEvent,
    CancelResponse,
    ClearAudio,
    CommitAudio,
    CreateItem,
    CreateResponse,
    DeleteItem,
    JsonObject,
    RetrieveItem,
    TruncateItem,
    UpdateSession,
    event_id_of,
    parse_event,
)
from llama_speech.service.endpoints.wire_audio import MODEL_RATE_HZ, WireDecoder, decode_base64
from llama_speech.service.models.products import Product
from speech_core.errors import ProtocolError
from speech_core.pcm import Audio, float_to_pcm16, pcm16_to_float
from speech_core.resampling import resample

HOSTED_VOICES = frozenset(
    ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar", "default")
)  # clients name these unasked; they are spoken by the default voice
LONGEST_ITEM_AUDIO_S = 60
_STALLED_S = 1.0  # a client that sends no sound for so long beyond the silence has ended its turn


@dataclass(frozen=True)
class SessionOptions:
    """What the server can do and allows."""

    model: str = "llama-speech"
    instructions: str = ""
    can_speak: bool = True
    voices: tuple[str, ...] = ()
    turns: TurnConfig = field(default_factory=TurnConfig)
    longest_s: float = 3600.0
    transcription_only: bool = False
    answer_from: str = "transcript"  # or "speech", where the session does not say
    lead_ms: float | None = None  # sound is sent so much ahead of its playback; None: at once
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    new_id: NewId = random_id


class Session:
    """See the module. `outbox` holds what is to be sent and done; `over` says why the session must end."""

    def __init__(self, options: SessionOptions | None = None) -> None:
        self.options = options = options or SessionOptions()
        self.outbox = outbox = Outbox(options.new_id)
        self.id = outbox.new_id("sess")
        self.over: str | None = None
        self.settings = self._first_settings()
        self.conversation = Conversation()
        self._pace = None if options.lead_ms is None else Pace(options.lead_ms, options.clock)
        self.answers = Answers(
            outbox, self.conversation, outbox.new_id("conv"), options.clock, options.answer_from, self._pace
        )
        self._listener = Listener(outbox, self.conversation, self.answers, options.turns, self.settings)
        self._began = self._last_sound = self._idle_since = options.clock()
        self._expires_at = round(options.wall_clock() + options.longest_s)
        self._asked_after_idle = True
        outbox.emit("session.created", session=self._echo())

    @property
    def speech_lag_s(self) -> float:
        """How long the user had been speaking when the present or last turn was noticed."""
        return self._listener.speech_lag_s

    def start_with(self, settings: JsonObject) -> None:
        """Begin with the settings a short-lived key was made for."""
        self.settings = merged(self.settings, settings)
        self._listener.configure(self.settings)
        self.outbox.take_events()
        self.outbox.emit("session.created", session=self._echo())

    @property
    def input_format(self) -> str:
        """Format of the sound the client sends."""
        return self.settings.audio.input.format.type

    def handle(self, value: Mapping[str, Any], rest: Audio | None = None) -> None:
        """A client event other than sound; what is wrong with it becomes an `error` event.

        rest: sound that came before and filled no window yet, for a commit.
        """
        try:
            self._handle(parse_event(value), silence(0) if rest is None else rest)
        except ProtocolError as error:
            self.outbox.error(error, event_id_of(value))

    @property
    def due_s(self) -> float | None:
        """Seconds until `advance` has something to tell; None: nothing waits for its time."""
        return self.answers.due_s

    def advance(self) -> None:
        """Tell what is due by now."""
        self.answers.advance()

    def arrived(self, seconds: float) -> None:
        """So much sound of the user came; it is heard later."""
        if self._pace is not None:
            self._pace.arrived(seconds)

    def hear(self, windows: Sequence[Window]) -> None:
        """Sound of the user, in order."""
        self._last_sound = self.options.clock()
        try:
            self._listener.hear(windows)
        except ProtocolError as error:
            self.outbox.error(error)

    def recognized(self, job: int, text: str, error: str | None = None, speech: tuple[Any, ...] = ()) -> None:
        """The engine knows words; speech: what else it made of the sound."""
        self._listener.recognized(job, text, error, speech)

    def judged(self, job: int, finished: float) -> None:
        """The engine thinks that a turn is over, with this probability."""
        self._listener.judged(job, finished)

    def produced(self, generation: int, product: Product) -> None:
        """The engine made a piece of an answer."""
        self.answers.receive(generation, product)

    def tick(self) -> None:
        """Look at the clock: to be called a few times a second."""
        now = self.options.clock()
        if self.over is None and now - self._began >= self.options.longest_s:
            self.outbox.error(ProtocolError("the session reached its longest duration", "session_expired"))
            self.over = "maximum duration reached"
        detection = self.settings.audio.input.turn_detection
        patience_s = _STALLED_S + (
            detection.silence_duration_ms / 1000 if isinstance(detection, ServerVad) else 2.0
        )
        if self._listener.in_turn and now - self._last_sound > patience_s:
            self._listener.end_silently()
        if now - self._last_sound > _STALLED_S:
            self._listener.let_go()
        self._tick_idle(now, detection)

    def close(self) -> None:
        """The connection is gone: stop everything."""
        self.answers.close()

    def _tick_idle(self, now: float, detection: Any) -> None:
        """After a long silence following an answer, ask the user again, if the client wants that."""
        if self.answers.audible or self._listener.in_turn:
            self._idle_since, self._asked_after_idle = now, False
        timeout_ms = detection.idle_timeout_ms if isinstance(detection, ServerVad) else None
        if timeout_ms is None or self._asked_after_idle or (now - self._idle_since) * 1000 < timeout_ms:
            return
        self._asked_after_idle = True
        item_id, end_ms = self.outbox.new_id("item"), self._listener.heard_ms
        start_ms = max(end_ms - timeout_ms, 0)
        self.outbox.emit(
            "input_audio_buffer.timeout_triggered",
            audio_start_ms=start_ms,
            audio_end_ms=end_ms,
            item_id=item_id,
        )
        self._listener.commit_silence(item_id)

    def _handle(self, event: AnyClientEvent, rest: Audio) -> None:
        if isinstance(event, UpdateSession):
            self._update(event)
        elif isinstance(event, CommitAudio):
            self._listener.commit(rest)
        elif isinstance(event, ClearAudio):
            self._listener.clear()
        elif isinstance(event, CreateItem):
            self._create_item(event)
        elif isinstance(event, RetrieveItem):
            self._retrieve(event.item_id)
        elif isinstance(event, TruncateItem):
            self._truncate(event)
        elif isinstance(event, DeleteItem):
            self._delete(event.item_id)
        elif isinstance(event, CreateResponse):
            self._create_response(event)
        elif isinstance(event, CancelResponse):
            self.answers.cancel_named(event.response_id)
        else:
            raise ProtocolError(f"{event.type} is not for this connection", "invalid_value", "type")

    def _update(self, event: UpdateSession) -> None:
        update = dict(event.session)
        update.pop("model", None)  # chosen with the connection
        if event.type == "transcription_session.update":
            update["type"] = "transcription"
        settings = merged(self.settings, update)
        if settings.type != self.settings.type and self.conversation.last_id is not None:
            raise ProtocolError("the type of a session cannot change", "invalid_value", "session.type")
        if "output_modalities" in update or "modalities" in update:
            self._check_speech(settings, "session")
        voice = settings.audio.output.voice
        if voice != self.settings.audio.output.voice:
            self._check_voice(voice)
        self.settings = settings
        self._listener.configure(settings)
        self.outbox.emit("session.updated", session=self._echo())

    def _check_speech(self, settings: Settings, place: str) -> None:
        if settings.speaks and not self.options.can_speak:
            raise ProtocolError(
                "this server has no voice: set output_modalities to ['text'], or use a bundle that speaks",
                "unsupported_parameter",
                f"{place}.output_modalities",
            )

    def _check_voice(self, voice: str) -> None:
        if self.answers.has_sounded:
            raise ProtocolError("the voice cannot change after it was heard", "cannot_update_voice")
        if voice not in HOSTED_VOICES and voice not in self.options.voices:
            known = ", ".join(sorted({*self.options.voices, *HOSTED_VOICES}))
            raise ProtocolError(
                f"there is no voice {voice!r}: use one of {known}",
                "invalid_value",
                "session.audio.output.voice",
            )

    def _create_item(self, event: CreateItem) -> None:
        item = read_item(event.item, self.outbox.new_id("item"))
        audio = self._item_audio(event.item)
        for part in item.parts:
            if part.kind == "input_audio" and audio is not None:
                part.pcm, part.samples, part.sample_rate = float_to_pcm16(audio), audio.size, MODEL_RATE_HZ
        if item.type == "function_call_output" and not self._was_called(item.call_id):
            raise ProtocolError(
                f"no function was called with id {item.call_id!r}", "invalid_value", "item.call_id"
            )
        before = self.conversation.add(item, event.previous_item_id)
        self.outbox.emit("conversation.item.added", previous_item_id=before, item=item.wire())
        self.outbox.emit("conversation.item.done", previous_item_id=before, item=item.wire())
        if audio is not None and audio.size:
            self._listener.add_spoken(item, audio)

    def _was_called(self, call_id: str) -> bool:
        return any(item.type == "function_call" and item.call_id == call_id for item in self.conversation)

    def _item_audio(self, value: Mapping[str, Any]) -> Audio | None:
        """Sound of the first audio part of a user's message that has no words, 16 kHz."""
        content = value.get("content")
        for part in content if isinstance(content, list) and value.get("role") == "user" else []:
            if not isinstance(part, Mapping):
                continue
            sound = part.get("audio")
            if (
                part.get("type") == "input_audio"
                and isinstance(sound, str)
                and part.get("transcript") is None
            ):
                data = decode_base64(sound, "item.content.audio")
                decoder = WireDecoder(self.input_format)
                audio = np.concatenate([decoder.push(data), decoder.flush()])
                if audio.size > LONGEST_ITEM_AUDIO_S * MODEL_RATE_HZ:
                    raise ProtocolError(
                        f"the sound of an item lasts at most {LONGEST_ITEM_AUDIO_S} s",
                        "invalid_value",
                        "item.content.audio",
                    )
                return audio
        return None

    def _retrieve(self, item_id: str) -> None:
        item = self._known(item_id, "item_retrieve_invalid_item_id")
        self.outbox.emit("conversation.item.retrieved", item=with_sound(item))

    def _truncate(self, event: TruncateItem) -> None:
        item = self._known(event.item_id, "item_truncate_invalid_item_id")
        spoken = [part for part in item.parts if part.kind == "output_audio"]
        if item.role != "assistant" or not spoken or event.content_index >= len(item.parts):
            raise ProtocolError(
                "Only model output audio messages can be truncated", "invalid_value", "item_id"
            )
        self.answers.stop_item(item.id)
        end_ms = item.parts[event.content_index].cut(event.audio_end_ms)
        self.outbox.emit(
            "conversation.item.truncated",
            item_id=item.id,
            content_index=event.content_index,
            audio_end_ms=end_ms,
        )

    def _delete(self, item_id: str) -> None:
        self._known(item_id, "item_delete_invalid_item_id")
        self.answers.stop_item(item_id)
        self.conversation.remove(item_id)
        self.outbox.emit("conversation.item.deleted", item_id=item_id)

    def _create_response(self, event: CreateResponse) -> None:
        if self.settings.type == "transcription":
            raise ProtocolError(
                "response.create refused: this session only transcribes", "invalid_value", "type"
            )
        request = self.answers.read_request(self.settings, event.response)
        self._check_speech(request.settings, "response")
        self.answers.begin(request, self._listener.words_known)

    def _known(self, item_id: str, code: str) -> Item:
        item = self.conversation.get(item_id)
        if item is None:
            raise ProtocolError(f"there is no item {item_id[:80]!r}", code, "item_id")
        return item

    def _first_settings(self) -> Settings:
        options = self.options
        modality = "audio" if options.can_speak else "text"
        kind = "transcription" if options.transcription_only else "realtime"
        start: JsonObject = {
            "type": kind,
            "instructions": options.instructions,
            "output_modalities": [modality],
        }
        settings = Settings.model_validate({**start, "model": options.model})
        return (
            merged(settings, {"audio": {"input": {"transcription": {}}}})
            if options.transcription_only
            else settings
        )

    def _echo(self) -> JsonObject:
        return self.settings.echo(self.id, self._expires_at)


def with_sound(item: Item) -> JsonObject:
    """An item as `retrieve` shows it: with its sound, in 16-bit PCM at 24 kHz."""
    shown = item.wire()
    for part, told in zip(item.parts, shown.get("content", []), strict=False):
        if part.pcm:
            told["audio"] = base64.b64encode(at_24_khz(part)).decode("ascii")
    return shown


def at_24_khz(part: Part) -> bytes:
    """The sound of a part as it travels."""
    if part.sample_rate == 24_000:
        return part.pcm
    return float_to_pcm16(resample(pcm16_to_float(part.pcm), part.sample_rate, 24_000))
