"""Sound at the pace it is played: what a client has in store of an answer, and how much that should be.

Clients play what they were sent until `speech_started` tells them to drop it, which has to wait until speech
is certain. So an answer is sent only a little ahead of its playback: when sending is held at the first voice
of the user, the client falls silent after this lead. Too short a lead makes gaps where the way to the client
is irregular; sound of the client shows how irregular it is, and the lead grows with that. A client that
sends no sound cannot be heard interrupting, and has the longest lead.
"""

from collections import deque
from collections.abc import Callable

from llama_speech.service.models.products import Sound

LONGEST_LEAD_MS = 500.0  # unless more is asked for
_PIECES_MS = (20.0, 200.0)  # shortest and longest sound in one event
_SHARE = 0.5  # of the lead that is sent at once
_CLOSE_MS = 1.0
_REMEMBERED = 256  # messages with sound: five seconds of 20 ms each
_LEAST = 25  # of them, before anything is concluded
_REGULAR = 0.95  # share that is not later than the jitter
_BREAK_S = 1.0  # sound that is so much later was not sent for a while
_LISTENED_S = 2.0  # without sound after which the client's microphone is taken to be off


class Playback:
    """The sound of one answer at the client, which plays what it has without a break."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.ends_at = 0.0  # when all of it will have been played
        self.sent_ms = 0.0

    def sent(self, duration_ms: float) -> None:
        """So much more is on its way."""
        self.ends_at = max(self.ends_at, self._clock()) + duration_ms / 1000
        self.sent_ms += duration_ms

    @property
    def left_ms(self) -> float:
        """Sound that was not played yet."""
        return max(self.ends_at - self._clock(), 0.0) * 1000 if self.sent_ms else 0.0

    @property
    def heard_ms(self) -> float:
        """Sound that can have been heard."""
        return max(self.sent_ms - self.left_ms, 0.0)


class Pace:
    """How far ahead of its playback sound is sent to one client: `lead_ms`, and what its jitter adds."""

    def __init__(self, lead_ms: float, clock: Callable[[], float]) -> None:
        self._least_ms, self._clock = lead_ms, clock
        self._sound_s = 0.0
        self._last: float | None = None  # when sound came
        self._delays: deque[float] = deque(maxlen=_REMEMBERED)  # arrival against a steady stream
        self._lateness: deque[float] = deque(maxlen=_REMEMBERED)  # behind the quickest of those before

    def arrived(self, seconds: float) -> None:
        """Sound of the client, so long, came now."""
        self._sound_s += seconds
        self._last = self._clock()
        delay = self._last - self._sound_s
        late = delay - min(self._delays, default=delay)
        if late > _BREAK_S:
            self._delays.clear()
            late = 0.0
        self._delays.append(delay)
        self._lateness.append(max(late, 0.0))

    @property
    def jitter_ms(self) -> float:
        """Nearly all sound of the client comes at most so much later than the quickest."""
        if len(self._lateness) < _LEAST:
            return 0.0
        return 1000 * sorted(self._lateness)[round(_REGULAR * (len(self._lateness) - 1))]

    @property
    def lead_ms(self) -> float:
        """Sound a client should have in store."""
        if self._last is None or self._clock() - self._last > _LISTENED_S:
            return max(LONGEST_LEAD_MS, self._least_ms)
        return max(min(self._least_ms + self.jitter_ms, LONGEST_LEAD_MS), self._least_ms)

    @property
    def piece_ms(self) -> float:
        """Sound in one event."""
        shortest, longest = _PIECES_MS
        return min(max(_SHARE * self.lead_ms, shortest), longest)

    def wait_s(self, left_ms: float, next_ms: float) -> float:
        """Seconds until more is sent to a client with so much in store; next_ms: what there is to send."""
        if left_ms <= 0:
            return 0.0
        early_ms = left_ms + min(next_ms, self.piece_ms) - self.lead_ms
        return early_ms / 1000 if early_ms > _CLOSE_MS else 0.0


def cut(sound: Sound, samples: int, begin: int) -> tuple[Sound, Sound | None]:
    """The first samples of a sound that begins at sample `begin` of its answer, and the rest.

    A word goes with the sound it begins in.
    """
    if sound.audio.size <= samples:
        return sound, None
    first = tuple(word for word in sound.words if word.start_sample < begin + samples)
    rest = tuple(word for word in sound.words if word.start_sample >= begin + samples)
    return (
        Sound(sound.audio[:samples], sound.sample_rate, first),
        Sound(sound.audio[samples:], sound.sample_rate, rest),
    )
