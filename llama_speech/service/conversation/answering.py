"""All answers of a session: the one of the conversation, those out of band, and one prepared in advance."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from llama_speech.service.conversation.answer import Answer, AnswerOptions
from llama_speech.service.conversation.items import Conversation, Item, read_item
from llama_speech.service.conversation.outbox import Foresee, Message, Outbox, StartReply, StopReply
from llama_speech.service.conversation.settings import Settings, merged
from llama_speech.service.endpoints.pacing import Pace
from llama_speech.service.endpoints.protocol import JsonObject
from llama_speech.service.models.products import Failed, Finished, Product, Sound
from speech_core.errors import ProtocolError

MAX_OUT_OF_BAND = 4
_OVERRIDES = {
    "instructions",
    "output_modalities",
    "modalities",
    "audio",
    "voice",
    "output_audio_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "max_output_tokens",
    "max_response_output_tokens",
}


@dataclass(frozen=True)
class Request:
    """A wish of the client for an answer."""

    settings: Settings
    in_conversation: bool = True
    context: tuple[Item, ...] | None = None  # instead of the conversation
    metadata: JsonObject | None = None


class Answers:
    """Starts, feeds and stops answers. At most one writes to the conversation at any time."""

    def __init__(
        self,
        outbox: Outbox,
        conversation: Conversation,
        conversation_id: str,
        clock: Callable[[], float],
        answer_from: str = "transcript",
        pace: Pace | None = None,
    ) -> None:
        """answer_from: what stands for speech if a session does not say: "transcript" or "speech".

        pace: of answers in the conversation, which somebody listens to; None: as quickly as they are made.
        """
        self._outbox, self._conversation, self._clock = outbox, conversation, clock
        self._conversation_id, self._answer_from, self._pace = conversation_id, answer_from, pace
        self._live: dict[int, Answer] = {}
        self._queued: list[tuple[Answer, Request]] = []  # announced, but the user's words are not known yet
        self.current: Answer | None = None  # the newest one of the conversation
        self.has_sounded = False

    @property
    def busy(self) -> bool:
        """Whether an answer of the conversation is running."""
        return self.current is not None and self.current.running

    @property
    def audible(self) -> bool:
        """Whether the user hears, or is about to hear, an answer of the conversation."""
        return self.current is not None and self.current.audible

    @property
    def due_s(self) -> float | None:
        """Seconds until `advance` has something to tell; None: nothing waits for its time."""
        return self.current.due_s if self.current is not None else None

    def advance(self) -> None:
        """Tell what is due by now."""
        if self.current is not None:
            self.current.advance()
            self._forget_finished()

    def read_request(self, settings: Settings, response: Mapping[str, Any] | None) -> Request:
        """What a `response.create` asks for. Raises ProtocolError if it cannot be had now."""
        response = response or {}
        where = response.get("conversation") or "auto"
        if where not in ("auto", "none"):
            raise ProtocolError("conversation is auto or none", "invalid_value", "response.conversation")
        overrides = {
            name: value for name, value in response.items() if name in _OVERRIDES and value is not None
        }
        settings = merged(settings, overrides, "response")
        if where == "auto" and self.current is not None:
            self.current.hurry()
        if where == "auto" and self.busy and self.current is not None:
            raise ProtocolError(
                f"response.create refused: {self.current.id} is in progress, wait or cancel it",
                "conversation_already_has_active_response",
            )
        if where == "none" and sum(not one.in_conversation for one in self._live.values()) >= MAX_OUT_OF_BAND:
            raise ProtocolError(
                f"response.create refused: {MAX_OUT_OF_BAND} responses out of band are running",
                "rate_limit_exceeded",
            )
        context = self._context(response["input"]) if response.get("input") is not None else None
        return Request(settings, where == "auto", context, _metadata(response.get("metadata")))

    def begin(self, request: Request, words_known: bool = True) -> Answer:
        """Announce an answer at once; it starts when the words of the user are known."""
        answer = self._make(request)
        answer.announce()
        answer.release()
        if request.in_conversation:
            self.current = answer
        if words_known:
            self._start(answer, request)
        else:
            self._queued.append((answer, request))
        return answer

    def prepare(self, settings: Settings, user_text: str, speech: tuple[Any, ...] = ()) -> Answer:
        """Start an answer nobody knows of yet, as if the user had ended with these words."""
        request = Request(settings)
        answer = self._make(request)
        self._start(answer, request, Message("user", user_text, speech=self._taken(settings, speech)))
        return answer

    def foresee(self, settings: Settings) -> None:
        """The user speaks: let the engine read what the answer will go on from."""
        self._outbox.command(Foresee(self._command(0, Request(settings), None)))

    def adopt(self, answer: Answer) -> None:
        """Announce a prepared answer; what it has said so far is told now."""
        self.current = answer
        answer.announce()
        answer.release()

    def words_known(self) -> None:
        """Start the answers that waited for the user's words."""
        queued, self._queued = self._queued, []
        for answer, request in queued:
            if answer.running:
                self._start(answer, request)

    def receive(self, generation: int, product: Product) -> None:
        """Something from the engine; what belongs to no live answer is dropped."""
        answer = self._live.get(generation)
        if answer is None:
            return
        answer.receive(product)
        self.has_sounded = self.has_sounded or isinstance(product, Sound)
        if isinstance(product, Finished | Failed) or answer.state == "over":
            self._forget_finished()

    def cancel(self, answer: Answer, reason: str) -> None:
        """Stop an answer and everything that is done for it."""
        if answer.state != "over":
            answer.cancel(reason)
            self._outbox.command(StopReply(answer.generation))
        self._live.pop(answer.generation, None)
        self._queued = [(one, request) for one, request in self._queued if one is not answer]

    def cancel_named(self, response_id: str | None) -> None:
        """The client cancels. Raises ProtocolError if there is nothing to cancel."""
        running = [one for one in self._live.values() if one.running]
        running += [one for one, _ in self._queued if one.running]
        for answer in running:
            if answer.id == response_id or (response_id is None and answer.in_conversation):
                self.cancel(answer, "client_cancelled")
                return
        raise ProtocolError("Cancellation failed: no active response found", "response_cancel_not_active")

    def interrupt(self) -> None:
        """The user speaks: the answer of the conversation stops."""
        if self.current is not None and self.current.running:
            self.cancel(self.current, "turn_detected")

    def stop_item(self, item_id: str) -> None:
        """Stop the answer that is writing an item."""
        if self.current is not None and self.current.running and self.current.writes(item_id):
            self.cancel(self.current, "client_cancelled")

    def close(self) -> None:
        """The session is over."""
        for answer in list(self._live.values()):
            self._outbox.command(StopReply(answer.generation))
        self._live, self._queued, self.current = {}, [], None

    def _make(self, request: Request) -> Answer:
        inside = request.in_conversation
        conversation_id, pace = (self._conversation_id, self._pace) if inside else (None, None)
        options = AnswerOptions(request.settings, conversation_id, request.metadata, pace)
        return Answer(self._outbox.number(), options, self._outbox, self._conversation, self._clock)

    def _start(self, answer: Answer, request: Request, more: Message | None = None) -> None:
        self._live[answer.generation] = answer
        self._outbox.command(self._command(answer.generation, request, more))

    def _command(self, generation: int, request: Request, more: Message | None) -> StartReply:
        settings = request.settings
        items = self._conversation if request.context is None else request.context
        messages = [*to_messages(settings.instructions, items, self._from_speech(settings))]
        if more is not None:
            messages.append(more)
        limit = settings.max_output_tokens
        choice = settings.tool_choice if isinstance(settings.tool_choice, str) else settings.tool_choice.name
        return StartReply(
            generation=generation,
            messages=tuple(messages),
            max_tokens=None if limit == "inf" else limit,
            speak=settings.speaks,
            voice=settings.audio.output.voice,
            speed=settings.audio.output.speed,
            tools=() if choice == "none" else tuple(tool.model_dump() for tool in settings.tools),
            tool_choice=choice,
            drop_oldest=settings.truncation != "disabled",
            listened=request.in_conversation and self._pace is not None,
        )

    def _from_speech(self, settings: Settings) -> bool:
        return (settings.answer_from or self._answer_from) == "speech"

    def _taken(self, settings: Settings, speech: tuple[Any, ...]) -> tuple[Any, ...]:
        return speech if self._from_speech(settings) else ()

    def _context(self, values: Any) -> tuple[Item, ...]:
        """The items of an `input`; references are looked up."""
        if not isinstance(values, list):
            raise ProtocolError("input is a list of items", "invalid_type", "response.input")
        items = []
        for value in values:
            if isinstance(value, Mapping) and value.get("type") == "item_reference":
                item = self._conversation.get(str(value.get("id")))
                if item is None:
                    raise ProtocolError(
                        f"there is no item {value.get('id')!r}", "invalid_value", "response.input"
                    )
                items.append(item)
            elif isinstance(value, Mapping):
                items.append(read_item(value, ""))
            else:
                raise ProtocolError("an item is an object", "invalid_type", "response.input")
        return tuple(items)

    def _forget_finished(self) -> None:
        self._live = {number: one for number, one in self._live.items() if one.state != "over"}


def to_messages(instructions: str, items: Iterable[Item], from_speech: bool = False) -> list[Message]:
    """The context of an answer: instructions, then the items; speech by its words, or as it was heard."""
    messages = [Message("system", instructions)] if instructions else []
    for item in items:
        if item.type == "function_call":
            messages.append(Message("assistant", "", calls=((item.name, item.arguments),)))
        elif item.type == "function_call_output":
            messages.append(Message("tool", item.output))
        else:
            text = " ".join(part.text for part in item.parts if part.text)
            speech = tuple(one for part in item.parts for one in part.speech) if from_speech else ()
            if text:
                messages.append(Message(item.role or "user", text, speech=speech))
    return messages


def _metadata(value: Any) -> JsonObject | None:
    """Up to 16 pairs of strings, to be given back."""
    if value is None:
        return None
    fits = isinstance(value, dict) and len(value) <= 16
    if not fits or any(
        len(key) > 64 or not isinstance(one, str) or len(one) > 512 for key, one in value.items()
    ):
        raise ProtocolError("metadata holds at most 16 strings of 512", "invalid_value", "response.metadata")
    return dict(value)
