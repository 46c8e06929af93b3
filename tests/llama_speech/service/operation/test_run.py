import signal
import socket
import time

import httpx
import pytest

from llama_speech.service.endpoints.app import build_app
from llama_speech.service.models.products import Failed
from llama_speech.service.operation.config import ServiceConfig
from llama_speech.service.operation.run import check_can_listen, make_server, running, warm_up
from speech_core.errors import ConfigError
from tests.llama_speech.service.conftest import make_service


def test_warming_up_makes_ready(tiny_engine, tiny_model):
    service = make_service(tiny_engine, tiny_model)
    assert not service.ready
    warm_up(service)
    assert service.ready


def test_a_model_that_fails_is_not_served(tiny_engine, tiny_model, monkeypatch):
    monkeypatch.setattr(
        tiny_engine, "reply", lambda session, command, produced: produced(Failed("no memory"))
    )
    with pytest.raises(RuntimeError, match="no memory"):
        warm_up(make_service(tiny_engine, tiny_model))


def test_where_nothing_can_listen_is_said_before_models_are_loaded():
    check_can_listen(ServiceConfig(port=0))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1, port {port}: Address already in use"):
            check_can_listen(ServiceConfig(port=port))
    with pytest.raises(ConfigError, match="cannot listen on 203"):
        check_can_listen(ServiceConfig(host="203.0.113.1", port=0))  # of no machine


def test_a_damaged_certificate_is_said_before_models_are_loaded(tmp_path):
    path = tmp_path / "cert.pem"
    for reason in ("No such file", "PEM"):
        with pytest.raises(ConfigError, match=f"are no TLS certificate and key .*{reason}"):
            check_can_listen(ServiceConfig(port=0, tls_cert=path, tls_key=path))
        path.write_text("no certificate")


def test_the_first_signal_drains_and_the_second_stops(tiny_engine, tiny_model):
    service = make_service(tiny_engine, tiny_model)
    server = make_server(build_app(service), service)
    service.enter()
    server.handle_exit(signal.SIGTERM, None)
    assert service.draining
    assert not server.should_exit
    server.handle_exit(signal.SIGTERM, None)
    assert server.should_exit


def test_a_server_without_sessions_stops_at_once(tiny_engine, tiny_model):
    service = make_service(tiny_engine, tiny_model)
    with running(build_app(service), service) as url:
        assert url.startswith("http://127.0.0.1:")
        assert httpx.get(f"{url}/healthz").status_code == 200
        service.drain()
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                httpx.get(f"{url}/healthz")
            except httpx.TransportError:
                return
    pytest.fail("the server still answers")
