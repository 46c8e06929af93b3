from pathlib import Path

import pytest

from llama_speech.service.operation.config import Limits, ServiceConfig, from_environment
from speech_core.errors import ConfigError


def test_only_this_machine_may_connect_by_default():
    assert ServiceConfig().loopback
    assert ServiceConfig().url == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("localhost", True), ("::1", True), ("127.0.0.9", True), ("0.0.0.0", False), ("host", False)],
)
def test_loopback_is_known(host, loopback):
    assert ServiceConfig(host=host).loopback is loopback


def test_addresses_are_printed_as_browsers_read_them():
    config = ServiceConfig(host="::1", port=1, tls_cert=Path("c"), tls_key=Path("k"))
    assert config.url == "https://[::1]:1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": -1},
        {"port": 70_000},
        {"tls_cert": Path("c")},
        {"api_keys": (" ",)},
        {"api_keys": ("ä",)},
        {"answer_from": "magic"},
        {"interrupt_ms": 50},
        {"lead_ms": 0},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(ConfigError):
        ServiceConfig(**wrong)


def test_limits_are_positive():
    with pytest.raises(ConfigError, match="max_sessions is 0"):
        Limits(max_sessions=0)
    with pytest.raises(ConfigError, match="session_s is nan"):
        Limits(session_s=float("nan"))


def test_the_environment_sets_fields_by_their_name():
    environment = {
        "LLAMA_SPEECH_SERVE_MAX_SESSIONS": "3",
        "LLAMA_SPEECH_SERVE_IDLE_S": "1.5",
        "LLAMA_SPEECH_SERVE_HOST": "::1",
        "LLAMA_SPEECH_SERVE_API_KEYS": "a, b",
        "LLAMA_SPEECH_SERVE_ANY_MODEL": "false",
        "LLAMA_SPEECH_SERVE_TLS_CERT": "cert.pem",
        "LLAMA_SPEECH_SERVE_LIMITS": "ignored",
    }
    assert from_environment(environment, Limits) == {"max_sessions": 3, "idle_s": 1.5}
    values = from_environment(environment, ServiceConfig)
    expected = {"host": "::1", "api_keys": ("a", "b"), "any_model": False, "tls_cert": Path("cert.pem")}
    assert values == expected


@pytest.mark.parametrize(
    ("name", "text", "needed"), [("MAX_SESSIONS", "many", "a whole number"), ("IDLE_S", "", "a number")]
)
def test_a_wrong_value_is_named(name, text, needed):
    with pytest.raises(ConfigError, match=f"LLAMA_SPEECH_SERVE_{name} is '{text}': give {needed}"):
        from_environment({f"LLAMA_SPEECH_SERVE_{name}": text}, Limits)
