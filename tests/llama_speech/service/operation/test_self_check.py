import pytest

from llama_speech.service.operation.self_check import check_load, self_check
from speech_core.errors import SpeechError
from tests.llama_speech.service.conftest import make_service


def shown(lines):
    return [line.split("ms  ")[1] for line in lines if "ms  " in line]


def test_a_server_without_a_voice_asks_itself_in_writing(tiny_engine, tiny_model, monkeypatch):
    monkeypatch.setattr(tiny_engine, "_voice", None)
    lines = list(self_check(make_service(tiny_engine, tiny_model)))
    assert "has no voice" in lines[0]
    assert shown(lines) == ["session ready", "answer announced", "first text", "answer complete"]
    assert lines[-1].startswith("ok: ")


def test_latencies_need_a_voice_and_places(tiny_engine, tiny_model, monkeypatch):
    service = make_service(tiny_engine, tiny_model, max_sessions=2)
    with pytest.raises(SpeechError, match="--max-sessions"):
        next(check_load(service, (1, 4), 1))
    monkeypatch.setattr(tiny_engine, "_voice", None)
    with pytest.raises(SpeechError, match="a bundle that speaks"):
        next(check_load(service, (1,), 1))
