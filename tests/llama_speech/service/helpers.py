"""A session driven by hand, and a checker of what every client relies on."""

import itertools
from collections import defaultdict
from typing import Any

import numpy as np
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from llama_speech.service.conversation.outbox import Command, Recognize, StartReply
from llama_speech.service.conversation.session import Session, SessionOptions
from llama_speech.service.conversation.turns import Window
from llama_speech.service.models.products import Product, Sound, SpokenMark
from tests.fakes import FakeClock

OFFICIAL: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
SPEECH, SILENCE = (0.95, -20.0), (0.01, -60.0)


class Driven:
    """A session with a clock and ids one can foresee."""

    def __init__(self, **options: Any) -> None:
        numbers = itertools.count()
        self.clock = FakeClock(1_000.0)
        self.session = Session(
            SessionOptions(
                clock=self.clock,
                wall_clock=self.clock,
                new_id=lambda kind: f"{kind}_{next(numbers)}",
                **options,
            )
        )
        self.checker = Checker()
        self.log: list[dict[str, Any]] = []
        self.commands: list[Command] = []
        self.collect()

    def collect(self) -> list[dict[str, Any]]:
        """Events since the last call, all checked."""
        events = self.session.outbox.take_events()
        for event in events:
            self.checker.see(event)
        self.log += events
        self.commands += self.session.outbox.take_commands()
        return events

    def send(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """A client event."""
        self.session.handle({"type": kind, **fields})
        return self.collect()

    def update(self, **settings: Any) -> list[dict[str, Any]]:
        """session.update."""
        return self.send("session.update", session={"type": "realtime", **settings})

    def hear(self, ms: int, kind: tuple[float, float] = SPEECH, passes: bool = True) -> list[dict[str, Any]]:
        """Sound of some length; the clock runs with it."""
        for _ in range(ms // 32):
            if passes:
                self.clock.advance(0.032)
            self.session.arrived(0.032)
            self.session.hear([Window(np.full(512, 0.1, dtype=np.float32), *kind)])
        return self.collect()

    def last(self, kind: type[Any]) -> Any:
        """The last command of a kind."""
        return [command for command in self.commands if isinstance(command, kind)][-1]

    def words(self, text: str, error: str | None = None) -> list[dict[str, Any]]:
        """The engine knows the words asked for last."""
        self.session.recognized(self.last(Recognize).job, text, error)
        return self.collect()

    def produce(self, *products: Product, generation: int | None = None) -> list[dict[str, Any]]:
        """The engine makes something of the answer asked for last."""
        number = self.last(StartReply).generation if generation is None else generation
        for product in products:
            self.session.produced(number, product)
        return self.collect()

    def turn(self, text: str = "what time is it") -> list[dict[str, Any]]:
        """The user says something and is understood."""
        events = self.hear(640) + self.hear(256, SILENCE)
        return events + self.words(text) + self.hear(320, SILENCE)


def sound(ms: int, *words: tuple[int, int, int], rate: int = 24_000) -> Sound:
    """Sound with words (start ms, end ms, end character)."""
    marks = tuple(SpokenMark(start * rate // 1000, end * rate // 1000, char) for start, end, char in words)
    return Sound(np.full(ms * rate // 1000, 0.1, dtype=np.float32), rate, marks)


def partials(driven: Driven) -> list[int]:
    """Jobs of what was said so far."""
    return [one.job for one in driven.commands if isinstance(one, Recognize) and one.partial]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    """Types of events."""
    return [event["type"] for event in events]


class Checker:
    """Sees every event of a session; raises AssertionError when one breaks the protocol."""

    def __init__(self) -> None:
        self.responses: dict[str, str] = {}  # id -> "running" or the final status
        self.out_of_band: set[str] = set()
        self.deltas: dict[tuple[str, str], str] = defaultdict(str)  # (item, kind) -> text
        self.items: dict[str, str] = {}  # id -> "added" or "done"
        self.ids: set[str] = set()

    def see(self, event: dict[str, Any]) -> None:
        """One event."""
        OFFICIAL.validate_python(event)
        assert event["event_id"] not in self.ids
        self.ids.add(event["event_id"])
        kind = event["type"]
        if kind == "response.created":
            self._created(event["response"])
        elif kind == "response.done":
            self._done(event["response"])
        elif kind.startswith("response."):
            assert self.responses[event["response_id"]] == "running", f"{kind} outside its response"
            self._inside(kind, event)
        elif kind == "conversation.item.added":
            assert event["item"]["id"] not in self.items
            self.items[event["item"]["id"]] = "added"
        elif kind == "conversation.item.done":
            assert self.items[event["item"]["id"]] == "added"
            self.items[event["item"]["id"]] = "done"
        elif kind == "conversation.item.deleted":
            assert self.items.pop(event["item_id"]) == "done"

    def _created(self, response: dict[str, Any]) -> None:
        assert response["id"] not in self.responses
        if response["conversation_id"] is None:
            self.out_of_band.add(response["id"])
        else:
            assert not self.running, "two responses write to the conversation"
        self.responses[response["id"]] = "running"

    def _done(self, response: dict[str, Any]) -> None:
        assert self.responses[response["id"]] == "running"
        self.responses[response["id"]] = response["status"]
        for item in response["output"]:
            assert item["status"] in ("completed", "incomplete")
            for part in item.get("content", []):
                text = part.get("transcript", part.get("text"))
                name = "output_audio_transcript" if part["type"] == "output_audio" else "output_text"
                assert text == self.deltas[item["id"], name], "the deltas are not the text"

    def _inside(self, kind: str, event: dict[str, Any]) -> None:
        name = kind.split(".")[1]
        if kind.endswith(".delta") and name in ("output_text", "output_audio_transcript"):
            self.deltas[event["item_id"], name] += event["delta"]

    @property
    def running(self) -> set[str]:
        """Responses of the conversation that are running."""
        return {id_ for id_, status in self.responses.items() if status == "running"} - self.out_of_band
