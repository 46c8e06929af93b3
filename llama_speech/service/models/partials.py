"""What was said so far in turns that go on, until somebody has time to recognize it."""

import time

from llama_speech.service.models.hearing import Turn

STALE_S = 3.0  # by then others were asked for, or the turn is over


class Partials:
    """A queue that forgets: words so far are worth nothing when they come late."""

    def __init__(self, stale_s: float = STALE_S) -> None:
        self._turns: list[Turn] = []
        self._stale_s = stale_s

    def __len__(self) -> int:
        return len(self._turns)

    def add(self, turn: Turn) -> None:
        """Ask for the words of a turn that goes on."""
        self._turns.append(turn)

    def take(self, urgent_only: bool) -> Turn | None:
        """The next to be recognized, or none; those that only are shown and waited too long have no words."""
        now = time.perf_counter()
        stale = [turn for turn in self._turns if self._is_stale(turn, now)]
        self._turns = [turn for turn in self._turns if not self._is_stale(turn, now)]
        for _, heard in stale:
            heard("", None)
        for number, (command, _) in enumerate(self._turns):
            if command.urgent or not urgent_only:
                return self._turns.pop(number)
        return None

    def _is_stale(self, turn: Turn, now: float) -> bool:
        command = turn[0]
        return not command.urgent and now - command.marks.asked > self._stale_s
