"""Stock clients, each led through one conversation: a spoken turn, an interruption, a call of a function.

The `openai` package for Python always runs. The others run where they are: Node clients in the folder
$LLAMA_SPEECH_NODE (with node_modules), LiveKit's and Pipecat's with the Python $LLAMA_SPEECH_KITS;
`make test-clients` installs what clients/package-lock.json and clients/requirements.txt name, and runs this.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import llama_speech
from llama_speech.service.endpoints.app import build_app
from llama_speech.service.models.engine import EngineOptions, LocalEngine
from llama_speech.service.operation.config import ServiceConfig
from llama_speech.service.operation.run import running, warm_up
from tests.llama_speech.service.clients import openai_client
from tests.llama_speech.service.clients.conversation import RESULT
from tests.llama_speech.service.clients.openai_client import check
from tests.llama_speech.service.conftest import make_service
from tests.llama_speech.service.scripted_llama import LONG, write_scripted_llama
from tests.llama_speech.service.tone_voice import PacedVoice
from tests.llama_speech.tiny_stack import write_bundle

CLIENTS = Path(__file__).with_name("clients")
NODE = Path(os.environ.get("LLAMA_SPEECH_NODE", "nowhere")).resolve()  # Node asks for whole paths
KITS = os.environ.get("LLAMA_SPEECH_KITS", "")
needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (NODE / "node_modules" / "openai").is_dir(),
    reason="no Node clients: `make test-clients` installs them",
)
needs_kits = pytest.mark.skipif(
    not KITS, reason="neither LiveKit nor Pipecat: `make test-clients` installs them"
)
LEAD_MS = ServiceConfig().lead_ms


@pytest.fixture(scope="module")
def parts_of_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    root = tmp_path_factory.mktemp("scripted")
    llama = write_scripted_llama(root / "llama")
    model = llama_speech.load(write_bundle(root / "bundle", llama), llama, device="cpu", dtype="float32")
    assert model.parts.loaded is not None
    options = EngineOptions(max_answer_tokens=len(LONG) + 1)
    engine = LocalEngine(model.parts.loaded, model.languages, PacedVoice(), options)
    yield engine, model
    engine.close()


@pytest.fixture(scope="module")
def plain_url(parts_of_server) -> Iterator[str]:
    service = make_service(*parts_of_server, lead_ms=LEAD_MS)
    warm_up(service)
    with running(build_app(service), service) as url:
        yield url
    service.close()


@pytest.fixture(scope="module")
def secure(parts_of_server, tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """A server with a certificate of its own: the Node clients of OpenAI take no other."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: it makes the certificate")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-keyout", str(key), "-out", str(cert)]
    subprocess.run(["openssl", "req", *kind, *files, *names], check=True, capture_output=True)
    service = make_service(*parts_of_server, api_keys=("test",), tls_cert=cert, tls_key=key, lead_ms=LEAD_MS)
    with running(build_app(service), service) as url:
        yield url, cert
    service.close()


def report_of(command: list[str], speech: bytes, **environment: str) -> Any:
    """What a client that runs as a command reports."""
    result = subprocess.run(
        command,
        input=speech,
        capture_output=True,
        timeout=240,
        env={**os.environ, **environment},
        check=False,
    )
    assert result.returncode == 0, result.stderr.decode()
    return json.loads(result.stdout)


def test_openai_for_python(plain_url, speech_pcm):
    report = openai_client.converse(f"{plain_url}/v1", speech_pcm)
    check(report)
    assert report["truncated_ms"] <= 300
    assert len(report["transcripts"]) == 3


@needs_node
@pytest.mark.parametrize("client", ["openai-ws", "openai-websocket"])
def test_openai_for_node_over_tls(secure, speech_pcm, client):
    url, cert = secure
    command = ["node", "--experimental-websocket", str(CLIENTS / "node_client.cjs"), client, url]
    report = report_of(command, speech_pcm, NODE_EXTRA_CA_CERTS=str(cert), LLAMA_SPEECH_NODE=str(NODE))
    check(report)
    assert report["truncated_ms"] <= 300
    assert len(report["transcripts"]) == 3


@needs_node
def test_openai_agents_for_node(plain_url, speech_pcm):
    command = ["node", "--experimental-websocket", str(CLIENTS / "node_client.cjs"), "agents", plain_url]
    report = report_of(command, speech_pcm, LLAMA_SPEECH_NODE=str(NODE))
    check(report)
    assert report["ignored"] == []
    assert report["kit_interrupted"]
    assert report["kit_tool"] == RESULT
    expected = ["user", "assistant", "user", "assistant", "user", "function_call", "assistant"]
    assert report["history"] == expected


@needs_kits
def test_livekit(plain_url, speech_pcm):
    report = report_of([KITS, str(CLIENTS / "livekit_client.py"), plain_url], speech_pcm)
    check(report)
    assert report["kit"].count("speech started") == 3
    assert "called get_time" in report["kit"]
    assert report["kit_samples"] > 0


@needs_kits
def test_pipecat(plain_url, speech_pcm):
    report = report_of([KITS, str(CLIENTS / "pipecat_client.py"), plain_url], speech_pcm)
    check(report)
    assert "interruption" in report["kit"]
    assert "called get_time" in report["kit"]
    assert report["kit_samples"] > 0
