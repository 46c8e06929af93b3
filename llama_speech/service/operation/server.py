"""What all connections and requests of one server share."""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any, TypeVar

from starlette.responses import JSONResponse

from llama_speech.service.endpoints.access import Gate
from llama_speech.service.models.engine import Engine
from llama_speech.service.operation.config import ServiceConfig
from llama_speech.service.operation.metrics import Metrics
from llama_speech.service.operation.timing import TurnSeen
from llama_speech.voice_activity import VoiceActivity, load_voice_activity
from speech_core.errors import ProtocolError

Result = TypeVar("Result")
Streamed = TypeVar("Streamed", str, bytes)
_LISTENERS = 2  # threads that decode sound and look for speech in it
_KINDS = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


class Service:
    """Engine, access, limits and counters."""

    def __init__(self, config: ServiceConfig, engine: Engine, metrics: Metrics, api: Any = None) -> None:
        """api: the SpeechLlama behind the REST endpoints."""
        self.config, self.engine, self.metrics, self.api = config, engine, metrics, api
        self.gate = Gate(config.api_keys, config.origins, config.loopback)
        self.voice_activity: VoiceActivity = load_voice_activity()
        self.listeners = ThreadPoolExecutor(_LISTENERS, thread_name_prefix="listening")
        self.workers = ThreadPoolExecutor(_LISTENERS, thread_name_prefix="requests")
        self.turn_seen: TurnSeen | None = None
        self.ready = False
        self.created = round(time.time())
        self._sessions = self._requests = 0
        self._drain_until: float | None = None

    def watch_turns(self, turn_seen: TurnSeen | None) -> None:
        """Tell somebody how long each turn takes."""
        self.turn_seen = turn_seen

    @property
    def sessions(self) -> int:
        """Sessions now."""
        return self._sessions

    @property
    def draining(self) -> bool:
        """Whether the server is shutting down."""
        return self._drain_until is not None

    def enter(self) -> bool:
        """Take a place for a session; False if there is none."""
        if self.draining or self._sessions >= self.config.limits.max_sessions:
            return False
        self._sessions += 1
        self.metrics.sessions.inc()
        self.metrics.opened.inc()
        return True

    def leave(self) -> None:
        """Give a place back."""
        self._sessions -= 1
        self.metrics.sessions.dec()

    def drain(self) -> None:
        """Take no new sessions; those that are may finish what they say."""
        self._drain_until = self._drain_until or time.monotonic() + self.config.limits.drain_s

    def must_leave(self, busy: bool) -> bool:
        """Whether a session has to end now, since the server is shutting down."""
        return self._drain_until is not None and (not busy or time.monotonic() > self._drain_until)

    @asynccontextmanager
    async def request_place(self) -> AsyncIterator[None]:
        """A place among the requests at work. Raises ProtocolError if all are taken."""
        if self._requests >= self.config.limits.max_requests or self.draining:
            raise ProtocolError("the server is busy: try again later", "rate_limit_exceeded")
        with self._occupied():
            yield

    async def streamed(self, body: AsyncGenerator[Streamed, None]) -> AsyncGenerator[Streamed, None]:
        """The body of a streamed reply, which keeps a place while it is sent."""
        with self._occupied():
            async with aclosing(body):
                async for part in body:
                    yield part

    @contextmanager
    def _occupied(self) -> Iterator[None]:
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    async def work(self, function: Callable[[], Result]) -> Result:
        """The result of work that would block, done on a thread."""
        return await asyncio.get_running_loop().run_in_executor(self.workers, function)

    def knows_model(self, name: str | None) -> bool:
        """Whether a model name means ours."""
        return not name or name == self.config.model_name or self.config.any_model

    def error_response(
        self, status: int, message: str, code: str | None, param: str | None = None
    ) -> JSONResponse:
        """An HTTP error as the clients read it."""
        kind = _KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error")
        body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
        headers = {"x-request-id": f"req_{uuid.uuid4().hex}"}
        if status in (429, 503):
            headers["retry-after"] = "2"
        return JSONResponse(body, status, headers)

    def close(self) -> None:
        """Stop the threads."""
        self.listeners.shutdown(wait=False, cancel_futures=True)
        self.workers.shutdown(wait=False, cancel_futures=True)
