"""What one connection tells of its turns: latencies for /metrics, and the stages of each turn."""

import time

from llama_speech.service.conversation.outbox import Command, Recognize, StartReply, StopReply
from llama_speech.service.conversation.session import Session
from llama_speech.service.endpoints.protocol import JsonObject
from llama_speech.service.operation.metrics import Metrics
from llama_speech.service.operation.timing import Marks, TurnSeen, turn_times

_REMEMBERED = 16  # answers that may still sound for the first time
_SUSPECT_S = 0.192  # silence after which a pause is noticed (turns.TurnConfig)


class TurnWatch:
    """Sees the commands and events of one session, in order."""

    def __init__(self, session: Session, metrics: Metrics, turn_seen: TurnSeen | None = None) -> None:
        self._session, self._metrics, self._turn_seen = session, metrics, turn_seen
        self._heard: Marks | None = None  # of the words asked for last
        self._replies: dict[int, tuple[Marks | None, Marks]] = {}  # by generation
        self._confirmed: float | None = None  # end of a turn that was not answered yet

    def command(self, command: Command) -> None:
        """Something the engine is asked for."""
        if isinstance(command, Recognize) and not command.partial:
            self._heard = command.marks
        elif isinstance(command, StartReply):
            self._replies[command.generation] = (self._heard, command.marks)
            if len(self._replies) > _REMEMBERED:  # those that came to their end
                self._replies.pop(next(iter(self._replies)))
        elif isinstance(command, StopReply):
            self._replies.pop(command.generation, None)

    def event(self, event: JsonObject) -> None:
        """Something the client is told."""
        kind = event["type"]
        if kind == "error":
            self._metrics.errors.labels(event["error"]["code"] or "none").inc()
        elif kind == "input_audio_buffer.committed":
            self._confirmed = time.perf_counter()
        elif kind == "response.output_text.delta" and self._confirmed is not None:
            self._metrics.observe("turn_to_first_text", time.perf_counter() - self._confirmed)
            self._confirmed = None
        elif kind == "response.output_audio.delta" and self._confirmed is not None:
            self._sounds(event["response_id"], self._confirmed)
            self._confirmed = None
        elif kind == "response.done":
            details = event["response"]["status_details"] or {}
            if details.get("reason") == "turn_detected":
                self._metrics.observe("interruption", self._session.speech_lag_s)

    def _sounds(self, response: str, confirmed: float) -> None:
        """The first sound of an answer to a turn."""
        now, answer = time.perf_counter(), self._session.answers.current
        self._metrics.observe("turn_to_first_sound", now - confirmed)
        heard, answered = self._replies.get(answer.generation if answer else 0, (None, None))
        if heard is None or answered is None:
            return
        times = turn_times((self._session.id, response), heard, answered, confirmed, now)
        if times is None:
            return
        self._metrics.observe("voice_to_voice", now - times.paused + _SUSPECT_S)
        for stage, seconds in times.stages.items():
            self._metrics.observe(f"turn_{stage}", seconds)
        if self._turn_seen is not None:
            self._turn_seen(times)
