"""The conversation every stock client is led through: a spoken turn, an interruption, a call of a function.

Needs nothing but Python, so that it runs in the environments of the clients too.
"""

import base64
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

PART_BYTES = 9_600  # 0.2 s
RESULT = "12:00"
GET_TIME = {
    "type": "function",
    "name": "get_time",
    "description": "The time of day in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Conversation:
    """Sees every event of the server; says when to speak, and what a client without a kit must do itself."""

    def __init__(self, speak: Callable[[], Any], act: Callable[[str, dict[str, Any]], Any]) -> None:
        """speak: begin to send the speech. act: "truncate" or "answer" (a call), with the item."""
        self._speak, self._act = speak, act
        self.report: dict[str, Any] = {
            "errors": [],
            "turns": 0,
            "sound": 0,
            "sound_after": 0,
            "transcripts": [],
        }
        self.over = self._interrupting = self._cut = False

    def see(self, event: dict[str, Any]) -> None:
        """One event."""
        report, kind = self.report, event["type"]
        if kind == "error":
            report["errors"].append(event["error"]["message"])
        elif kind == "input_audio_buffer.committed":
            report["turns"] += 1
        elif kind == "input_audio_buffer.speech_started":
            self._cut = self._interrupting
        elif kind == "conversation.item.truncated":
            report["truncated_ms"] = event["audio_end_ms"]
        elif kind.endswith("input_audio_transcription.completed"):
            report["transcripts"].append(event["transcript"])
        elif kind == "response.output_audio.delta":
            self._sound(len(base64.b64decode(event["delta"])))
        elif kind == "response.done":
            self._done(event["response"])

    def _sound(self, size: int) -> None:
        self.report["sound"] += size
        if self.report["turns"] != 2:
            return
        if self._cut:
            self.report["sound_after"] += size
        if not self._interrupting:
            self._interrupting = True
            self._speak()

    def _done(self, response: dict[str, Any]) -> None:
        report = self.report
        item: dict[str, Any] = next(iter(response["output"]), {})
        if report["turns"] == 0:  # a kit that greets
            self._speak()
        elif report["turns"] == 1:
            report["first"] = response["status"]
            self._speak()
        elif response["status"] == "cancelled":
            report["interrupted"] = response["status_details"]["reason"]
            self._act("truncate", item)
        elif item.get("type") == "function_call":
            report["called"] = {"name": item["name"], "arguments": item["arguments"]}
            self._act("answer", item)
        elif "called" in report:
            report["told"] = item["content"][0]["transcript"]
            self.over = True


def parts(speech: bytes) -> Iterator[bytes]:
    """The speech in messages."""
    for start in range(0, len(speech), PART_BYTES):
        yield speech[start : start + PART_BYTES]


def tell(report: dict[str, Any]) -> None:
    """Print the report of a client that runs as a command."""
    sys.stdout.write(json.dumps(report) + "\n")
