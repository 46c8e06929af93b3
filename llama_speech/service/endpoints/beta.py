"""Names of the beta protocol for clients that ask for them; one event of ours is at most one of theirs."""

from collections.abc import Mapping
from typing import Any

from llama_speech.service.endpoints.protocol import JsonObject

_EVENTS = {
    "conversation.item.added": "conversation.item.created",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
}
_LEFT_OUT = {"conversation.item.done"}
_PARTS = {"output_text": "text", "output_audio": "audio"}
_FORMATS = {"audio/pcm": "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}


def wants_beta(headers: Mapping[str, str], protocols: list[str]) -> bool:
    """Whether a client asks for the beta protocol."""
    return "realtime=v1" in headers.get("openai-beta", "") or "openai-beta.realtime-v1" in protocols


class BetaNames:
    """Translates events of one connection."""

    def translate(self, event: JsonObject) -> list[JsonObject]:
        """The event by its beta names; none if the beta had no such event."""
        kind = event["type"]
        if kind in _LEFT_OUT:
            return []
        event = {**event, "type": _EVENTS.get(kind, kind)}
        if "item" in event:
            event["item"] = _item(event["item"])
        if "response" in event:
            event["response"] = _response(event["response"])
        if "session" in event:
            event["session"] = _session(event["session"])
            if event["session"]["object"] == "realtime.transcription_session":
                event["type"] = event["type"].replace("session.", "transcription_session.")
        return [event]


def _item(item: JsonObject) -> JsonObject:
    if item.get("role") != "assistant":
        return item
    return {
        **item,
        "content": [{**part, "type": _PARTS.get(part["type"], part["type"])} for part in item["content"]],
    }


def _response(response: JsonObject) -> JsonObject:
    shown = {name: value for name, value in response.items() if name not in ("audio", "output_modalities")}
    output = response["audio"]["output"]
    return {
        **shown,
        "modalities": _modalities(response),
        "voice": output["voice"],
        "output_audio_format": _FORMATS[output["format"]["type"]],
        "output": [_item(item) for item in response["output"]],
    }


def _session(session: JsonObject) -> JsonObject:
    heard = session["audio"]["input"]
    shown: JsonObject = {
        "id": session["id"],
        "object": session["object"],
        "expires_at": session["expires_at"],
        "input_audio_format": _FORMATS[heard["format"]["type"]],
        "input_audio_transcription": heard["transcription"],
        "input_audio_noise_reduction": heard["noise_reduction"],
        "turn_detection": heard["turn_detection"],
    }
    if session["object"] == "realtime.transcription_session":
        return shown
    output = session["audio"]["output"]
    same = ("model", "instructions", "tools", "tool_choice")
    return {
        **shown,
        **{name: session[name] for name in same},
        "modalities": _modalities(session),
        "voice": output["voice"],
        "speed": output["speed"],
        "output_audio_format": _FORMATS[output["format"]["type"]],
        "temperature": 0.8,
        "max_response_output_tokens": session["max_output_tokens"],
    }


def _modalities(value: Mapping[str, Any]) -> list[str]:
    return ["text", "audio"] if value["output_modalities"] == ["audio"] else ["text"]
