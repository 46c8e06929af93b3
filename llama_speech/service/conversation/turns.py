"""When the user speaks: start, pauses, end of turn, and interruption of an answer.

Voice activity (silero-vad) gives each 32 ms window a probability of speech. A window counts as speech if it
is likely enough and stands out of the room's noise, which is followed all the time; so a fan that sounds
like speech to the network ends no turn late. While an answer is heard, speech must last longer to count, so
that a cough or "mhm" does not interrupt; in the meantime the answer is held back. Whoever drives the detector
may look for words in that speech: they interrupt at once, and sounds without words may then last longer.
"""

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from llama_speech.service.endpoints.wire_audio import MODEL_RATE_HZ, WireDecoder
from llama_speech.voice_activity import WINDOW_SAMPLES, VoiceActivity
from speech_core.errors import ConfigError
from speech_core.pcm import Audio

WINDOW_MS = WINDOW_SAMPLES * 1000 // MODEL_RATE_HZ
_SILENCE_DB = -70.0  # no room is quieter
_FLOOR_WINDOWS = 125  # 4 s: longer than speech goes without a dip
_CHECK_AGAIN_MS = 64
_CONFIRMED_MS = 500  # words may be found so long after they ended
_SMOOTHING = 0.4  # weight of the newest window in the level whose minimum is the noise


@dataclass(frozen=True)
class TurnConfig:
    """Times in milliseconds of audio, levels in dB, threshold a probability of speech."""

    threshold: float = 0.5
    start_ms: int = 64  # speech that begins a turn
    hold_ms: int = 64  # speech during an answer that holds it back
    interrupt_ms: int = 320  # speech during an answer that interrupts it, whatever it is
    check_ms: int | None = None  # speech during an answer in which words are looked for; None: never
    suspect_ms: int = 192  # silence after which the answer is prepared
    silence_ms: int = 500  # silence that ends the turn
    longest_turn_ms: int = 60_000
    noise_margin_db: float = 6.0

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ConfigError(f"threshold is {self.threshold}: it is a probability")
        if not 0 < self.start_ms <= self.hold_ms <= self.interrupt_ms:
            raise ConfigError("need 0 < start_ms <= hold_ms <= interrupt_ms")
        if min(self.suspect_ms, self.silence_ms, self.longest_turn_ms) < 0:
            raise ConfigError("times must not be negative")


class Window(NamedTuple):
    """32 ms of sound at 16 kHz: its samples (512,), probability of speech, level in dB of full scale."""

    audio: Audio
    probability: float
    level_db: float


class TurnEvent(NamedTuple):
    """What the detector found; `sample` (16 kHz, of all audio) is where speech began or ended.

    kind: "maybe" (someone speaks into an answer), "check" (are there words in it?), "dismissed" (it was
    nothing), "started", "paused" (the turn may be over), "resumed" (it was not), "ended".
    """

    kind: str
    sample: int


class Ear:
    """Bytes of one client to windows; the heavy part of listening, to be run outside the event loop."""

    def __init__(self, kind: str, voice: VoiceActivity) -> None:
        self._decoder = WireDecoder(kind)
        self._voice, self._state = voice, voice.init_state()
        self._rest = np.zeros(0, dtype=np.float32)

    def push(self, data: bytes) -> list[Window]:
        """Windows that are now complete."""
        audio = np.concatenate([self._rest, self._decoder.push(data)])
        whole = audio.size - audio.size % WINDOW_SAMPLES
        self._rest = audio[whole:]
        if not whole:
            return []
        chances, self._state = self._voice.step(torch.from_numpy(audio[:whole])[None], self._state)
        blocks = audio[:whole].reshape(-1, WINDOW_SAMPLES)
        levels = 10 * np.log10(np.maximum(np.mean(blocks**2, axis=1), 1e-7))
        return [
            Window(block, float(chance), float(level))
            for block, chance, level in zip(blocks, chances[0].tolist(), levels, strict=True)
        ]

    def take_rest(self) -> Audio:
        """Samples that fill no window yet; they are forgotten here."""
        rest, self._rest = self._rest, np.zeros(0, dtype=np.float32)
        return rest


class NoiseFloor:
    """The level of the room: the lowest smoothed level of the last seconds."""

    def __init__(self) -> None:
        self._levels: deque[float] = deque(maxlen=_FLOOR_WINDOWS)
        self._smooth = _SILENCE_DB

    def push(self, level_db: float) -> float:
        """The floor after a window, in dB."""
        level_db = max(level_db, _SILENCE_DB)
        self._smooth += _SMOOTHING * (level_db - self._smooth)
        self._levels.append(self._smooth)
        return min(self._levels)


class TurnDetector:
    """Windows to turn events. Its settings may change at any time; audio time never restarts."""

    def __init__(self, config: TurnConfig) -> None:
        self._config = config
        self._floor = NoiseFloor()
        self._sample = 0  # end of the last window
        self._speaking = False  # the last window was speech
        self._run = 0  # windows of speech in a row, short gaps allowed
        self._gap = 0  # windows of silence since the last speech
        self._start = 0  # where the present run began
        self._end = 0  # where the last speech ended
        self.in_turn = False
        self.paused = False
        self._held = False
        self._check_at_ms = 0  # speech after which words are looked for again
        self._wait_ms: int | None = None  # silence that ends this turn, if it was judged

    def configure(self, config: TurnConfig) -> None:
        """Use other settings from now on."""
        self._config = config

    def expect_end_after(self, silence_ms: int) -> None:
        """How much silence ends the pause that is going on; speech takes this back."""
        self._wait_ms = silence_ms

    def confirm(self) -> list[TurnEvent]:
        """There are words in the speech that was to be checked: it interrupts, even if it is over by now."""
        if self.in_turn or self._sample - self._end > _CONFIRMED_MS * MODEL_RATE_HZ // 1000:
            return []
        return self._begin()

    def reset(self) -> None:
        """Forget the turn that is going on (the client ended or discarded it)."""
        self.in_turn = self.paused = self._held = self._speaking = False
        self._run, self._gap, self._wait_ms = 0, 0, None

    def push(self, window: Window, answering: bool) -> list[TurnEvent]:
        """Events of one window; answering: whether the user hears an answer."""
        begin, self._sample = self._sample, self._sample + WINDOW_SAMPLES
        self._hear(window, begin)
        return self._inside() if self.in_turn else self._outside(answering)

    def _hear(self, window: Window, begin: int) -> None:
        """Update runs of speech and silence."""
        config = self._config
        needed = config.threshold - (0.15 if self._speaking else 0.0)
        loud = window.level_db >= self._floor.push(window.level_db) + config.noise_margin_db
        self._speaking = loud and window.probability >= max(needed, 0.01)
        if self._speaking:
            if self._run == 0:
                self._start = begin
            self._run += 1
            self._gap, self._end = 0, self._sample
        else:
            self._gap += 1
            if not self.in_turn and self._gap > 2:
                self._run = 0

    def _outside(self, answering: bool) -> list[TurnEvent]:
        config, heard_ms = self._config, self._run * WINDOW_MS
        if heard_ms >= (config.interrupt_ms if answering else config.start_ms):
            return self._begin()
        if answering and not self._held and heard_ms >= config.hold_ms:
            self._held, self._check_at_ms = True, config.check_ms or 0
            return [TurnEvent("maybe", self._start)]
        if self._held and self._speaking and config.check_ms and heard_ms >= self._check_at_ms:
            self._check_at_ms = heard_ms + _CHECK_AGAIN_MS
            return [TurnEvent("check", self._start)]
        if self._held and self._run == 0:
            self._held = False
            return [TurnEvent("dismissed", self._end)]
        return []

    def _begin(self) -> list[TurnEvent]:
        self.in_turn, self.paused, self._held, self._wait_ms = True, False, False, None
        return [TurnEvent("started", self._start)]

    def _inside(self) -> list[TurnEvent]:
        config, silence_ms = self._config, self._gap * WINDOW_MS
        if self._speaking and self.paused:
            self.paused, self._wait_ms = False, None
            return [TurnEvent("resumed", self._sample)]
        if self._sample - self._start >= config.longest_turn_ms * MODEL_RATE_HZ // 1000:
            return self._finish()
        events = []
        if not self.paused and silence_ms >= min(config.suspect_ms, config.silence_ms):
            self.paused = True
            events.append(TurnEvent("paused", self._end))
        if self.paused and silence_ms >= (config.silence_ms if self._wait_ms is None else self._wait_ms):
            events += self._finish()
        return events

    def _finish(self) -> list[TurnEvent]:
        self.reset()
        return [TurnEvent("ended", self._sample)]
