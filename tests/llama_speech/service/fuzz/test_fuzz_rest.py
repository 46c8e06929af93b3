"""The REST endpoints given wild bodies: never an internal error, always an error the clients can read.

`make fuzz` also runs schemathesis over docs/openapi.json, from the environment of $LLAMA_SPEECH_KITS.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llama_speech.service.endpoints.app import build_app
from llama_speech.service.operation.run import running, warm_up
from tests.llama_speech.service.conftest import make_service
from tests.llama_speech.service.fuzz.json_fuzz import ANY_JSON, ANY_TEXT, EXAMPLES, amount, damaged

OPENAPI = Path(__file__).resolve().parents[4] / "docs" / "openapi.json"
KITS = os.environ.get("LLAMA_SPEECH_KITS", "")
SCHEMATHESIS = shutil.which(Path(KITS).absolute().with_name("schemathesis")) if KITS else None
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
ASKED = {"role": "user", "content": "x"}
PART = {"type": "text", "text": "hi"}
ANSWERED = [
    ASKED,
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c", "content": "1"},
]
SAMPLED = {"temperature": 0.5, "top_p": 0.9, "seed": 3, "stop": ["a"], "stream": True}
PHONE = {"audio": {"input": {"format": {"type": "audio/pcmu"}}}}
BODIES = {
    "audio/speech": [
        {"model": "m", "input": "one", "voice": "alloy", "response_format": "pcm", "speed": 1.5},
        {"model": "m", "input": "one two", "voice": {"id": "ash"}, "stream_format": "sse"},
    ],
    "chat/completions": [
        {"model": "m", "messages": [{"role": "user", "content": [PART]}], "max_tokens": 2},
        {"messages": [{"role": "system", "content": ""}, ASKED], "max_tokens": 1, **SAMPLED},
        {"messages": ANSWERED, "max_tokens": 1, "tools": [TOOL], "tool_choice": "required"},
    ],
    "realtime/client_secrets": [
        {"expires_after": {"anchor": "created_at", "seconds": 60}, "session": {"instructions": "x"}},
        {"session": {"type": "transcription", **PHONE}},
    ],
}
FIELDS = (
    "language",
    "response_format",
    "stream",
    "timestamp_granularities[]",
    "target_language",
    "model",
    "file",
)


@pytest.fixture(scope="module")
def url(tiny_engine, tiny_model):
    service = make_service(tiny_engine, tiny_model, max_requests=64)
    warm_up(service)
    with running(build_app(service), service) as address:
        yield address
    service.close()


def readable(reply):
    """A reply that is no internal error; an error has all members."""
    assert reply.status_code < 500, reply.text
    if reply.status_code >= 400:
        error = reply.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["message"]
        assert "\n" not in error["message"]


@pytest.mark.parametrize("path", BODIES)
def test_wild_bodies_are_answered_or_refused(url, path):
    with httpx.Client(base_url=f"{url}/v1/", timeout=120) as client:

        @settings(suppress_health_check=list(HealthCheck), **amount(25))
        @given(damaged(BODIES[path]) | ANY_JSON)
        def check(body):
            readable(
                client.post(path, content=json.dumps(body), headers={"content-type": "application/json"})
            )

        check()


@pytest.mark.parametrize("path", ["audio/transcriptions", "audio/translations"])
def test_wild_forms_are_answered_or_refused(url, path):
    texts = ANY_TEXT.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.sampled_from(
        [b"", b"en", b"true", b"srt"]
    )
    with httpx.Client(base_url=f"{url}/v1/", timeout=120) as client:

        @settings(suppress_health_check=list(HealthCheck), **amount(15))
        @given(
            st.dictionaries(st.sampled_from(FIELDS), texts, max_size=4),
            st.binary(max_size=64),
            st.binary(max_size=64),
        )
        def check(fields, content, raw):
            readable(client.post(path, data=fields, files={"file": ("a.wav", content)}))
            kind = {"content-type": "multipart/form-data; boundary=b"}
            readable(client.post(path, content=b"--b\r\n" + raw + b"\r\n--b--", headers=kind))

        check()


@pytest.mark.skipif(SCHEMATHESIS is None, reason="no schemathesis: `make fuzz` installs it")
def test_schemathesis_finds_nothing(url, tmp_path):
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    command = [
        str(SCHEMATHESIS),
        "run",
        str(OPENAPI),
        "--url",
        url,
        "--checks",
        checks,
        "--seed",
        "1",
        "--no-color",
    ]
    result = subprocess.run(
        [
            *command,
            "--max-examples",
            str(max(EXAMPLES // 20, 10)),
            "--request-timeout",
            "120",
            "--suppress-health-check",
            "all",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-8_000:]
