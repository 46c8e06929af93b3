"""Where the time of a spoken turn goes: from the last word of the user to the first sound of the answer.

Times are seconds of `time.perf_counter`. The engine marks what it does for a command on the command itself;
a watch of each connection puts the marks of a turn together.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise


@dataclass
class Marks:
    """When the engine was asked, began, had its first result (words, or a token), and had sound."""

    asked: float = field(default_factory=time.perf_counter)
    begun: float | None = None
    done: float | None = None
    sounded: float | None = None

    def begin(self) -> None:
        """The engine takes it up."""
        self.begun = time.perf_counter()

    def finish(self) -> None:
        """The first result is there."""
        if self.done is None:
            self.done = time.perf_counter()

    def sound(self) -> None:
        """Sound is there."""
        if self.sounded is None:
            self.sounded = time.perf_counter()


STAGES = {
    "wait_recognizer": "the turn waits for the recognizer",
    "recognition": "encoder and transcript",
    "wait_llama": "the words wait for the Llama",
    "prefill": "prompt to first token",
    "first_sound": "tokens, normalizer, prosody and synthesis until the first sound",
    "confirm": "sound is ready, the end of the turn is not confirmed yet",
    "send": "from ready to sent",
}


@dataclass(frozen=True)
class TurnTimes:
    """One answered turn: who, when its pause was noticed and its first sound sent, seconds of each stage."""

    session: str
    response: str
    paused: float
    sent: float
    stages: dict[str, float]


def turn_times(
    who: tuple[str, str], heard: Marks, answered: Marks, confirmed: float, sent: float
) -> TurnTimes | None:
    """The stages of a turn, which add up to `sent - paused`; None where a mark is missing.

    who: ids of session and response; heard, answered: marks of its words and of its answer.
    """
    times = (heard.begun, heard.done, answered.begun, answered.done, answered.sounded)
    if any(time is None for time in times):
        return None
    chain = [heard.asked, *(time for time in times if time is not None)]
    chain += [max(confirmed, chain[-1]), sent]
    spans = [max(after - before, 0.0) for before, after in pairwise(chain)]
    return TurnTimes(*who, heard.asked, sent, dict(zip(STAGES, spans, strict=True)))


TurnSeen = Callable[[TurnTimes], None]
