"""A long run of looping sessions against a server: no answer reaches another session, memory stays flat.

    python tests/llama_speech/service/soak.py --minutes 60 --sessions 8       # starts the server itself
    python tests/llama_speech/service/soak.py --url http://127.0.0.1:8000 --pid PID

Each session has a spoken and a written question of its own and asks them in turn; every third answer is
interrupted by speech. Before, each question is asked while nobody else is there: its words and answer are the
reference. A turn that gets the words or the answer of another session's question is a leak. The last line of
the output is one JSON object; the exit status is 1 after a leak, a lost session, or growing memory.
"""

import argparse
import asyncio
import base64
import json
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from llama_speech.service.endpoints.pacing import Playback
from speech_core.audio import load_audio
from speech_core.pcm import float_to_pcm16

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
RATE_HZ = 24_000
SPOKEN_S, SILENCE_S = 2.496, 1.216  # together whole windows of voice activity: every turn is cut alike
PATIENCE_S = 180.0
PAUSE_S = 0.1  # after an answer
GROWTH_MB = 64.0  # of the second half over the first that counts as growing
SUBJECTS = ("dogs", "bread", "the sea", "winter", "trains", "music", "the moon", "tea", "paper", "clocks")


@dataclass(frozen=True)
class Question:
    """What a session asks: a text, or speech as it travels."""

    name: str
    text: str = ""
    pcm: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Told:
    """What came back: the words heard (of a spoken question), the answer, how it ended."""

    heard: str
    answer: str
    status: str


@dataclass
class Report:
    """The whole run."""

    sessions: int
    minutes: float
    turns: int = 0
    interrupted: int = 0
    same_as_alone: int = 0
    other_than_alone: dict[str, int] = field(default_factory=dict)  # by what was asked and what differs
    leaks: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)
    rss_mb: list[tuple[float, float]] = field(default_factory=list)  # minute, MB

    @property
    def growth_mb(self) -> float:
        """Mean memory of the last quarter over that of the second."""
        values = [mb for _, mb in self.rss_mb]
        quarter = len(values) // 4
        if not quarter:
            return 0.0
        return float(np.mean(values[-quarter:]) - np.mean(values[quarter : 2 * quarter]))

    @property
    def good(self) -> bool:
        """Whether nothing went wrong."""
        return not self.leaks and not self.lost and self.growth_mb < GROWTH_MB and self.turns > 0


def questions_of(session: int) -> list[Question]:
    """A spoken and a written question no other session has."""
    clips = sorted(SAMPLES.glob("*.flac"))
    sound = load_audio(clips[session % len(clips)], RATE_HZ)
    start = round((session // len(clips)) * 1.3 * RATE_HZ) % max(sound.size - round(SPOKEN_S * RATE_HZ), 1)
    speech = float_to_pcm16(sound[start : start + round(SPOKEN_S * RATE_HZ)])
    silence = bytes(2 * round(SILENCE_S * RATE_HZ))
    subject = SUBJECTS[session % len(SUBJECTS)] + " " * (session // len(SUBJECTS))
    return [
        Question(f"spoken {session}", pcm=speech + silence),
        Question(f"written {session}", text=f"Write one sentence about {subject}."),
    ]


class Talker:
    """One session. Items are deleted after each turn, so that every question is the first."""

    def __init__(self, websocket: ClientConnection, answer_tokens: int) -> None:
        self._socket, self._tokens = websocket, answer_tokens
        self._items: list[str] = []  # of the conversation
        self._playback = Playback(time.monotonic)

    async def begin(self) -> None:
        """Settings of the session."""
        heard = {"input": {"transcription": {"model": "m"}}}
        settings = {"type": "realtime", "audio": heard, "max_output_tokens": self._tokens}
        await self._send("session.update", session=settings)
        await self._until("session.updated")
        await self._speak(bytes(2 * round(SILENCE_S * RATE_HZ)))  # so that the noise is known

    async def ask(self, question: Question) -> Told:
        """A whole turn, when nothing is heard any more: speech into an answer would be another turn."""
        await asyncio.sleep(self._playback.left_ms / 1000 + PAUSE_S)
        if question.pcm:
            await self._speak(question.pcm)
        else:
            await self._write(question.text)
        return await self._answered()

    async def interrupt(self, question: Question) -> Told:
        """Ask in writing, speak as soon as the answer begins; what is told is about the speech."""
        await self._write("Tell me a very long story.")
        while (event := await self._event())["type"] not in ("response.output_audio.delta", "response.done"):
            pass
        await self._speak(question.pcm)
        if event["type"] != "response.done":
            await self._until("response.done")
        return await self._answered()

    async def _speak(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), RATE_HZ):  # half a second, sent faster than it is spoken
            audio = base64.b64encode(pcm[start : start + RATE_HZ]).decode()
            await self._send("input_audio_buffer.append", audio=audio)

    async def _write(self, text: str) -> None:
        content = [{"type": "input_text", "text": text}]
        await self._send(
            "conversation.item.create", item={"type": "message", "role": "user", "content": content}
        )
        await self._send("response.create")

    async def _answered(self) -> Told:
        """The words heard and the answer; then everything is deleted."""
        heard = ""
        while (event := await self._event())["type"] != "response.done":
            if event["type"].endswith("input_audio_transcription.completed"):
                heard = event["transcript"]
                if not heard:  # nothing was understood: there will be no answer
                    await self._clean()
                    return Told("", "", "unheard")
        response = event["response"]
        items = [part for item in response["output"] for part in item.get("content", [])]
        answer = " ".join(part.get("transcript") or part.get("text") or "" for part in items)
        await self._clean()
        return Told(heard, answer, response["status"])

    async def _clean(self) -> None:
        """Delete what the conversation holds, the newest first."""
        while self._items:
            item_id = self._items.pop()
            await self._send("conversation.item.delete", item_id=item_id)
            await self._until("conversation.item.deleted")

    async def _until(self, kind: str) -> dict[str, Any]:
        while (event := await self._event())["type"] != kind:
            pass
        return event

    async def _event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(await asyncio.wait_for(self._socket.recv(), PATIENCE_S))
        if event["type"] == "error":
            raise RuntimeError(event["error"]["message"])
        if event["type"] == "response.output_audio.delta":
            self._playback.sent(1000 * len(base64.b64decode(event["delta"])) / (2 * RATE_HZ))
        elif event["type"] == "input_audio_buffer.speech_started":
            self._playback = Playback(time.monotonic)  # dropped
        elif event["type"] == "conversation.item.added":
            self._items.append(event["item"]["id"])
        return event

    async def _send(self, kind: str, **fields: Any) -> None:
        await self._socket.send(json.dumps({"type": kind, **fields}))


class Soak:
    """The run against one server."""

    def __init__(self, url: str, report: Report, answer_tokens: int = 24) -> None:
        self._address = url.replace("http", "ws", 1) + "/v1/realtime"
        self.report, self._tokens = report, answer_tokens
        self._alone: dict[str, Told] = {}

    async def run(self, pid: int | None) -> Report:
        """References, then all sessions at once."""
        questions = [questions_of(number) for number in range(self.report.sessions)]
        for own in questions:
            async with connect(self._address, max_size=None) as websocket:
                talker = Talker(websocket, self._tokens)
                await talker.begin()
                for question in own:
                    self._alone[question.name] = await talker.ask(question)
        end = time.monotonic() + 60 * self.report.minutes
        watching = asyncio.create_task(self._watch(pid))
        await asyncio.gather(*(self._loop(number, own, end) for number, own in enumerate(questions)))
        watching.cancel()
        return self.report

    async def _loop(self, number: int, own: list[Question], end: float) -> None:
        """One session until the end."""
        try:
            async with connect(self._address, max_size=None) as websocket:
                talker = Talker(websocket, self._tokens)
                await talker.begin()
                turn = number
                while time.monotonic() < end:
                    turn += 1
                    if turn % 3 == 0:
                        self.report.interrupted += 1
                        self._check(own[0], await talker.interrupt(own[0]), answered=False)
                    else:
                        question = own[turn % 2]
                        self._check(question, await talker.ask(question), answered=True)
        except Exception as fault:  # noqa: BLE001 (whatever it is, the session is lost, and the others go on)
            self.report.lost.append(f"session {number}: {type(fault).__name__}: {fault}")

    def _check(self, question: Question, told: Told, answered: bool) -> None:
        """answered: whether the question was the only thing in the conversation, as it was alone."""
        report, own = self.report, self._alone[question.name]
        report.turns += 1
        report.statuses[told.status] = report.statuses.get(told.status, 0) + 1
        others = [one for name, one in self._alone.items() if name != question.name]
        if told.heard and told.heard != own.heard and told.heard in {one.heard for one in others}:
            report.leaks.append(f"{question.name}: heard {told.heard!r}")
        if not answered:
            return
        if told == own:
            report.same_as_alone += 1
            return
        differs = "words" if told.heard != own.heard else "answer"
        kind = f"{'spoken' if question.pcm else 'written'}: {differs}"
        report.other_than_alone[kind] = report.other_than_alone.get(kind, 0) + 1
        if told.answer and told.answer in {one.answer for one in others} - {own.answer}:
            report.leaks.append(f"{question.name}: answered {told.answer!r}")

    async def _watch(self, pid: int | None) -> None:
        """Memory of the server every five seconds, told every minute."""
        start, told = time.monotonic(), 0
        while True:
            minute = (time.monotonic() - start) / 60
            if pid is not None:
                self.report.rss_mb.append((round(minute, 2), rss_mb(pid)))
            if minute >= told:
                told += 1
                memory = f", {self.report.rss_mb[-1][1]:.0f} MB" if pid is not None else ""
                sys.stderr.write(f"minute {minute:.0f}: {self.report.turns} turns{memory}\n")
            await asyncio.sleep(5)


def rss_mb(pid: int) -> float:
    """Resident memory of a process (Linux)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} is gone")


def start_server(sessions: int, more: list[str]) -> tuple[str, "subprocess.Popen[bytes]"]:
    """The service as a process of its own, warm."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "llama_speech", "serve", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--max-sessions", str(sessions + 1), *more], stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                return url, process
        except OSError:
            time.sleep(0.5)
    process.terminate()
    raise RuntimeError("the server did not get ready in five minutes")


def main() -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--sessions", type=int, default=8)
    parser.add_argument("--answer-tokens", type=int, default=24)
    parser.add_argument("--url", help="a server that runs already")
    parser.add_argument("--pid", type=int, help="its process, whose memory is watched")
    args, more = parser.parse_known_args()  # the rest goes to `llama-speech serve`
    process = None
    if args.url is None:
        longest = ["--session-s", str(round(120 * args.minutes + 600))]  # no session is to reach its end
        args.url, process = start_server(args.sessions, [*longest, *more])
        args.pid = process.pid
    try:
        soak = Soak(args.url, Report(args.sessions, args.minutes), args.answer_tokens)
        report = asyncio.run(soak.run(args.pid))
    finally:
        if process is not None:
            process.terminate()
            process.wait(30)
    figures = {**asdict(report), "growth_mb": round(report.growth_mb, 1), "good": report.good}
    sys.stdout.write(json.dumps(figures) + "\n")
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
