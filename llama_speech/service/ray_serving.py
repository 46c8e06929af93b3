"""The server as a Ray Serve deployment: replicas on many machines behind one address.

A websocket stays with the replica that took it, so a session and its caches live in one place; a client whose
connection is lost tells its conversation again and may come to any replica. Written after the documentation
of Ray Serve (ASGI ingress, websockets); the application is tested here, a cluster was not at hand.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from speech_core.errors import ConfigError


@dataclass
class ServedApp:
    """The whole server as an ASGI application that is loaded where it runs.

    arguments: options of `llama-speech serve`. Only they travel to a replica, not the models.
    """

    arguments: tuple[str, ...]
    _app: ASGIApp | None = field(default=None, init=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return {"arguments": self.arguments, "_app": None}

    def load(self) -> ASGIApp:
        """Load and warm up the models, once. Raises SpeechError if that fails."""
        if self._app is None:
            from llama_speech.cli.serve import load_app

            self._app = load_app(self.arguments)
        return self._app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or websocket."""
        await self.load()(scope, receive, send)


@dataclass(frozen=True)
class ReplicaOptions:
    """How many servers, and what each takes."""

    replicas: int = 2
    cpus: float = 2.0
    gpus: float = 0.0
    max_ongoing: int = 24  # sessions and requests one replica takes at once


def deployment(arguments: Sequence[str], options: ReplicaOptions | None = None) -> Any:
    """A Ray Serve application, for `ray.serve.run`. Raises ConfigError where Ray Serve is missing."""
    try:
        from ray import serve
    except ImportError:
        raise ConfigError("Ray Serve is not installed: pip install 'llama-speech[ray-serve]'") from None
    options, app = options or ReplicaOptions(), ServedApp(tuple(arguments))

    class LlamaSpeech:
        """One replica; the models are loaded before it takes anything."""

        def __init__(self) -> None:
            app.load()

    replica: Callable[..., Any] = serve.deployment(
        serve.ingress(app)(LlamaSpeech),
        name="llama-speech",
        num_replicas=options.replicas,
        max_ongoing_requests=options.max_ongoing,
        ray_actor_options={"num_cpus": options.cpus, "num_gpus": options.gpus},
    )
    return replica.bind()  # type: ignore[attr-defined]  # added by Ray's decorator


def from_config(args: dict[str, Any]) -> Any:
    """An application builder for `serve run` and config files: `arguments`, and fields of ReplicaOptions."""
    settings = dict(args)
    arguments = settings.pop("arguments", "")
    words = arguments.split() if isinstance(arguments, str) else list(arguments)
    try:
        values = {name: _number(value) for name, value in settings.items()}
        options = ReplicaOptions(**values)  # type: ignore[arg-type]  # all fields are numbers
    except TypeError as error:
        raise ConfigError(f"unknown setting of the deployment: {error}") from None
    return deployment(words, options)


def _number(value: Any) -> float:
    number = float(value)
    return int(number) if number.is_integer() else number
