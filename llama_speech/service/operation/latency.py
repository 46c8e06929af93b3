"""How long users wait: sessions at once, each asking in turn and interrupting, over the server's own socket.

Sound is sent at the pace of a microphone, and what comes back is played as clients do: without a break while
there is some, dropped at `speech_started`. A turn is measured from the last speech sample to the first sound
of the answer, an interruption from its first speech sample to the silence of that playback.
"""

import asyncio
import base64
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from llama_speech.service.endpoints.pacing import Playback
from llama_speech.service.operation.timing import STAGES, TurnTimes
from speech_core.errors import SpeechError
from speech_core.pcm import pcm16_to_float

QUESTIONS = (
    "Hello, can you hear me?",
    "What is the capital of France?",
    "Tell me a short story about a dog.",
    "How many days are there in a week?",
    "Please name three colours.",
    "What should I cook for dinner tonight?",
)
_ANSWER_TOKENS = 48
_CHUNK_MS = 20
_BYTES_PER_S = 48_000
_AUDIBLE = 0.01  # of full scale
_PATIENCE_S = 30.0
_LONGEST_TURN_S, _LONGEST_START_S = 20.0, 30.0  # a load that takes longer is cut off
_GAP_MS = 5.0  # shortest one that is counted
_LISTEN_S = 0.8  # of an answer before it is interrupted


@dataclass(frozen=True)
class Question:
    """Speech as it travels; where it can first and last be heard."""

    pcm: bytes = field(repr=False)
    onset_s: float
    end_s: float


@dataclass
class LoadResult:
    """What all sessions of one load met with; milliseconds."""

    sessions: int
    turns: int = 0
    unheard: int = 0  # turns in which no words were found
    late: int = 0  # turns without an answer in time
    cut: bool = False  # it took too long
    voice_to_voice_ms: list[float] = field(default_factory=list)
    barge_in_ms: list[float] = field(default_factory=list)  # until the user hears nothing
    told_ms: list[float] = field(default_factory=list)  # until the client is told
    gaps_ms: list[float] = field(default_factory=list)  # within answers, while the user says nothing
    played_ms: float = 0.0
    stages_ms: dict[str, list[float]] = field(default_factory=dict)


def question_of(pcm: bytes) -> Question:
    """A question from sound. Raises SpeechError if nothing can be heard in it."""
    loud = np.flatnonzero(np.abs(pcm16_to_float(pcm)) > _AUDIBLE)
    if not loud.size:
        raise SpeechError("a question of the self-check is silent")
    rate = _BYTES_PER_S // 2
    return Question(pcm, float(loud[0]) / rate, float(loud[-1] + 1) / rate)


class _Ears:
    """What a user hears: sound is played as it comes, and dropped when the user is known to speak."""

    def __init__(self, result: LoadResult) -> None:
        self._result = result
        self._response, self._playback = "", Playback(time.perf_counter)
        self.interrupting = False  # silence is wanted

    def sound(self, response: str, duration_ms: float) -> None:
        """Sound of an answer came."""
        if response != self._response:
            self._response, self._playback = response, Playback(time.perf_counter)
        gap_ms = 1000 * (time.perf_counter() - self._playback.ends_at)
        if self._playback.sent_ms and gap_ms > _GAP_MS and not self.interrupting:
            self._result.gaps_ms.append(gap_ms)
        self._playback.sent(duration_ms)
        self._result.played_ms += duration_ms

    def drop(self) -> float:
        """Stop playing; since when nothing is heard (time.perf_counter)."""
        silent = min(self._playback.ends_at, time.perf_counter())
        self._response, self._playback = "", Playback(time.perf_counter)
        return silent

    async def listen_to_the_end(self) -> None:
        """Wait until all that came was played."""
        await asyncio.sleep(self._playback.left_ms / 1000)


class _Talker:
    """One user: a microphone that never stops, and ears."""

    def __init__(self, socket: ClientConnection, questions: Sequence[Question], result: LoadResult) -> None:
        self._socket, self._questions, self._result = socket, cycle(questions), result
        self._speech = b""  # still to be sent
        self._ears, self._silent = _Ears(result), 0.0
        self._seen: dict[str, tuple[float, dict[str, Any]]] = {}
        self._changed = asyncio.Event()

    async def talk(self, turns: int, stagger_s: float) -> None:
        """Ask, listen, and interrupt every second answer with the next question."""
        tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._receive())]
        try:
            await self._until("session.updated")
            await asyncio.sleep(stagger_s)
            interrupting = False
            for number in range(turns):
                answered = await self._turn(interrupting)
                interrupting = answered and number % 2 == 0 and number + 1 < turns
                if interrupting:
                    await asyncio.sleep(_LISTEN_S)
                elif answered:
                    await self._until("response.done")
                    await self._ears.listen_to_the_end()
                    await asyncio.sleep(1.0)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _turn(self, interrupting: bool) -> bool:
        """Ask one question; whether sound came back."""
        question = next(self._questions)
        for kind in ("speech_started", "transcribed", "response.output_audio.delta", "response.done"):
            self._seen.pop(kind, None)
        began = time.perf_counter()
        self._speech = question.pcm
        self._result.turns += 1
        if interrupting:
            await self._interrupt(began + question.onset_s)
        if not await self._until("transcribed"):
            self._result.late += 1
            return False
        if not self._seen["transcribed"][1].get("transcript"):
            self._result.unheard += 1
            return False
        for kind in ("response.output_audio.delta", "response.done"):  # of the answer that was interrupted
            if kind in self._seen and self._seen[kind][0] < began + question.end_s:
                self._seen.pop(kind)
        if not await self._until("response.output_audio.delta"):
            self._result.late += 1
            return False
        arrived, _ = self._seen["response.output_audio.delta"]
        self._result.voice_to_voice_ms.append(1000 * (arrived - began - question.end_s))
        return True

    async def _interrupt(self, spoken: float) -> None:
        """Wait until the answer stops; spoken: when the user begins to speak."""
        self._ears.interrupting = True
        if await self._until("speech_started") and self._silent > spoken:  # it was still heard then
            self._result.barge_in_ms.append(1000 * (self._silent - spoken))
            self._result.told_ms.append(1000 * (self._seen["speech_started"][0] - spoken))
        self._ears.interrupting = False

    async def _until(self, kind: str) -> bool:
        """Wait for an event that was not seen yet; False if it does not come."""
        deadline = time.perf_counter() + _PATIENCE_S
        while kind not in self._seen:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), deadline - time.perf_counter())
            except TimeoutError:
                return False
        return True

    async def _send(self) -> None:
        """The microphone: speech if there is some, silence otherwise, never faster than real time."""
        transcription = {"input": {"transcription": {"model": "default"}}}
        settings = {"type": "realtime", "audio": transcription, "max_output_tokens": _ANSWER_TOKENS}
        await self._socket.send(json.dumps({"type": "session.update", "session": settings}))
        step, start, number = _BYTES_PER_S * _CHUNK_MS // 1000, time.perf_counter(), 0
        while True:
            number += 1
            await asyncio.sleep(max(0.0, start + number * _CHUNK_MS / 1000 - time.perf_counter()))
            piece, self._speech = self._speech[:step], self._speech[step:]
            audio = base64.b64encode(piece.ljust(step, b"\0")).decode("ascii")
            await self._socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))

    async def _receive(self) -> None:
        async for text in self._socket:
            now, event = time.perf_counter(), json.loads(text)
            kind = event["type"].removeprefix("input_audio_buffer.")
            if kind == "speech_started":
                self._silent = self._ears.drop()
            elif kind == "response.output_audio.delta":
                duration_ms = 1000 * len(base64.b64decode(event["delta"])) / _BYTES_PER_S
                self._ears.sound(event["response_id"], duration_ms)
            if kind.startswith("conversation.item.input_audio_transcription.") and not kind.endswith("delta"):
                kind = "transcribed"
            self._seen.setdefault(kind, (now, event))
            self._changed.set()


async def measure_load(
    url: str, key: str, questions: Sequence[Question], load: tuple[int, int]
) -> LoadResult:
    """Latencies of `load`: sessions at once, and turns of each. url: of the realtime socket."""
    sessions, turns = load
    result = LoadResult(sessions)

    async def one(number: int) -> None:
        own = [*questions[number % len(questions) :], *questions[: number % len(questions)]]
        headers = {"Authorization": f"Bearer {key}"}
        async with connect(url, additional_headers=headers, max_size=None) as socket:
            await _Talker(socket, own, result).talk(turns, stagger_s=0.37 * number)

    try:
        async with asyncio.timeout(_LONGEST_START_S + turns * _LONGEST_TURN_S):
            await asyncio.gather(*(one(number) for number in range(sessions)))
    except TimeoutError:
        result.cut = True
    return result


def measure(
    url: str,
    key: str,
    questions: Sequence[Question],
    load: tuple[int, int],
    watch: Callable[[Callable[[TurnTimes], None]], None],
) -> LoadResult:
    """`measure_load` with the stages of its turns; watch: sets who is told of turns."""
    seen: list[TurnTimes] = []
    watch(seen.append)
    result = asyncio.run(measure_load(url, key, questions, load))
    for times in seen:
        for stage, seconds in times.stages.items():
            result.stages_ms.setdefault(stage, []).append(1000 * seconds)
    return result


def summary(result: LoadResult) -> dict[str, Any]:
    """The figures of a load: percentiles, and the mean of every stage with its share."""
    voice, barge_in = result.voice_to_voice_ms, result.barge_in_ms
    stages = {name: float(np.mean(values)) for name, values in result.stages_ms.items()}
    before = float(np.mean(voice)) - sum(stages.values()) if voice and stages else 0.0
    stages = {"silence": max(before, 0.0), **stages} if stages else {}
    whole = sum(stages.values())
    return {
        "sessions": result.sessions,
        "turns": result.turns,
        "answered": len(voice),
        "unheard": result.unheard,
        "late": result.late,
        "cut": result.cut,
        "voice_to_voice_ms": _percentiles(voice),
        "barge_in_ms": _percentiles(barge_in),
        "told_ms": _percentiles(result.told_ms),
        "gaps": {"n": len(result.gaps_ms), "ms_per_min": _per_minute(result)},
        "stages_ms": {name: round(value, 1) for name, value in stages.items()},
        "shares": {name: round(value / whole, 3) for name, value in stages.items()} if whole else {},
    }


def _per_minute(result: LoadResult) -> float | None:
    """Milliseconds of gaps in a minute of sound."""
    return round(60_000 * sum(result.gaps_ms) / result.played_ms, 1) if result.played_ms else None


def _percentiles(values: Sequence[float]) -> dict[str, float | int | None]:
    if not values:
        return {"n": 0, "p50": None, "p95": None}
    p50, p95 = np.percentile(values, [50, 95])
    return {"n": len(values), "p50": round(float(p50)), "p95": round(float(p95))}


def to_markdown(summaries: Sequence[dict[str, Any]]) -> str:
    """Two tables: what users wait for and hear, and where the time goes."""
    lines = [
        "| sessions | turns | answered | end of speech to first sound, ms: p50 | p95 "
        "| barge-in to silence, ms: p50 | p95 | until the client is told, ms: p50 | p95 "
        "| gaps in answers, ms a minute |",
        "|" + "---|" * 10,
    ]
    for one in summaries:
        cells = [one["sessions"], f"{one['turns']}{' (cut off)' if one['cut'] else ''}", one["answered"]]
        for name in ("voice_to_voice_ms", "barge_in_ms", "told_ms"):
            cells += [one[name]["p50"], one[name]["p95"]]
        lines.append(_row([*cells, one["gaps"]["ms_per_min"]]))
    names = ["silence", *STAGES]
    lines += ["", _row(["stage, mean ms (share)", *(one["sessions"] for one in summaries)])]
    lines.append("|" + "---|" * (len(summaries) + 1))
    for name in names:
        cells = [f"{name}: {STAGES.get(name, 'until the pause is noticed')}"]
        for one in summaries:
            ms, share = one["stages_ms"].get(name), one["shares"].get(name, 0.0)
            cells.append("-" if ms is None else f"{ms:.0f} ({100 * share:.0f} %)")
        lines.append(_row(cells))
    return "\n".join(lines)


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join("-" if cell is None else str(cell) for cell in cells) + " |"
