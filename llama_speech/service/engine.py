"""What sessions need of the models, and the engine that runs them here: one model for all sessions.

Recognition and the Llama run on one thread, which batches turns that wait for their words, and decodes
all answers together; synthesis runs on another. Nothing runs on the caller's thread; callbacks come from
those two.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch

from llama_speech.languages import require_language
from llama_speech.loading import LoadedModel
from llama_speech.segments import SegmentConfig, iter_pieces
from llama_speech.service.answer import Product
from llama_speech.service.batching import ContinuousBatch, ReplyJob
from llama_speech.service.metrics import Metrics
from llama_speech.service.outbox import Recognize, StartReply
from llama_speech.service.prompting import build_prompt
from llama_speech.service.speaking import ReplyWriter, SpeakingThread, Voice
from llama_speech.service.turn_end import TurnEndJudge
from llama_speech.service.wire_audio import MODEL_RATE_HZ
from speech_core.errors import BundleError, SpeechError
from speech_core.pcm import Audio
from speech_encoder.features import log_mel

_log = logging.getLogger(__name__)
_LONG_S = 30.0  # longer turns are cut at quiet places

Heard = Callable[[str, str | None], None]  # text, error


class Reply(Protocol):
    """An answer under way."""

    def stop(self) -> None:
        """Stop it; nothing more of it is produced. From any thread."""


class Engine(Protocol):
    """What a session's driver calls; every method returns at once and may be called from any thread."""

    @property
    def voices(self) -> tuple[str, ...]:
        """Voices it speaks with; empty: it cannot speak."""

    def recognize(self, command: Recognize, heard: Heard) -> None:
        """Find the words of a turn."""

    def judge(self, text: str, judged: Callable[[float], None]) -> None:
        """How likely these words are a whole turn, 0 to 1."""

    def reply(self, session: str, command: StartReply, produced: Callable[[Product], None]) -> Reply:
        """Make an answer; the last product is Finished or Failed."""

    def speak(self, text: str, voice: str, speed: float, produced: Callable[[Product], None]) -> Reply:
        """Say a text; the last product is Finished or Failed. Only with voices."""

    def forget(self, session: str) -> None:
        """A session is over: drop what is kept for it."""


@dataclass(frozen=True)
class EngineOptions:
    """Sizes of the local engine."""

    language: str = "en"  # of turns whose language the client does not name
    max_answer_tokens: int = 256  # where the client sets no limit
    max_context_tokens: int = 2_048  # of one answer's prompt
    max_waiting: int = 64  # turns and answers in the queue; more are refused


@dataclass(eq=False)
class _Running:
    """An answer: its writer and, once it is decoded, its job."""

    session: str
    command: StartReply
    writer: ReplyWriter
    asked_at: float = field(default_factory=time.perf_counter)
    job: ReplyJob | None = None
    stopped: bool = False
    wake: Callable[["_Running"], None] = lambda running: None

    def stop(self) -> None:
        """See Reply."""
        self.stopped = True
        self.writer.stop()
        self.wake(self)


class LocalEngine:
    """The engine of one process."""

    def __init__(
        self,
        model: LoadedModel,
        languages: tuple[str, ...],
        voice: Voice | None = None,
        options: EngineOptions | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """languages: codes the recognizer knows; empty: any."""
        self._model, self._languages, self._voice = model, languages, voice
        self._options, self._metrics = options or EngineOptions(), metrics or Metrics()
        self._batch = ContinuousBatch(model.engine, model.tokenizer)
        self._judge = TurnEndJudge(model.engine, model.tokenizer)
        self._steps: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._turns: list[tuple[Recognize, Heard, float]] = []
        self._waiting: list[_Running] = []
        self._speaking = SpeakingThread() if voice is not None else None
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    @property
    def voices(self) -> tuple[str, ...]:
        """See Engine."""
        return self._voice.names if self._voice is not None else ()

    def recognize(self, command: Recognize, heard: Heard) -> None:
        """See Engine."""
        if len(self._turns) >= self._options.max_waiting:
            heard("", "the server is busy")
            return
        asked_at = time.perf_counter()
        self._steps.put(lambda: self._turns.append((command, heard, asked_at)))

    def judge(self, text: str, judged: Callable[[float], None]) -> None:
        """See Engine."""
        self._steps.put(lambda: judged(self._judge(text)))

    def reply(self, session: str, command: StartReply, produced: Callable[[Product], None]) -> Reply:
        """See Engine."""
        stream = self._voice.start(command.voice, command.speed) if self._voice and command.speak else None
        names = [tool["name"] for tool in command.tools]
        running = _Running(session, command, ReplyWriter(produced, names, stream, self._speaking))
        running.wake = lambda one: self._steps.put(lambda: self._stop(one))
        if len(self._waiting) + self._batch.size >= self._options.max_waiting:
            running.writer.failed("the server is busy")
        else:
            self._steps.put(lambda: self._waiting.append(running))
        return running

    def speak(self, text: str, voice: str, speed: float, produced: Callable[[Product], None]) -> Reply:
        """See Engine."""
        if self._voice is None:
            raise BundleError("this server has no voice: install a bundle that speaks")
        writer = ReplyWriter(produced, (), self._voice.start(voice, speed), self._speaking)
        writer.say(text)
        return writer

    def forget(self, session: str) -> None:
        """See Engine."""
        self._steps.put(lambda: self._batch.prefixes.drop(session))

    def close(self) -> None:
        """Stop the threads."""
        self._steps.put(None)
        self._thread.join(timeout=30)
        if self._speaking is not None:
            self._speaking.close()

    def _run(self) -> None:
        """The thread: words first, then answers that begin, then a token of every answer."""
        while self._take_steps():
            turns, self._turns = self._turns, []
            if turns:
                self._recognize(turns)
            if self._waiting:
                self._begin(self._waiting.pop(0))
            if self._batch.size:
                with self._metrics.time("decode_step"):
                    self._batch.step()

    def _take_steps(self) -> bool:
        """Take what others asked for, waiting if there is nothing to do; False at the end."""
        idle = not (self._turns or self._waiting or self._batch.size)
        while True:
            try:
                step = self._steps.get(block=idle)
            except queue.Empty:
                return True
            if step is None:
                return False
            self._guarded(step)
            idle = False

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception:  # noqa: BLE001 (the thread serves all sessions and must go on)
            _log.exception("a step of the engine failed")

    def _recognize(self, turns: list[tuple[Recognize, Heard, float]]) -> None:
        """The words of all turns that wait, those of one language together."""
        by_language: dict[str, list[tuple[Recognize, Heard, float]]] = {}
        for turn in turns:
            by_language.setdefault(turn[0].language or self._options.language, []).append(turn)
        for language, group in by_language.items():
            texts, error = [""] * len(group), None
            try:
                with self._metrics.time("recognition"):
                    texts = self._words([command.audio for command, _, _ in group], language)
            except SpeechError as fault:
                error = str(fault)
            except Exception:  # noqa: BLE001 (as above)
                _log.exception("recognition failed")
                error = "the recognition failed"
            for (_, heard, asked_at), text in zip(group, texts, strict=True):
                self._metrics.observe("recognition_total", time.perf_counter() - asked_at)
                heard(text, error)

    def _words(self, audios: list[Audio], language: str) -> list[str]:
        name = require_language(language, self._languages).name
        features, owners = [], []
        for owner, audio in enumerate(audios):
            long = audio.size > _LONG_S * MODEL_RATE_HZ
            pieces = (
                [piece.audio for piece in iter_pieces([audio], SegmentConfig(), None)] if long else [audio]
            )
            for piece in pieces:
                mel = log_mel(torch.from_numpy(piece), self._model.features)
                if len(mel):
                    features.append(mel)
                    owners.append(owner)
        texts: list[list[str]] = [[] for _ in audios]
        for owner, result in zip(owners, self._model.recognizer.transcribe(features, name), strict=True):
            texts[owner].append(result.text)
        return [" ".join(text for text in parts if text) for parts in texts]

    def _begin(self, running: _Running) -> None:
        """Prefill an answer."""
        if running.stopped:
            return
        options, command, writer = self._options, running.command, running.writer
        limit = command.max_tokens or options.max_answer_tokens
        room = min(options.max_context_tokens, self._model.engine.max_positions - limit)
        try:
            prompt = build_prompt(self._model.tokenizer, command, room)
            tokens = len(prompt.token_ids)
            running.job = ReplyJob(
                conversation=running.session,
                prompt_ids=prompt.token_ids,
                max_tokens=limit,
                said=writer.said,
                ended=lambda reason: writer.ended(reason, tokens),
                opening_ids=self._model.tokenizer.encode(prompt.opening) if prompt.opening else [],
                embeddings=command.speak and self._voice is not None,
            )
            with self._metrics.time("prefill"):
                self._batch.add(running.job)
        except SpeechError as fault:
            writer.failed(str(fault))
        except Exception:  # noqa: BLE001 (as above)
            _log.exception("an answer failed")
            writer.failed("the language model failed")
        self._metrics.observe("first_token", time.perf_counter() - running.asked_at)

    def _stop(self, running: _Running) -> None:
        if running.job is not None:
            self._batch.remove(running.job)
        elif running in self._waiting:
            self._waiting.remove(running)
