"""Stock clients for Node. They run where node is installed and $LLAMA_SPEECH_NODE names a folder in which
`npm install openai @openai/agents-realtime ws` was run."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from llama_speech.service.app import build_app
from llama_speech.service.run import running
from tests.llama_speech.service.conftest import make_service

SCRIPT = Path(__file__).with_name("node_clients.cjs")
PACKAGES = Path(os.environ.get("LLAMA_SPEECH_NODE", "nowhere"))
pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed"),
    pytest.mark.skipif(
        not (PACKAGES / "node_modules" / "openai").is_dir(),
        reason="no Node clients: see the top of this file",
    ),
]


def run(client, url, speech, **environment):
    """What a client reports of one spoken turn."""
    command = ["node", "--experimental-websocket", str(SCRIPT), client, url]
    result = subprocess.run(
        command,
        input=speech,
        capture_output=True,
        timeout=200,
        env={**os.environ, **environment},
        check=False,
    )
    assert result.returncode == 0, result.stderr.decode()
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def secure(tiny_engine, tiny_model, tmp_path_factory):
    """A server with a certificate of its own: the plain Node client takes no other."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: it makes the certificate")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-keyout", str(key), "-out", str(cert)]
    subprocess.run(["openssl", "req", *kind, *files, *names], check=True, capture_output=True)
    service = make_service(tiny_engine, tiny_model, api_keys=("test",), tls_cert=cert, tls_key=key)
    with running(build_app(service), service) as url:
        yield url, cert
    service.close()


@pytest.mark.parametrize("client", ["openai-ws", "openai-websocket"])
def test_the_official_client_over_tls(secure, speech_pcm, client):
    url, cert = secure
    report = run(client, url, speech_pcm, NODE_EXTRA_CA_CERTS=str(cert))
    assert report["errors"] == []
    assert report["status"] in ("completed", "incomplete")
    assert report["sound"] > 0
    assert report["kinds"][-1] == "response.done"


def test_the_agents_kit_with_its_own_settings(server, speech_pcm):
    report = run("agents", server.url, speech_pcm)
    assert report["errors"] == report["ignored"] == []
    assert report["history"] == ["user", "assistant"]
    assert report["sound"] > 0
