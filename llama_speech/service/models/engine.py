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
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from llama_speech.loading import LoadedModel
from llama_speech.service.conversation.captions import common_length
from llama_speech.service.conversation.outbox import Message, Recognize, StartReply
from llama_speech.service.models.batching import ContinuousBatch, Decoder, ReplyJob
from llama_speech.service.models.hearing import Heard, Turn, TurnHearing
from llama_speech.service.models.partials import Partials
from llama_speech.service.models.products import Product, Sound
from llama_speech.service.models.prompting import Prompt, build_prompt
from llama_speech.service.models.speaking import ReplyWriter, SpeakingThread, Voice
from llama_speech.service.operation.metrics import Metrics
from llama_speech.service.operation.timing import Marks
from speech_core.errors import BundleError, InputError, SpeechError

_log = logging.getLogger(__name__)
_LONG_WAIT_S = 2.0  # for a first sound, after which captions are made all the same
_SOON_S = 0.02  # how long captions that have to wait let the thread rest


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

    def foresee(self, session: str, command: StartReply) -> None:
        """The user speaks; the answer will go on from this. May do nothing."""

    def reply(self, session: str, command: StartReply, produced: Callable[[Product], None]) -> Reply:
        """Make an answer; the last product is Finished or Failed."""

    def speak(self, text: str, voice: str, speed: float, produced: Callable[[Product], None]) -> Reply:
        """Say a text; the last product is Finished or Failed. Only with voices."""

    def forget(self, session: str) -> None:
        """A session is over: drop what is kept for it."""

    def close(self) -> None:
        """The server ends: stop the threads, and wait for them."""


@dataclass(frozen=True)
class EngineOptions:
    """Sizes of the local engine."""

    language: str = "en"  # of turns whose language the client does not name
    max_answer_tokens: int = 256  # where the client sets no limit
    max_context_tokens: int = 2_048  # of one answer's prompt
    max_waiting: int = 64  # turns and answers in the queue; more are refused
    recognition: str = "ctc"  # how turns become words: "ctc" or "llama" (hearing.py)


@dataclass(eq=False)
class _Running:
    """An answer: its writer and, once it is decoded, its job."""

    session: str
    command: StartReply
    writer: ReplyWriter
    job: ReplyJob | None = None
    stopped: bool = False
    over: bool = False  # all of it is written
    wake: Callable[["_Running"], None] = lambda running: None

    @property
    def awaited(self) -> bool:
        """Whether somebody still waits for the first sound of it."""
        marks = self.command.marks
        if not self.command.listened or not self.command.speak or self.stopped or self.over:
            return False
        return marks.sounded is None and time.perf_counter() - marks.asked < _LONG_WAIT_S

    def stop(self) -> None:
        """See Reply."""
        self.stopped = True
        self.writer.stop()
        self.wake(self)

    def end(self, reason: str, input_tokens: int) -> None:
        """All tokens are there."""
        self.over = True
        self.writer.ended(reason, input_tokens)


class LocalEngine:
    """The engine of one process."""

    def __init__(
        self,
        model: LoadedModel,
        languages: tuple[str, ...],
        voice: Voice | None = None,
        options: EngineOptions | None = None,
        metrics: Metrics | None = None,
        decoder: Decoder | None = None,
    ) -> None:
        """languages: codes the recognizer knows; empty: any. decoder: None: the Llama of `model`, here."""
        self._model, self._languages, self._voice = model, languages, voice
        self._options, self._metrics = options or EngineOptions(), metrics or Metrics()
        self._batch = decoder or ContinuousBatch(model.engine, model.tokenizer)
        self._steps: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._hear = TurnHearing(model, languages, self._options.recognition, self._metrics)
        self._turns: list[Turn] = []
        self._partials = Partials()  # what was said so far; when nobody waits for more
        self._waiting: list[_Running] = []
        self._begun: list[_Running] = []  # whose first sound is waited for
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
        add = self._partials.add if command.partial else self._turns.append
        self._steps.put(lambda: add((command, heard)))

    def judge(self, text: str, judged: Callable[[float], None]) -> None:
        """See Engine."""
        self._steps.put(lambda: self._batch.judge(text, judged))

    def foresee(self, session: str, command: StartReply) -> None:
        """See Engine."""
        self._steps.put(lambda: self._foresee(session, command))

    def reply(self, session: str, command: StartReply, produced: Callable[[Product], None]) -> Reply:
        """See Engine."""
        stream = self._voice.start(command.voice, command.speed) if self._voice and command.speak else None
        names = [tool["name"] for tool in command.tools]
        told = _marking(command.marks, produced)
        writer = ReplyWriter(told, names, stream, self._speaking, command.listened)
        running = _Running(session, command, writer)
        running.wake = lambda one: self._steps.put(lambda: self._stop(one))
        if len(self._waiting) + self._batch.size >= self._options.max_waiting:
            running.writer.failed("the server is busy", "rate_limit_exceeded")
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
        self._steps.put(lambda: self._batch.drop(session))

    def close(self) -> None:
        """See Engine."""
        self._steps.put(None)
        self._thread.join(timeout=30)
        self._batch.close()
        if self._speaking is not None:
            self._speaking.close()

    def _run(self) -> None:
        """The thread: words first, then answers that begin, then a token of every answer."""
        while self._take_steps():
            self._guarded(self._listen_and_begin)
            if self._batch.size:
                self._guarded(self._decode)

    def _listen_and_begin(self) -> None:
        turns, self._turns[:] = self._turns[:], []
        if turns:
            self._hear(turns, self._options.language)
        if self._waiting:
            self._begin(self._waiting.pop(0))
        elif not turns:
            self._hear_partials()

    def _hear_partials(self) -> None:
        """What may interrupt an answer; what is only shown when nobody waits for the first sound of one."""
        self._begun = [running for running in self._begun if running.awaited]
        turn = self._partials.take(urgent_only=bool(self._begun))
        if turn is not None:
            self._hear([turn], self._options.language)

    def _decode(self) -> None:
        """A token of every answer; if that fails, those answers fail, and those that come later are made."""
        try:
            with self._metrics.time("decode_step"):
                self._batch.step()
        except Exception:  # noqa: BLE001 (as below)
            _log.exception("decoding failed")
            for job in self._batch.abandon():
                self._guarded(partial(job.failed, "the language model failed"))

    def _take_steps(self) -> bool:
        """Take what others asked for, waiting if there is nothing to do; False at the end."""
        idle = not (self._turns or self._waiting or self._batch.size)
        pause_s = None if not self._partials else _SOON_S if self._begun else 0.0
        while True:
            try:
                step = self._steps.get(block=idle, timeout=pause_s)
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

    def _foresee(self, session: str, command: StartReply) -> None:
        """Read what the prompt of the next answer begins with, up to where the user's words will stand."""
        room = self._room(command)
        one, other = (
            self._prompt(replace(command, messages=(*command.messages, Message("user", words))), room)
            for words in ("a", "b")
        )
        known = common_length(one.token_ids, other.token_ids)
        with self._metrics.time("foresee"):
            self._batch.foresee(session, one.token_ids[:known], one.speech)

    def _prompt(self, command: StartReply, max_tokens: int) -> Prompt:
        return build_prompt(self._model.tokenizer, command, max_tokens, self._model.recognizer.boundaries)

    def _room(self, command: StartReply) -> int:
        """Tokens a prompt may have: those of the options where old messages may go, else all there are."""
        limit = command.max_tokens or self._options.max_answer_tokens
        room = self._model.engine.max_positions - limit
        return min(self._options.max_context_tokens, room) if command.drop_oldest else room

    def _begin(self, running: _Running) -> None:
        """Prefill an answer."""
        if running.stopped:
            return
        options, command, writer = self._options, running.command, running.writer
        command.marks.begin()
        try:
            prompt = self._prompt(command, self._room(command))
            tokens = len(prompt.token_ids)
            running.job = ReplyJob(
                conversation=running.session,
                prompt_ids=prompt.token_ids,
                max_tokens=command.max_tokens or options.max_answer_tokens,
                said=writer.said,
                ended=lambda reason: running.end(reason, tokens),
                failed=writer.failed,
                opening_ids=self._model.tokenizer.encode(prompt.opening) if prompt.opening else [],
                embeddings=command.speak and self._voice is not None,
                sampling=command.sampling,
                stop=command.stop,
                speech=prompt.speech,
            )
            with self._metrics.time("prefill"):
                self._batch.add(running.job)
            self._begun.append(running)
        except SpeechError as fault:
            writer.failed(str(fault), "invalid_value" if isinstance(fault, InputError) else "inference_error")
        except Exception:  # noqa: BLE001 (as above)
            _log.exception("an answer failed")
            writer.failed("the language model failed")
        command.marks.finish()
        self._metrics.observe("first_token", time.perf_counter() - command.marks.asked)

    def _stop(self, running: _Running) -> None:
        if running.job is not None:
            self._batch.remove(running.job)
        elif running in self._waiting:
            self._waiting.remove(running)


def _marking(marks: Marks, produced: Callable[[Product], None]) -> Callable[[Product], None]:
    """`produced`, and the time of the first sound noted."""

    def told(product: Product) -> None:
        if isinstance(product, Sound):
            marks.sound()
        produced(product)

    return told
