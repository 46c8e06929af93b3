"""What waits to be sent to one client: bounded, in order, without the sound of answers that were stopped."""

import json
from collections import deque

from llama_speech.service.endpoints.protocol import JsonObject

_SOUND = "response.output_audio.delta"


class SendQueue:
    """Events as JSON text. `overflowing` tells that the client reads too slowly."""

    def __init__(self, max_bytes: int) -> None:
        self._waiting: deque[tuple[JsonObject, str]] = deque()
        self._max_bytes = max_bytes
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def overflowing(self) -> bool:
        """Whether more waits than may."""
        return self._bytes > self._max_bytes

    def put(self, event: JsonObject) -> None:
        """Add an event; the end of a stopped answer takes back its sound that was not sent yet."""
        if event["type"] == "response.done" and event["response"]["status"] == "cancelled":
            self._take_back(event["response"]["id"])
        text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        self._waiting.append((event, text))
        self._bytes += len(text)

    def take(self) -> str:
        """The next text."""
        _, text = self._waiting.popleft()
        self._bytes -= len(text)
        return text

    def _take_back(self, response_id: str) -> None:
        kept = [
            one for one in self._waiting if one[0]["type"] != _SOUND or one[0]["response_id"] != response_id
        ]
        self._waiting = deque(kept)
        self._bytes = sum(len(text) for _, text in kept)
