from llama_speech.service.self_check import self_check
from tests.llama_speech.service.conftest import make_service


def shown(lines):
    return [line.split("ms  ")[1] for line in lines if "ms  " in line]


def test_a_server_without_a_voice_asks_itself_in_writing(tiny_engine, tiny_model, monkeypatch):
    monkeypatch.setattr(tiny_engine, "_voice", None)
    lines = list(self_check(make_service(tiny_engine, tiny_model)))
    assert "has no voice" in lines[0]
    assert shown(lines) == ["session ready", "answer announced", "first text", "answer complete"]
    assert lines[-1].startswith("ok: ")
