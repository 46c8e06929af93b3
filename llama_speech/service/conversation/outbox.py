"""What a session wants to say: events for the client and commands for the engine, in order."""

import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from llama_speech.service.endpoints.protocol import JsonObject
from llama_speech.service.operation.timing import Marks
from speech_adapter.sampling import Sampling
from speech_core.errors import ProtocolError
from speech_core.pcm import Audio

_LETTERS = string.ascii_letters + string.digits
NewId = Callable[[str], str]


def random_id(prefix: str) -> str:
    """An id that cannot be guessed, as `item_` and 21 letters or digits."""
    return f"{prefix}_{''.join(secrets.choice(_LETTERS) for _ in range(21))}"


@dataclass(frozen=True)
class Message:
    """One turn of the context of an answer."""

    role: str
    text: str
    calls: tuple[tuple[str, str], ...] = ()  # functions an assistant called: name, arguments as JSON text
    speech: tuple[Any, ...] = ()  # what the engine made of speech, to be answered in place of the text


@dataclass(frozen=True)
class Recognize:
    """Ask for the words of a turn: audio (samples,) at 16 kHz."""

    job: int
    audio: Audio
    language: str | None = None
    partial: bool = False  # what was said so far, quickly
    urgent: bool = False  # of partial ones: an answer may have to stop
    marks: Marks = field(default_factory=Marks, compare=False, repr=False)


@dataclass(frozen=True)
class JudgeTurn:
    """Ask how likely the user has finished after these words."""

    job: int
    text: str


@dataclass(frozen=True)
class StartReply:
    """Ask for an answer; its generation number comes back with everything that belongs to it."""

    generation: int
    messages: tuple[Message, ...]
    max_tokens: int | None
    speak: bool
    voice: str = "default"
    speed: float = 1.0
    tools: tuple[JsonObject, ...] = ()
    tool_choice: str = "auto"
    drop_oldest: bool = True  # leave out old messages that do not fit, else fail
    sampling: Sampling = field(default_factory=Sampling)
    stop: tuple[str, ...] = ()  # texts that end the answer and do not belong to it
    listened: bool = False  # it is heard at the pace of its playback: sound far ahead of that can wait
    marks: Marks = field(default_factory=Marks, compare=False, repr=False)


@dataclass(frozen=True)
class Foresee:
    """The user speaks: this is what an answer will go on from, so it can be read meanwhile."""

    reply: StartReply


@dataclass(frozen=True)
class StopReply:
    """Stop an answer; nothing of it is wanted any more."""

    generation: int


Command = Recognize | JudgeTurn | Foresee | StartReply | StopReply


class Outbox:
    """Collects events and commands until the connection takes them."""

    def __init__(self, new_id: NewId = random_id) -> None:
        self.new_id = new_id
        self._events: list[JsonObject] = []
        self._commands: list[Command] = []
        self._number = 0

    def emit(self, kind: str, **fields: Any) -> None:
        """Add an event for the client."""
        self._events.append({"type": kind, "event_id": self.new_id("event"), **fields})

    def command(self, command: Command) -> None:
        """Add a command for the engine."""
        self._commands.append(command)

    def number(self) -> int:
        """A number no other answer or job of this session has."""
        self._number += 1
        return self._number

    def error(self, error: ProtocolError, event_id: str | None = None) -> None:
        """Tell the client what was wrong; the session goes on."""
        kind = "server_error" if error.code in _OUR_FAULT else "invalid_request_error"
        kind = "rate_limit_error" if error.code in _BUSY else kind
        told = {"type": kind, "code": error.code, "message": str(error), "param": error.param}
        self.emit("error", error={**told, "event_id": event_id})

    def take_events(self) -> list[JsonObject]:
        """Events since the last call."""
        taken, self._events = self._events, []
        return taken

    def take_commands(self) -> list[Command]:
        """Commands since the last call."""
        taken, self._commands = self._commands, []
        return taken


_OUR_FAULT = {"server_error", "inference_error", "timeout"}
_BUSY = {"rate_limit_exceeded", "session_limit_reached"}
