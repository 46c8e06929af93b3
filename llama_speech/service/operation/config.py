"""How a server is set up: where it listens, who may come in, and every limit."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from speech_core.errors import ConfigError

PREFIX = "LLAMA_SPEECH_SERVE_"


@dataclass(frozen=True)
class Limits:
    """What clients may cost. Bytes and seconds; enforced while reading."""

    max_sessions: int = 8
    max_message_bytes: int = 21 << 20  # 15 MiB of sound in base64
    max_upload_bytes: int = 25 << 20
    max_audio_s: float = 3600.0  # of one uploaded recording
    max_speech_chars: int = 4_096
    max_requests: int = 16  # HTTP requests at work
    session_s: float = 3600.0
    idle_s: float = 1_200.0  # without any message of the client
    input_burst_s: float = 120.0  # sound a client may send at once, ...
    input_rate: float = 4.0  # ... and seconds of sound a second after that
    max_queue_bytes: int = 8 << 20  # waiting for a client that reads slowly
    max_errors: int = 200  # events in error before a session is closed
    drain_s: float = 20.0  # after SIGTERM

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:  # not a number is refused too
                raise ConfigError(f"{field.name} is {getattr(self, field.name)}: it must be above 0")


@dataclass(frozen=True)
class ServiceConfig:
    """Address, access and limits of one server."""

    host: str = "127.0.0.1"
    port: int = 8000
    api_keys: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()  # of browsers, beside the server's own page; "*": any
    tls_cert: Path | None = None
    tls_key: Path | None = None
    model_name: str = "llama-speech"
    any_model: bool = True  # take every model name a client asks for as ours
    instructions: str = ""
    answer_from: str = "transcript"  # what answers are made from: the words of a turn, or its "speech"
    interrupt_ms: int = 832  # sound without words during an answer that interrupts it
    lead_ms: int = 80  # sound of answers is sent so much ahead of its playback (pacing.py)
    page: bool = True
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise ConfigError(f"port is {self.port}: use 0 to 65535")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError("a TLS certificate and its key go together: give both")
        if not 96 <= self.interrupt_ms <= 60_000:
            raise ConfigError(f"interrupt_ms is {self.interrupt_ms}: use 96 to 60000")
        if not 40 <= self.lead_ms <= 3_600_000:
            raise ConfigError(f"lead_ms is {self.lead_ms}: use 40 to 3600000")
        if self.answer_from not in ("transcript", "speech"):
            raise ConfigError(f"answer_from is {self.answer_from!r}: use transcript or speech")
        if any(not key.isascii() or not key.strip() for key in self.api_keys):
            raise ConfigError("an API key is empty or not ASCII")

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def url(self) -> str:
        """Where the page is."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls_cert else 'http'}://{shown}:{self.port}"


def from_environment(environment: Mapping[str, str], cls: type[Any]) -> dict[str, Any]:
    """Fields of Limits or ServiceConfig that the environment sets, as LLAMA_SPEECH_SERVE_MAX_SESSIONS=4."""
    values: dict[str, Any] = {}
    for field in fields(cls):
        text = environment.get(PREFIX + field.name.upper())
        if text is not None and field.name != "limits":
            values[field.name] = _value(text, field.default, PREFIX + field.name.upper())
    return values


_KINDS = {bool: "true or false", int: "a whole number", float: "a number"}


def _value(text: str, default: Any, name: str) -> Any:
    try:
        if isinstance(default, bool):
            return {"1": True, "true": True, "0": False, "false": False}[text.lower()]
        if isinstance(default, int | float):
            return type(default)(text)
    except (ValueError, KeyError):
        raise ConfigError(f"{name} is {text!r}: give {_KINDS[type(default)]}") from None
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return Path(text) if default is None else text
