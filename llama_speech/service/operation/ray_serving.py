"""The server as a Ray Serve deployment: replicas on many machines behind one address.

A websocket stays with the replica that took it, so a session and its caches live in one place; a client whose
connection is lost tells its conversation again and may come to any replica. Ray tells a replica nothing when
it begins to stop it, it only waits for the connections to end: so each replica asks Ray's controller how it
stands, and drains when it is to go, as the server does on SIGTERM.
"""

import asyncio
import logging
import shlex
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from llama_speech.cli.serve import load_app, parse_arguments, read_limits
from llama_speech.service.operation.metrics import Metrics
from llama_speech.service.operation.server import Service
from speech_core.errors import ConfigError

_log = logging.getLogger(__name__)
_WATCH_S = 1.0
_SPARE = 8  # connections a replica takes beyond its limits, so that it can refuse them itself
_MESSAGES_AHEAD = 4  # of the largest size, that a client may send before they are read
_CLOSING_S = 10.0  # after the longest drain, until Ray ends the process


@dataclass(frozen=True)
class ReplicaOptions:
    """How many servers, and what each takes."""

    replicas: int = 2
    cpus: float = 2.0
    gpus: float = 0.0


def deployment(
    arguments: Sequence[str],
    options: ReplicaOptions | None = None,
    load: Callable[[Sequence[str]], Starlette] = load_app,
) -> Any:
    """A Ray Serve application, for `ray.serve.run`. arguments: of `llama-speech serve`.

    Only they travel to the replicas, not the models: each calls `load` with them. Raises ConfigError where
    Ray Serve is missing.
    """
    try:
        from ray import serve
    except ImportError:
        raise ConfigError("Ray Serve is not installed: pip install 'llama-speech[ray-serve]'") from None
    options = options or ReplicaOptions()
    threads = max(int(options.cpus) // 2, 1)  # the models run on two threads at once
    words = ("--threads", str(threads), *arguments)  # what is given later wins
    limits = read_limits(parse_arguments(words))

    def build() -> Starlette:
        return replica_app(words, load)

    class LlamaSpeech:
        """One replica: the application is built in it, before it takes anything."""

    replica: Callable[..., Any] = serve.deployment(
        serve.ingress(build)(LlamaSpeech),
        name="llama-speech",
        num_replicas=options.replicas,
        max_ongoing_requests=limits.max_sessions + limits.max_requests + _SPARE,
        graceful_shutdown_timeout_s=limits.drain_s + _CLOSING_S,
        ray_actor_options={"num_cpus": options.cpus, "num_gpus": options.gpus},
    )
    return replica.bind()  # type: ignore[attr-defined]  # added by Ray's decorator


def from_config(args: dict[str, Any]) -> Any:
    """An application builder for `serve run` and config files: `arguments`, and fields of ReplicaOptions."""
    settings = dict(args)
    arguments = settings.pop("arguments", "")
    words = shlex.split(arguments) if isinstance(arguments, str) else list(arguments)
    try:
        values = {name: _number(value) for name, value in settings.items()}
        options = ReplicaOptions(**values)  # type: ignore[arg-type]  # all fields are numbers
    except TypeError as error:
        raise ConfigError(f"unknown setting of the deployment: {error}") from None
    return deployment(words, options)


def replica_app(arguments: Sequence[str], load: Callable[[Sequence[str]], Starlette]) -> Starlette:
    """The server inside a replica, loaded and warm. Raises SpeechError if that fails.

    Its host is that of Ray's proxy, so that one which others can reach needs keys as ever.
    """
    from ray.serve import get_replica_context
    from ray.serve.config import HTTPOptions
    from ray.serve.metrics import Gauge

    context = get_replica_context()
    replica, application = context.replica_tag, context.app_name
    host: str | None = _details()["http_options"].get("host") or HTTPOptions().host
    app = load(("--host", host or "127.0.0.1", *arguments))
    service: Service = app.state.service
    app.add_middleware(InputBound, max_bytes=_MESSAGES_AHEAD * service.config.limits.max_message_bytes)
    service.metrics.common["replica"] = replica
    shown = ShownMetrics(service.metrics, Gauge)

    def look() -> bool:
        shown.update()
        return is_stopping(_details()["applications"][application], replica)

    app.router.lifespan_context = lambda _: living(service, look)
    return app


class ShownMetrics:
    """The counters of a replica among those that Ray exports: its own /metrics cannot be asked for.

    A request meets the replica that has the least to do, so the busy ones would never be seen.
    """

    def __init__(self, metrics: Metrics, gauge: Callable[[str, str, tuple[str, ...]], Any]) -> None:
        """gauge: makes a ray.serve.metrics.Gauge of a name, a description and the names of labels."""
        self._metrics, self._new_gauge = metrics, gauge
        self._gauges: dict[str, Any] = {}

    def update(self) -> None:
        """Show what they are now."""
        for metric in self._metrics.registry.collect():
            for one in metric.samples:
                if one.name not in self._gauges:
                    labels = tuple(one.labels)
                    self._gauges[one.name] = self._new_gauge(one.name, metric.documentation, labels)
                self._gauges[one.name].set(one.value, one.labels)


class InputBound:
    """ASGI middleware: ends websockets of clients that send much faster than they are read.

    Ray's proxy hands on at once whatever comes, so a server that reads slowly slows nobody down there, and
    what waits in this process would grow without end.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app, self._max_bytes = app, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A request or a websocket."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        ahead = _Ahead(receive, send, self._max_bytes)
        reading = asyncio.create_task(ahead.read())
        try:
            await self._app(scope, ahead, send)
        finally:
            reading.cancel()


class _Ahead:
    """What a client sent and nobody has read yet, as ASGI's `receive`."""

    def __init__(self, receive: Receive, send: Send, max_bytes: int) -> None:
        self._receive, self._send, self._max_bytes = receive, send, max_bytes
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._bytes = 0

    async def read(self) -> None:
        """Take messages until the client leaves, or has to."""
        last: Message = {"type": "websocket.disconnect", "code": 1006}
        try:
            while (message := await self._receive())["type"] != "websocket.disconnect":
                self._bytes += _size(message)
                if self._bytes > self._max_bytes:
                    last["code"] = 1008
                    while not self._messages.empty():
                        self._messages.get_nowait()
                    reason = "too much sent at once"
                    await self._send({"type": "websocket.close", "code": 1008, "reason": reason})
                    return
                self._messages.put_nowait(message)
            last = message
        finally:
            self._messages.put_nowait(last)

    async def __call__(self) -> Message:
        """The next message."""
        message = await self._messages.get()
        self._bytes -= _size(message)
        return message


def _size(message: Message) -> int:
    """Bytes of a message, about."""
    return len(message.get("text") or message.get("bytes") or "")


@asynccontextmanager
async def living(service: Service, look: Callable[[], bool]) -> AsyncIterator[None]:
    """The life of a replica: it drains when it looks and is stopping, and its models end with it."""
    watching = asyncio.create_task(_watch(service, look))
    try:
        yield
    finally:
        watching.cancel()
        service.close()
        service.engine.close()


async def _watch(service: Service, look: Callable[[], bool]) -> None:
    while True:
        await asyncio.sleep(_WATCH_S)
        try:
            if await asyncio.to_thread(look) and not service.draining:
                _log.info("shutting down: %d sessions may finish", service.sessions)
                service.drain()
        except Exception as error:  # noqa: BLE001 (a controller that is away comes back, sessions go on)
            _log.warning("Ray's controller does not answer: %s", error)


def is_stopping(application: dict[str, Any], replica: str) -> bool:
    """Whether Ray is about to end a replica. application: ray.serve.schema.ApplicationDetails, as a dict.

    One that is deleted shows its replicas no more while they stop.
    """
    return application["status"] == "DELETING" or any(
        one["replica_id"] == replica and one["state"] == "STOPPING"
        for deployed in application["deployments"].values()
        for one in deployed["replicas"]
    )


def _details() -> dict[str, Any]:
    """What the controller knows: the document of `GET /api/serve/applications/`, without the dashboard."""
    from ray.serve.context import _get_global_client

    details: dict[str, Any] = _get_global_client().get_serve_details()
    return details


def _number(value: Any) -> float:
    number = float(value)
    return int(number) if number.is_integer() else number
