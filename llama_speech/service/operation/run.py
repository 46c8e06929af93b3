"""Start a server, warm it up, and let it end gracefully."""

import asyncio
import logging
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import numpy as np
import uvicorn
from starlette.applications import Starlette

from llama_speech.service.conversation.outbox import Message, Recognize, StartReply
from llama_speech.service.models.products import Failed, Finished, Product
from llama_speech.service.operation.config import ServiceConfig
from llama_speech.service.operation.server import Service
from speech_core.errors import ConfigError

_log = logging.getLogger(__name__)
_PING_S, _PONG_S = 20.0, 60.0
_WARM_UP_S = 120.0
_POLL_S = 0.1


class GracefulServer(uvicorn.Server):
    """On the first signal sessions may finish what they say; on the second everything stops."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM or SIGINT."""
        if self._service.draining or sig == signal.SIGINT:
            super().handle_exit(sig, frame)
            return
        _log.info("shutting down: %d sessions may finish", self._service.sessions)
        self._service.drain()

    async def on_tick(self, counter: int) -> bool:
        """Stop once the last session has left."""
        if self._service.draining and self._service.sessions == 0:
            self.should_exit = True
        return await super().on_tick(counter)


def check_can_listen(config: ServiceConfig) -> None:
    """Raise ConfigError for a damaged certificate, and for an address on which nothing can listen."""
    if config.tls_cert is not None:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
                config.tls_cert, config.tls_key
            )
        except OSError as error:
            names = f"{config.tls_cert} and {config.tls_key}"
            raise ConfigError(f"{names} are no TLS certificate and key (PEM): {error.strerror}") from None
    try:
        family, *_, address = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0]
        socket.create_server(address[:2], family=family).close()
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {config.host}, port {config.port}: {error.strerror}: choose another"
        ) from None


def make_server(app: Starlette, service: Service) -> GracefulServer:
    """A server of an application, not yet started."""
    config, limits = service.config, service.config.limits
    return GracefulServer(
        uvicorn.Config(
            app,
            host=config.host,
            port=config.port,
            log_config=None,
            access_log=False,
            ssl_certfile=config.tls_cert,
            ssl_keyfile=config.tls_key,
            ws_max_size=limits.max_message_bytes,
            ws_max_queue=4,
            ws_ping_interval=_PING_S,
            ws_ping_timeout=_PONG_S,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=5,
            server_header=False,
            lifespan="off",
        ),
        service,
    )


def warm_up(service: Service) -> None:
    """Run every stage once, so that the first user does not wait for it. Raises RuntimeError if one fails."""
    done, faults = threading.Event(), list[str]()

    def produced(product: Product) -> None:
        if isinstance(product, Failed):
            faults.append(product.message)
        if isinstance(product, Finished | Failed):
            done.set()

    noise = np.random.default_rng(0).standard_normal(16_000).astype(np.float32) * 0.01
    heard = threading.Event()
    service.engine.recognize(Recognize(0, noise), lambda text, error, speech=(): heard.set())
    speak = bool(service.engine.voices)
    command = StartReply(0, (Message("user", "Hello"),), 8, speak)
    service.engine.reply("warm-up", command, produced)
    if not done.wait(_WARM_UP_S) or not heard.wait(_WARM_UP_S) or faults:
        raise RuntimeError(f"the model does not answer: {faults[0] if faults else 'nothing came'}")
    service.engine.forget("warm-up")
    service.ready = True


@contextmanager
def running(app: Starlette, service: Service) -> Iterator[str]:
    """A server in a thread, for tests and the self-check; gives its address."""
    server = make_server(app, service)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), name="server", daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        threading.Event().wait(_POLL_S)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"{'https' if service.config.tls_cert else 'http'}://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=15)
