from typing import Any

import pytest

from llama_speech.service.conversation.settings import Settings, deep_merged, from_beta, merged
from speech_core.errors import ProtocolError

# First messages of stock clients, as observed.
AGENTS_NODE = {
    "type": "realtime",
    "instructions": "Be nice.",
    "model": "my-model",
    "output_modalities": ["audio"],
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "noise_reduction": None,
            "transcription": {"model": "gpt-4o-mini-transcribe"},
            "turn_detection": {"type": "semantic_vad"},
        },
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "speed": 1},
    },
}
AGENTS_PYTHON = {
    "type": "realtime",
    "audio": {
        "input": {
            "format": {"rate": 24000, "type": "audio/pcm"},
            "transcription": {"model": "gpt-4o-mini-transcribe"},
            "turn_detection": {"type": "semantic_vad", "interrupt_response": True},
        },
        "output": {"format": {"rate": 24000, "type": "audio/pcm"}, "voice": "ash"},
    },
    "instructions": "Be nice.",
    "model": "my-model",
    "output_modalities": ["audio"],
    "tools": [],
}
LIVEKIT = {
    "type": "realtime",
    "audio": {
        "input": {
            "format": {"rate": 24000, "type": "audio/pcm"},
            "noise_reduction": None,
            "transcription": {"model": "gpt-4o-mini-transcribe"},
            "turn_detection": {
                "type": "semantic_vad",
                "create_response": True,
                "eagerness": "medium",
                "interrupt_response": True,
            },
        },
        "output": {"format": {"rate": 24000, "type": "audio/pcm"}, "speed": 1.0, "voice": "marin"},
    },
    "max_output_tokens": "inf",
    "model": "my-model",
    "output_modalities": ["audio"],
    "tool_choice": "auto",
    "tracing": None,
}
PIPECAT = {
    "type": "realtime",
    "audio": {"input": {"transcription": {"model": "gpt-realtime-whisper"}, "turn_detection": None}},
}


@pytest.mark.parametrize("update", [AGENTS_NODE, AGENTS_PYTHON, LIVEKIT, PIPECAT, {"tracing": "auto"}, {}])
def test_first_updates_of_stock_clients_are_taken(update):
    settings = merged(Settings(), update)
    assert settings.instructions == update.get("instructions", "")
    detection = update.get("audio", {}).get("input", {}).get("turn_detection", {"type": "server_vad"})
    shown = settings.echo("sess_1", 1)["audio"]["input"]["turn_detection"]
    assert (shown and shown["type"]) == (detection and detection["type"])


def detection_of(current: Settings) -> Any:
    return current.audio.input.turn_detection


def test_only_what_is_present_changes():
    settings = merged(Settings(), {"audio": {"input": {"turn_detection": {"threshold": 0.8}}}})
    settings = merged(settings, {"audio": {"input": {"turn_detection": {"silence_duration_ms": 900}}}})
    detection = detection_of(settings)
    assert (detection.threshold, detection.silence_duration_ms) == (0.8, 900)
    settings = merged(settings, {"audio": {"output": {"voice": "marin"}}, "instructions": "Hi"})
    assert settings.audio.input.turn_detection == detection
    assert merged(settings, {"instructions": ""}).instructions == ""


def test_another_type_of_turn_detection_starts_from_its_defaults():
    settings = merged(Settings(), {"turn_detection": {"type": "server_vad", "create_response": False}})
    settings = merged(settings, {"turn_detection": {"type": "semantic_vad", "eagerness": "low"}})
    assert detection_of(settings).create_response is True
    assert detection_of(settings).longest_wait_ms == 8000


def test_null_turns_things_off_and_an_object_turns_them_on_again():
    off = merged(Settings(), {"audio": {"input": {"turn_detection": None, "transcription": None}}})
    assert off.audio.input.turn_detection is None
    on = merged(
        off, {"audio": {"input": {"turn_detection": {"silence_duration_ms": 700}, "transcription": {}}}}
    )
    assert detection_of(on).silence_duration_ms == 700
    assert on.audio.input.transcription is not None


@pytest.mark.parametrize(
    ("update", "param"),
    [
        ({"audio": {"output": {"speed": 9}}}, "session.audio.output.speed"),
        (
            {"audio": {"input": {"turn_detection": {"threshold": 2}}}},
            "session.audio.input.turn_detection.threshold",
        ),
        (
            {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}},
            "session.audio.input.format.rate",
        ),
        ({"audio": {"input": {"format": {"type": "audio/mp3"}}}}, "session.audio.input.format"),
        ({"output_modalities": ["smell"]}, "session.output_modalities.0"),
        ({"output_modalities": []}, "session.output_modalities"),
        ({"output_modalities": [["text"]]}, "session.output_modalities.0"),
        ({"tools": [{"type": "function"}]}, "session.tools.0.name"),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, "session.tools.0.type"),
        ({"tools": [{"type": "function", "name": "f"}] * 129}, "session.tools"),
        ({"audio": 3}, "session.audio"),
    ],
)
def test_a_wrong_value_is_refused_by_its_place(update, param):
    with pytest.raises(ProtocolError) as caught:
        merged(Settings(), update)
    assert caught.value.param == param


def test_beta_names_mean_the_same():
    beta = {
        "modalities": ["text", "audio"],
        "input_audio_format": "g711_ulaw",
        "voice": "verse",
        "temperature": 0.7,
        "turn_detection": None,
        "max_response_output_tokens": 99,
        "input_audio_transcription": {"model": "w"},
    }
    settings = merged(Settings(), beta)
    assert settings.output_modalities == ["audio"]
    assert settings.audio.input.format.type == "audio/pcmu"
    assert settings.audio.output.voice == "verse"
    assert settings.audio.input.turn_detection is None
    assert settings.max_output_tokens == 99
    assert from_beta({"voice": "a", "audio": {"output": {"voice": "b"}}}) == {
        "audio": {"output": {"voice": "b"}}
    }


def test_both_modalities_mean_sound():
    assert merged(Settings(), {"output_modalities": ["text", "audio"]}).speaks
    assert not merged(Settings(), {"output_modalities": ["text"]}).speaks


def test_the_echo_is_whole_and_has_no_null_strings():
    tools = [{"type": "function", "name": "f", "parameters": {"type": "object"}}]
    shown = merged(Settings(), {"tools": tools, "audio": {"input": {"transcription": {"model": "w"}}}}).echo(
        "sess_1", 9
    )
    assert shown["tools"] == tools
    assert shown["audio"]["input"]["transcription"] == {"model": "w"}
    assert shown["audio"]["input"]["turn_detection"]["interrupt_response"] is True
    assert isinstance(shown["audio"]["output"]["voice"], str)
    assert (shown["id"], shown["object"], shown["type"], shown["expires_at"]) == (
        "sess_1",
        "realtime.session",
        "realtime",
        9,
    )


def test_a_voice_object_is_echoed_as_its_name():
    assert merged(Settings(), {"audio": {"output": {"voice": {"id": "cedar"}}}}).audio.output.voice == "cedar"


def test_a_transcription_session_shows_its_input_only():
    shown = merged(Settings(), {"type": "transcription"}).echo("sess_1", 9)
    assert shown["object"] == "realtime.transcription_session"
    assert list(shown["audio"]) == ["input"]
    assert "instructions" not in shown


def test_merging_leaves_the_base_alone():
    base = {"a": {"b": 1, "c": [1]}}
    assert deep_merged(base, {"a": {"c": [2]}}) == {"a": {"b": 1, "c": [2]}}
    assert base == {"a": {"b": 1, "c": [1]}}
