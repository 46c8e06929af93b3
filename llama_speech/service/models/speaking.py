"""From the tokens of an answer to its sound, on a thread of its own; functions called instead of spoken."""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from llama_speech.service.models.products import Called, Failed, Finished, Product, Said, Sound
from llama_speech.tools import parse_tool_calls
from speech_core.events import TokenEvent

_log = logging.getLogger(__name__)
_AHEAD_S = 3.0  # sound of an answer that is listened to that is made ahead of its playback
_LONGEST_WAIT_S = 3600.0


class VoiceStream(Protocol):
    """One answer being spoken: tokens in, sound out."""

    def push(self, event: TokenEvent) -> Iterable[Sound]:
        """Sound that is now final."""

    def flush(self) -> list[Sound]:
        """The rest."""

    def say(self, text: str) -> Iterator[Sound]:
        """Sound of a whole text that was not written by the Llama; nothing else is pushed then."""


class Voice(Protocol):
    """A synthesis that starts streams."""

    @property
    def names(self) -> tuple[str, ...]:
        """Voices it can speak with."""

    def start(self, name: str, speed: float) -> VoiceStream:
        """A stream with a voice (one it does not know means its own) and a speed, 1 = normal."""


class Lane:
    """The steps of one answer, in order. due: when what it has said so far will have been played.

    ahead_s: how much sound there is before that is enough.
    """

    def __init__(self, ahead_s: float = math.inf) -> None:
        self.steps: deque[Callable[[], None]] = deque()
        self.due = time.monotonic()
        self.ahead_s = ahead_s

    @property
    def early_s(self) -> float:
        """Seconds until more is needed; below 0: now."""
        return self.due - self.ahead_s - time.monotonic()

    def said(self, seconds: float) -> None:
        """So much more sound is ready."""
        self.due = max(self.due, time.monotonic()) + seconds


class SpeakingThread:
    """Runs synthesis outside the decoding thread, in small steps: first the answer that falls silent first.

    So a new answer does not wait until those under way, which are ahead of their playback, are said. Those
    that are far ahead rest: what is interrupted need not have been made, and other threads have the cores.
    """

    def __init__(self) -> None:
        self._lanes: list[Lane] = []  # with steps
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="speaking", daemon=True)
        self._thread.start()

    def put(self, lane: Lane, step: Callable[[], None]) -> None:
        """Run a step of an answer after those before it."""
        with self._changed:
            if not lane.steps:
                self._lanes.append(lane)
            lane.steps.append(step)
            self._changed.notify()

    def close(self) -> None:
        """Finish what is queued and stop."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while (step := self._next()) is not None:
            try:
                step()
            except Exception:  # noqa: BLE001 (the thread serves all sessions and must go on)
                _log.exception("a step of the synthesis failed")

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            while not self._closed and (early_s := self._early_s()) > 0:
                self._changed.wait(min(early_s, _LONGEST_WAIT_S))
            wanted = [lane for lane in self._lanes if self._closed or lane.early_s <= 0]
            if not wanted:
                return None
            lane = min(wanted, key=lambda one: one.due)
            step = lane.steps.popleft()
            if not lane.steps:
                self._lanes.remove(lane)
            return step

    def _early_s(self) -> float:
        """Seconds until there is something to do."""
        return min((lane.early_s for lane in self._lanes), default=math.inf)


class ReplyWriter:
    """Tokens of one answer to its products: text, sound, or calls of functions.

    An answer that may turn out to be a call is kept back until it is known. `stop` makes it silent at once.
    """

    def __init__(
        self,
        produced: Callable[[Product], None],
        tools: Sequence[str] = (),
        stream: VoiceStream | None = None,
        thread: SpeakingThread | None = None,
        listened: bool = False,
    ) -> None:
        """listened: somebody hears it at the pace of its playback."""
        self._produced, self._tools = produced, tools
        self._stream, self._thread, self._lane = stream, thread, Lane(_AHEAD_S if listened else math.inf)
        self._kept: list[TokenEvent] = []
        self._deciding = bool(tools)
        self._stopped = False
        self._count = 0

    def stop(self) -> None:
        """Nothing more of this answer is wanted; from any thread."""
        self._stopped = True

    def said(self, event: TokenEvent) -> None:
        """One more token."""
        self._count += 1
        self._kept.append(event)
        text = "".join(kept.text for kept in self._kept).lstrip()
        if self._deciding and (not text or text[0] in "{[<"):
            return
        self._deciding = False
        self._release()

    def ended(self, reason: str, input_tokens: int) -> None:
        """The answer is complete."""
        text = "".join(kept.text for kept in self._kept)
        calls = parse_tool_calls(text, self._tools) if self._deciding else ()
        end = Finished("length" if reason == "length" else "end", input_tokens, self._count)
        if calls:
            self._kept = []
            for call in calls:
                function = call.to_dict()["function"]
                self._give(Called(function["name"], function["arguments"]))
        self._release()
        if self._stream is None or self._thread is None or calls:
            self._give(end)
        else:
            self._thread.put(self._lane, lambda: self._speak_rest(end))

    def failed(self, message: str, code: str = "inference_error") -> None:
        """The engine could not go on."""
        self._give(Failed(message, code))
        self._stopped = True

    def say(self, text: str) -> None:
        """Say a text that is known as a whole."""
        if self._thread is not None:
            self._thread.put(self._lane, lambda: self._say(text))

    def _say(self, text: str) -> None:
        def sounds() -> Iterator[Sound]:
            yield from self._stream.say(text) if self._stream is not None else ()

        self._try(sounds)
        self._give(Finished())

    def _release(self) -> None:
        kept, self._kept = self._kept, []
        for event in kept:
            self._give(Said(event.text))
            if self._stream is not None and self._thread is not None:
                self._thread.put(self._lane, lambda event=event: self._speak(event))  # type: ignore[misc]

    def _speak(self, event: TokenEvent) -> None:
        stream = self._stream
        if not self._stopped and stream is not None:
            self._try(lambda: stream.push(event))

    def _speak_rest(self, end: Finished) -> None:
        stream = self._stream
        if not self._stopped and stream is not None:
            self._try(stream.flush)
        self._give(end)

    def _try(self, step: Callable[[], Iterable[Sound]]) -> None:
        try:
            for sound in step():
                if self._stopped:
                    break
                self._lane.said(sound.audio.size / sound.sample_rate)
                self._give(sound)
        except Exception:  # noqa: BLE001 (one answer that cannot be spoken must not end the others)
            _log.exception("synthesis failed")
            self.failed("the synthesis failed")

    def _give(self, product: Product) -> None:
        if not self._stopped:
            self._produced(product)
