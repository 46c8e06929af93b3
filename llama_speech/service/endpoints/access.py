"""Who may come in: API keys by header or subprotocol, short-lived keys, and origins of browsers."""

import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from llama_speech.service.endpoints.protocol import JsonObject

KEY_PROTOCOL = "openai-insecure-api-key."
_SILENT = (KEY_PROTOCOL, "openai-organization.", "openai-project.", "openai-beta.", "openai-agents-sdk.")
_MAX_SECRETS = 1_000
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Secret:
    """A short-lived key and the session it opens."""

    value: str
    expires_at: float  # seconds since 1970
    session: JsonObject


class Gate:
    """Checks keys and origins. Without keys everybody may come in."""

    def __init__(
        self,
        keys: tuple[str, ...],
        origins: tuple[str, ...] = (),
        loopback: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """loopback: whether the server listens to this machine only."""
        self._keys = [key.encode() for key in keys]
        self._origins = {origin.rstrip("/").lower() for origin in origins}
        self._clock, self._loopback = clock, loopback
        self._secrets: dict[str, Secret] = {}

    @property
    def open(self) -> bool:
        """Whether no key is needed."""
        return not self._keys

    def admits(self, key: str | None) -> bool:
        """Whether a key is one of those; takes the same time for every wrong one."""
        given = (key or "").encode("utf-8", "replace")
        matches = [hmac.compare_digest(given, known) for known in self._keys]
        return self.open or any(matches)

    def admits_secret(self, key: str | None) -> Secret | None:
        """The short-lived key, if it is one and still good."""
        found = None
        for secret in list(self._secrets.values()):
            if secret.expires_at < self._clock():
                del self._secrets[secret.value]
            elif hmac.compare_digest(secret.value.encode(), (key or "").encode("utf-8", "replace")):
                found = secret
        return found

    def make_secret(self, seconds: int, session: JsonObject) -> Secret:
        """A key for a browser; the oldest is forgotten when there are very many."""
        if len(self._secrets) >= _MAX_SECRETS:
            self._secrets.pop(next(iter(self._secrets)))
        secret = Secret(f"ek_{secrets.token_urlsafe(24)}", self._clock() + seconds, session)
        self._secrets[secret.value] = secret
        return secret

    def admits_origin(self, origin: str | None, host: str | None) -> bool:
        """Whether a page of this origin may connect: its own, one of the list, or no browser at all.

        A server on loopback is its own page's only by a name of this machine: another name that was made to
        point here (DNS rebinding) belongs to somebody else.
        """
        if origin is None or "*" in self._origins:
            return True
        parts = urlsplit(origin)
        own = parts.netloc.lower() == (host or "").lower() and bool(host)
        if self._loopback and parts.hostname not in _LOOPBACK_NAMES:
            own = False
        return own or origin.rstrip("/").lower() in self._origins


def key_of(headers: Mapping[str, str], protocols: list[str]) -> str | None:
    """The key a client shows: bearer header, `api-key` header, or subprotocol."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()
    if headers.get("api-key"):
        return headers["api-key"]
    return next((one[len(KEY_PROTOCOL) :] for one in protocols if one.startswith(KEY_PROTOCOL)), None)


def chosen_protocol(offered: list[str]) -> str | None:
    """The subprotocol to answer with: `realtime`, else the first that is neither key nor marker."""
    if "realtime" in offered:
        return "realtime"
    return next((one for one in offered if not one.startswith(_SILENT)), None)
