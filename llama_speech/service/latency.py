"""How long users wait: sessions at once, each asking in turn and interrupting, over the server's own socket.

Sound is sent at the pace of a microphone. A turn is measured from the last speech sample to the first sound
of the answer, an interruption from its first speech sample to the event on which clients fall silent.
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

from llama_speech.service.timing import STAGES, TurnTimes
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
_PATIENCE_S = 60.0
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
    voice_to_voice_ms: list[float] = field(default_factory=list)
    barge_in_ms: list[float] = field(default_factory=list)
    stages_ms: dict[str, list[float]] = field(default_factory=dict)


def question_of(pcm: bytes) -> Question:
    """A question from sound. Raises SpeechError if nothing can be heard in it."""
    loud = np.flatnonzero(np.abs(pcm16_to_float(pcm)) > _AUDIBLE)
    if not loud.size:
        raise SpeechError("a question of the self-check is silent")
    rate = _BYTES_PER_S // 2
    return Question(pcm, float(loud[0]) / rate, float(loud[-1] + 1) / rate)


class _Talker:
    """One user: a microphone that never stops, and ears."""

    def __init__(self, socket: ClientConnection, questions: Sequence[Question], result: LoadResult) -> None:
        self._socket, self._questions, self._result = socket, cycle(questions), result
        self._speech = b""  # still to be sent
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
        if interrupting and await self._until("speech_started"):
            self._result.barge_in_ms.append(
                1000 * (self._seen["speech_started"][0] - began - question.onset_s)
            )
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

    await asyncio.gather(*(one(number) for number in range(sessions)))
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
        "voice_to_voice_ms": _percentiles(voice),
        "barge_in_ms": _percentiles(barge_in),
        "stages_ms": {name: round(value, 1) for name, value in stages.items()},
        "shares": {name: round(value / whole, 3) for name, value in stages.items()} if whole else {},
    }


def _percentiles(values: Sequence[float]) -> dict[str, float | int | None]:
    if not values:
        return {"n": 0, "p50": None, "p95": None}
    p50, p95 = np.percentile(values, [50, 95])
    return {"n": len(values), "p50": round(float(p50)), "p95": round(float(p95))}


def to_markdown(summaries: Sequence[dict[str, Any]]) -> str:
    """Two tables: what users wait for, and where it goes."""
    lines = [
        "| sessions | turns | answered | end of speech to first sound, ms: p50 | p95 "
        "| barge-in to silence, ms: p50 | p95 |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in summaries:
        voice, barge_in = one["voice_to_voice_ms"], one["barge_in_ms"]
        cells = [one["sessions"], one["turns"], one["answered"]]
        cells += [voice["p50"], voice["p95"], barge_in["p50"], barge_in["p95"]]
        lines.append(_row(cells))
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
