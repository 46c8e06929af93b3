from typing import Any

import httpx
import openai
import pytest

from llama_speech.service.endpoints.app import build_app
from llama_speech.service.operation.run import running
from tests.llama_speech.service.conftest import make_service


@pytest.fixture(scope="module")
def locked(tiny_engine, tiny_model):
    service = make_service(tiny_engine, tiny_model, api_keys=("right",))
    with running(build_app(service), service) as url:
        yield url
    service.close()


def test_the_server_tells_how_it_is(server):
    assert httpx.get(f"{server.url}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{server.url}/readyz").json() == {"status": "ready", "speaks": True}
    assert "llama_speech_sessions_opened_total" in httpx.get(f"{server.url}/metrics").text


def test_a_server_that_is_not_warm_is_not_ready(locked):
    answer = httpx.get(f"{locked}/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "loading"})


def test_models_are_listed_for_the_official_client(server):
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="x")
    assert [model.id for model in client.models.list()] == ["llama-speech"]
    assert client.models.retrieve("llama-speech").owned_by == "llama-speech"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("a/b")
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize("path", ["/v1/models", "/metrics"])
def test_keys_are_asked_for(locked, path):
    answer = httpx.get(locked + path)
    assert answer.status_code == 401
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert answer.headers["x-request-id"].startswith("req_")
    assert httpx.get(locked + path, headers={"Authorization": "Bearer right"}).status_code == 200
    assert httpx.get(locked + path, headers={"Origin": "https://evil.example"}).status_code == 403


def test_unknown_addresses_have_the_shape_of_errors(server):
    assert httpx.get(f"{server.url}/v1/nothing").json()["error"]["code"] == "not_found"
    assert httpx.post(f"{server.url}/v1/models").status_code == 405


def test_short_lived_keys_open_a_session_with_its_settings(locked):
    client = openai.OpenAI(base_url=f"{locked}/v1", api_key="right")
    secret = client.realtime.client_secrets.create(
        expires_after={"anchor": "created_at", "seconds": 60},
        session={"type": "realtime", "instructions": "Be nice."},
    )
    assert secret.value.startswith("ek_")
    browser: Any = openai.OpenAI(base_url=f"{locked}/v1", api_key=secret.value)
    with browser.realtime.connect(model="m") as connection:
        assert next(iter(connection)).session.instructions == "Be nice."
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{locked}/v1", api_key=secret.value).models.list()


@pytest.mark.parametrize(
    "body", [{"expires_after": {"seconds": 5}}, {"session": 3}, {"session": {"audio": 3}}]
)
def test_wrong_wishes_are_refused(locked, body):
    headers = {"Authorization": "Bearer right"}
    answer = httpx.post(f"{locked}/v1/realtime/client_secrets", json=body, headers=headers)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "path", ["/", "/page/style.css", "/page/main.js", "/page/sound.js", "/page/microphone.js"]
)
def test_the_page_is_served_with_a_policy(server, path):
    answer = httpx.get(server.url + path)
    assert answer.status_code == 200
    assert "default-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path", ["/page/index.html/../../app.py", "/page/..%2Fapp.py", "/page/app.py", "/page/"]
)
def test_nothing_else_is_served(server, path):
    assert httpx.get(server.url + path).status_code == 404
