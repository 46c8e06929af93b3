"""The `openai` package for Python led through the conversation, and what every client must have met."""

import base64
import json
from typing import Any

import openai

from tests.llama_speech.service.clients.conversation import GET_TIME, RESULT, Conversation, parts
from tests.llama_speech.service.scripted_llama import TOLD


def converse(base_url: str, speech: bytes) -> Any:
    """The report of a conversation."""
    client: Any = openai.OpenAI(base_url=base_url, api_key="test")
    with client.realtime.connect(model="gpt-realtime") as connection:

        def speak() -> None:
            for part in parts(speech):
                connection.input_audio_buffer.append(audio=base64.b64encode(part).decode())

        def act(what: str, item: dict[str, Any]) -> None:
            if what == "truncate":
                connection.conversation.item.truncate(item_id=item["id"], content_index=0, audio_end_ms=300)
                return
            output = {"type": "function_call_output", "call_id": item["call_id"], "output": RESULT}
            connection.conversation.item.create(item=output)
            connection.response.create()

        course = Conversation(speak, act)
        heard = {"input": {"transcription": {"model": "whisper-1"}}}
        connection.session.update(session={"type": "realtime", "tools": [GET_TIME], "audio": heard})
        speak()
        for event in connection:
            course.see(event.model_dump(mode="json"))
            if course.over:
                break
    return course.report


def check(report: Any) -> None:
    """What every client must have met."""
    assert report["errors"] == []
    assert report["first"] == "completed"
    assert report["interrupted"] == "turn_detected"
    assert report["sound_after"] == 0
    assert report["truncated_ms"] >= 0
    assert report["called"]["name"] == "get_time"
    assert json.loads(report["called"]["arguments"]) == {"city": "Rome"}
    assert report["told"] == "".join(TOLD)
    assert report["turns"] == 3
    assert report["sound"] > 0
