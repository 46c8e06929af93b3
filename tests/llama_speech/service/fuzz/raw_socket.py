"""A websocket client that sends any bytes, right or wrong, and reads what comes back."""

import base64
import json
import os
import socket
import struct
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(
    opcode: int, payload: bytes = b"", fin: bool = True, reserved: int = 0, masked: bool = True
) -> bytes:
    """One frame of a client (RFC 6455, section 5.2)."""
    size = len(payload)
    first = (fin << 7) | (reserved << 4) | opcode
    mask_bit = masked << 7
    if size < 126:
        head = bytes((first, mask_bit | size))
    elif size < 65_536:
        head = bytes((first, mask_bit | 126)) + struct.pack(">H", size)
    else:
        head = bytes((first, mask_bit | 127)) + struct.pack(">Q", size)
    if not masked:
        return head + payload
    key = os.urandom(4)
    repeated = (key * (size // 4 + 1))[:size]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return head + key + mixed.to_bytes(size, "big")


def closing(code: int, reason: bytes = b"") -> bytes:
    """A close frame."""
    return frame(CLOSE, struct.pack(">H", code) + reason)


@dataclass
class Received:
    """A frame of the server."""

    opcode: int
    payload: bytes

    @property
    def code(self) -> int | None:
        """Of a close frame."""
        return struct.unpack(">H", self.payload[:2])[0] if len(self.payload) >= 2 else None


class RawSocket:
    """A connection after its handshake, which must succeed."""

    def __init__(self, url: str, path: str = "/v1/realtime", timeout_s: float = 30.0) -> None:
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=timeout_s)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
        ]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self._buffer = b""
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 101"), head

    def __enter__(self) -> "RawSocket":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, *data: bytes) -> None:
        """Any bytes."""
        for one in data:
            self._socket.sendall(one)

    def frame(self) -> Received | None:
        """The next frame; None when the server has hung up."""
        try:
            opcode = self._read(1)[0] & 15
            size = self._read(1)[0] & 127
            if size > 125:
                size = int.from_bytes(self._read(2 if size == 126 else 8), "big")
            return Received(opcode, self._read(size))
        except (EOFError, ConnectionError):
            return None

    def event(self) -> Any:
        """The next event; raises AssertionError if the server closes."""
        while (found := self.frame()) is not None:
            if found.opcode == TEXT:
                return json.loads(found.payload)
            assert found.opcode != CLOSE, f"closed with {found.code}: {found.payload[2:]!r}"
        raise AssertionError("the server hung up")

    def close_code(self) -> int | None:
        """The code the server closes with; None if it just hangs up."""
        while (found := self.frame()) is not None:
            if found.opcode == CLOSE:
                return found.code
        return None

    def _read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _more(self) -> None:
        data = self._socket.recv(65_536)
        if not data:
            raise EOFError
        self._buffer += data
