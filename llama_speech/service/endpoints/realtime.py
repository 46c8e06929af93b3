"""`/v1/realtime`: one websocket connection driving one session.

The event loop only moves messages. Sound is decoded and listened to on the threads of the server, the models
run on those of the engine; a connection reads its next message when the one before is dealt with, so a fast
sender waits and no queue grows.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from llama_speech.service.conversation.outbox import (
    Command,
    Foresee,
    JudgeTurn,
    Outbox,
    Recognize,
    StartReply,
    StopReply,
)
from llama_speech.service.conversation.session import Session, SessionOptions
from llama_speech.service.conversation.turns import Ear, TurnConfig, Window
from llama_speech.service.endpoints.access import Secret, chosen_protocol, key_of
from llama_speech.service.endpoints.beta import BetaNames, wants_beta
from llama_speech.service.endpoints.protocol import (
    AppendAudio,
    JsonObject,
    event_id_of,
    parse_event,
    read_event,
)
from llama_speech.service.endpoints.sending import SendQueue
from llama_speech.service.endpoints.wire_audio import decode_base64, wire_rate_hz, wire_sample_bytes
from llama_speech.service.models.engine import Reply
from llama_speech.service.models.products import Failed, Finished, Product
from llama_speech.service.operation.server import Service
from llama_speech.service.operation.watching import TurnWatch
from speech_core.errors import ProtocolError

_log = logging.getLogger(__name__)
_TICK_S = 0.1
_LARGE = 65_536  # characters of a message that is parsed outside the event loop
_CHECK_MS = 128  # speech during an answer in which words are looked for
_BLOCK_S = 1.0  # sound listened to at once, so that others get their turn
_MAX_APPEND_BYTES = 15 << 20


async def realtime(websocket: WebSocket) -> None:
    """The endpoint: check who comes, then hold the session."""
    service: Service = websocket.app.state.service
    offered = [
        one.strip() for one in websocket.headers.get("sec-websocket-protocol", "").split(",") if one.strip()
    ]
    key = key_of(websocket.headers, offered)
    if not service.gate.admits_origin(websocket.headers.get("origin"), websocket.headers.get("host")):
        await _deny(websocket, service, 403, "this origin is not allowed", "origin_not_allowed")
        return
    secret = service.gate.admits_secret(key)
    if secret is None and not service.gate.admits(key):
        if offered:
            await websocket.accept(chosen_protocol(offered))
            await _refuse(websocket, service, ProtocolError("the API key is wrong", "invalid_api_key"), 1008)
        else:
            await _deny(websocket, service, 401, "the API key is missing or wrong", "invalid_api_key")
        return
    if websocket.query_params.get("call_id"):
        await _deny(websocket, service, 404, "there is no such call", "call_not_found")
        return
    if not service.knows_model(websocket.query_params.get("model")):
        await _deny(websocket, service, 404, "there is no such model", "model_not_found")
        return
    await websocket.accept(chosen_protocol(offered))
    if not service.enter():
        fault = ProtocolError("the server is full: try again later", "session_limit_reached")
        await _refuse(websocket, service, fault, 1013)
        return
    try:
        await Connection(websocket, service, secret, wants_beta(websocket.headers, offered)).run()
    finally:
        service.leave()


async def _deny(websocket: WebSocket, service: Service, status: int, message: str, code: str) -> None:
    """Answer the handshake with an HTTP error."""
    service.metrics.refused.labels(code).inc()
    await websocket.send_denial_response(service.error_response(status, message, code))


async def _refuse(websocket: WebSocket, service: Service, fault: ProtocolError, close_code: int) -> None:
    """Tell a client that cannot read HTTP errors, and close."""
    service.metrics.refused.labels(fault.code).inc()
    outbox = Outbox()
    outbox.error(fault)
    await websocket.send_json(outbox.take_events()[0])
    await websocket.close(close_code, str(fault))


class Connection:
    """One client: reads, listens, sends."""

    def __init__(self, websocket: WebSocket, service: Service, secret: Secret | None, beta: bool) -> None:
        self._websocket, self._service = websocket, service
        self._limits = service.config.limits
        self._loop = asyncio.get_running_loop()
        self._session = Session(self._options(websocket))
        if secret is not None and secret.session:
            self._session.start_with(secret.session)
        self._ear = Ear(self._session.input_format, service.voice_activity)
        self._format = self._session.input_format
        self._queue = SendQueue(self._limits.max_queue_bytes)
        self._wake = asyncio.Event()
        self._beta = BetaNames() if beta else None
        self._replies: dict[int, Reply] = {}
        self._began = self._last_message = time.monotonic()
        self._sound_s = 0.0
        self._errors = 0
        self._watch = TurnWatch(self._session, service.metrics, service.turn_seen)
        self._closing: tuple[int, str] | None = None
        self._due: asyncio.TimerHandle | None = None  # of the next sound of an answer

    async def run(self) -> None:
        """Until the client leaves, or has to."""
        reading = asyncio.create_task(self._read())
        tasks = [reading, asyncio.create_task(self._write()), asyncio.create_task(self._tick())]
        self._flush()
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if not isinstance(task.exception(), WebSocketDisconnect | None):  # clients may leave any time
                    _log.error("session %s failed", self._session.id, exc_info=task.exception())
                    self._closing = self._closing or (1011, "internal error")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._session.close()
            self._flush()
            self._unschedule()
            self._service.engine.forget(self._session.id)
            await self._close()

    def _options(self, websocket: WebSocket) -> SessionOptions:
        service, query = self._service, websocket.query_params
        return SessionOptions(
            model=query.get("model") or service.config.model_name,
            instructions=service.config.instructions,
            can_speak=bool(service.engine.voices),
            voices=service.engine.voices,
            longest_s=self._limits.session_s,
            transcription_only=query.get("intent") == "transcription",
            answer_from=service.config.answer_from,
            turns=TurnConfig(check_ms=_CHECK_MS, interrupt_ms=service.config.interrupt_ms),
            lead_ms=service.config.lead_ms,
        )

    async def _close(self) -> None:
        code, reason = self._closing or (1000, "")
        self._service.metrics.closed.labels(str(code)).inc()
        with suppress(RuntimeError, WebSocketDisconnect, TimeoutError):  # the client was faster
            await asyncio.wait_for(self._websocket.close(code, reason[:120]), timeout=2)

    async def _read(self) -> None:
        """Take the client's messages one after the other."""
        while self._closing is None:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            self._last_message = time.monotonic()
            text = message.get("text")
            if text is None:
                self._fault(ProtocolError("send text frames, one JSON object each", "invalid_event"))
            else:
                await self._take(text)
            self._flush()

    async def _take(self, text: str) -> None:
        """One message."""
        value: JsonObject | None = None
        try:
            value = await self._threaded(read_event, text) if len(text) > _LARGE else read_event(text)
            if value.get("type") == "input_audio_buffer.append":
                await self._append(value)
                return
        except ProtocolError as fault:
            self._fault(fault, event_id_of(value))
            return
        rest = self._ear.take_rest() if value.get("type") == "input_audio_buffer.commit" else None
        self._session.handle(value, rest)
        if self._session.input_format != self._format:
            self._format = self._session.input_format
            self._ear = Ear(self._format, self._service.voice_activity)

    async def _append(self, value: JsonObject) -> None:
        """Sound: listened to on a thread, block by block, not faster than clients may send."""
        event = parse_event(value)
        if not isinstance(event, AppendAudio):
            return
        data = await self._threaded(decode_base64, event.audio, "audio")
        if len(data) > _MAX_APPEND_BYTES:
            raise ProtocolError("one append holds at most 15 MiB of sound", "invalid_value", "audio")
        bytes_per_s = wire_rate_hz(self._format) * wire_sample_bytes(self._format)
        block = round(_BLOCK_S * bytes_per_s)
        self._session.arrived(len(data) / bytes_per_s)
        for start in range(0, len(data), block):
            piece = data[start : start + block]
            await self._not_too_fast(len(piece) / bytes_per_s)
            began = time.perf_counter()
            windows: list[Window] = await self._threaded(self._ear.push, piece)
            self._service.metrics.observe("listening", time.perf_counter() - began)
            self._session.hear(windows)
            self._flush()

    async def _not_too_fast(self, seconds: float) -> None:
        self._sound_s += seconds
        allowed = self._limits.input_burst_s + self._limits.input_rate * (time.monotonic() - self._began)
        if self._sound_s > allowed:
            await asyncio.sleep((self._sound_s - allowed) / self._limits.input_rate)

    async def _threaded(self, function: Callable[..., Any], *values: Any) -> Any:
        return await self._loop.run_in_executor(self._service.listeners, function, *values)

    async def _write(self) -> None:
        """Send what waits."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while len(self._queue):
                await self._websocket.send_text(self._queue.take())
            if self._closing is not None:
                return

    async def _tick(self) -> None:
        """Watch the clock."""
        while self._closing is None:
            await asyncio.sleep(_TICK_S)
            self._session.tick()
            if self._session.over is not None:
                self._end(1001, self._session.over)
            elif time.monotonic() - self._last_message > self._limits.idle_s:
                self._end(1001, "idle for too long")
            elif self._service.must_leave(self._session.answers.busy):
                self._end(1001, "the server is shutting down")
            self._flush()
        await asyncio.sleep(1.0)  # time to send the last events

    def _end(self, code: int, reason: str) -> None:
        self._closing = self._closing or (code, reason)
        self._wake.set()

    def _fault(self, fault: ProtocolError, event_id: str | None = None) -> None:
        self._session.outbox.error(fault, event_id)

    def _flush(self) -> None:
        """Hand on what the session wants to say and to have done."""
        for event in self._session.outbox.take_events():
            self._errors += event["type"] == "error"
            self._watch.event(event)
            for shown in self._beta.translate(event) if self._beta else [event]:
                self._queue.put(shown)
        for command in self._session.outbox.take_commands():
            self._do(command)
        if self._queue.overflowing:
            self._end(1008, "the client reads too slowly")
        if self._errors > self._limits.max_errors:
            self._end(1008, "too many events in error")
        self._wake.set()
        self._schedule()

    def _schedule(self) -> None:
        """Come back when more of an answer is due."""
        self._unschedule()
        due_s = self._session.due_s
        if due_s is not None:
            self._due = self._loop.call_later(due_s, self._deliver, self._session.advance, ())

    def _unschedule(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _do(self, command: Command) -> None:
        """Give a command to the engine; results come back on the event loop."""
        engine, session = self._service.engine, self._session
        self._watch.command(command)
        if isinstance(command, Recognize):
            job = command.job
            engine.recognize(
                command,
                lambda text, error, speech=(): self._later(session.recognized, job, text, error, speech),
            )
        elif isinstance(command, Foresee):
            engine.foresee(session.id, command.reply)
        elif isinstance(command, JudgeTurn):
            judged = command.job
            engine.judge(command.text, lambda finished: self._later(session.judged, judged, finished))
        elif isinstance(command, StartReply):
            number = command.generation
            self._replies[number] = engine.reply(session.id, command, lambda one: self._produced(number, one))
        elif isinstance(command, StopReply):
            reply = self._replies.pop(command.generation, None)
            if reply is not None:
                reply.stop()

    def _produced(self, generation: int, product: Product) -> None:
        self._later(self._take_product, generation, product)

    def _take_product(self, generation: int, product: Product) -> None:
        if isinstance(product, Finished | Failed):
            self._replies.pop(generation, None)
        self._session.produced(generation, product)

    def _later(self, function: Callable[..., None], *values: Any) -> None:
        """From a thread of the engine to the event loop."""
        with suppress(RuntimeError):  # the loop is gone, and so is the client
            self._loop.call_soon_threadsafe(self._deliver, function, values)

    def _deliver(self, function: Callable[..., None], values: tuple[Any, ...]) -> None:
        function(*values)
        self._flush()
