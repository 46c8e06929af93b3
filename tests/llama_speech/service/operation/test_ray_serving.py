"""The server on Ray Serve: two replicas on a cluster of one machine, where `ray[serve]` is installed."""

import asyncio
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import openai
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from llama_speech.service.operation.ray_serving import (
    InputBound,
    ReplicaOptions,
    deployment,
    from_config,
    is_stopping,
)
from speech_core.errors import ConfigError
from tests.llama_speech.service.clients import openai_client
from tests.llama_speech.service.conftest import SAMPLE
from tests.llama_speech.service.scripted_llama import SHORT, write_scripted_llama
from tests.llama_speech.tiny_stack import write_bundle

ROOT = Path(__file__).resolve().parents[4]
DRIVER = Path(__file__).with_name("ray_driver.py")
DRAIN_S = 4.0
_START_S, _WAIT_S = 600.0, 120.0
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="no Ray: pip install 'llama-speech[ray-serve]'"
)


class Cluster:
    """Ray with the deployment, in processes of its own."""

    def __init__(self, arguments: list[str], folder: str) -> None:
        port, metrics_port = free_port(), free_port()
        self.url, self._metrics = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{metrics_port}/metrics"
        quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0", "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            [sys.executable, str(DRIVER), str(port), str(metrics_port), folder, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **quiet},
        )
        assert self._answer() == "ready"

    def tell(self, line: str) -> Any:
        """What the driver answers."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._answer()

    def end(self) -> int:
        """End Ray; the exit code of the driver."""
        self._process.communicate("\n", timeout=_START_S)
        return self._process.returncode

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def open(self) -> Any:
        """A session."""
        address = self.url.replace("http", "ws", 1) + "/v1/realtime"
        return connect(address, additional_headers={"Authorization": "Bearer test"}, open_timeout=_WAIT_S)

    def get(self, path: str, key: str = "test") -> httpx.Response:
        """A request."""
        return httpx.get(self.url + path, headers={"Authorization": f"Bearer {key}"}, timeout=_WAIT_S)

    def met(self) -> str:
        """The replica that a request meets."""
        return self.get("/metrics").text.split('replica="')[1].split('"')[0]

    def sessions(self, wanted: int) -> dict[str, int]:
        """How many each replica holds, by what Ray exports, once they are as many as wanted."""
        deadline, replicas = time.monotonic() + _WAIT_S, self.tell("replicas")
        while time.monotonic() < deadline:
            lines = httpx.get(self._metrics, timeout=_WAIT_S).text.splitlines()
            found = {
                line.split('replica="')[1].split('"')[0]: int(float(line.rpartition(" ")[2]))
                for line in lines
                if line.startswith("ray_llama_speech_sessions{")
            }
            held = {name: found[name] for name in replicas if name in found}
            if set(held) == set(replicas) and sum(held.values()) == wanted:
                return held
            time.sleep(0.5)
        raise AssertionError("Ray does not show the sessions")


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    root = tmp_path_factory.mktemp("ray")
    llama = write_scripted_llama(root / "llama")
    bundle = write_bundle(root / "bundle", llama)
    (root / "keys").write_text("test\n")
    arguments = ["--model", str(bundle), "--llama", str(llama), "--dtype", "float32", "--device", "cpu"]
    arguments += ["--api-key-file", str(root / "keys"), "--drain-s", str(DRAIN_S)]
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:  # short: sockets
        running = Cluster(arguments, folder)
        yield running
        assert running.end() == 0


def send(session: Any, kind: str, **fields: Any) -> None:
    session.send(json.dumps({"type": kind, **fields}))


def until(session: Any, *kinds: str) -> Any:
    """The next event of these kinds."""
    while (event := json.loads(session.recv(timeout=_WAIT_S)))["type"] not in kinds:
        assert event["type"] != "error", event
    return event


def say(session: Any, text: str, role: str = "user") -> Any:
    """Add a message; its id."""
    kind = "input_text" if role == "user" else "output_text"
    item = {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}
    send(session, "conversation.item.create", item=item)
    return until(session, "conversation.item.done")["item"]["id"]


def transcript(session: Any) -> Any:
    """What it answers."""
    send(session, "response.create")
    return until(session, "response.done")["response"]["output"][0]["content"][0]["transcript"]


def ending(session: Any) -> tuple[Any, Counter[str]]:
    """How the server closes it, and what came before."""
    heard: Counter[str] = Counter()
    try:
        while True:
            heard[json.loads(session.recv(timeout=_WAIT_S))["type"]] += 1
    except ConnectionClosed as closed:
        return closed.rcvd, heard


@needs_ray
def test_a_spoken_turn_an_interruption_and_a_call(cluster, speech_pcm):
    report = openai_client.converse(f"{cluster.url}/v1", speech_pcm)
    openai_client.check(report)
    assert len(report["transcripts"]) == 3


@needs_ray
def test_requests_meet_any_replica(cluster):
    assert cluster.get("/healthz").json() == {"status": "ok"}
    assert cluster.get("/readyz").json() == {"status": "ready", "speaks": True}
    client = openai.OpenAI(base_url=f"{cluster.url}/v1", api_key="test")
    assert [one.id for one in client.models.list()] == ["llama-speech"]
    with SAMPLE.open("rb") as audio:
        assert client.audio.transcriptions.create(model="whisper-1", file=audio).text
    assert {cluster.met() for _ in range(20)} == set(cluster.tell("replicas"))


@needs_ray
def test_keys_hold_behind_the_proxy(cluster):
    assert cluster.get("/v1/models", key="wrong").status_code == 401
    with pytest.raises(InvalidStatus) as refused:
        connect(cluster.url.replace("http", "ws", 1) + "/v1/realtime", open_timeout=_WAIT_S)
    assert refused.value.response.status_code == 401


@needs_ray
def test_sessions_stay_with_their_replicas(cluster):
    with cluster.open() as one, cluster.open() as other:
        items = {session: say(session, "hello") for session in (one, other)}
        held = cluster.sessions(2)
        for session, item in items.items():
            assert transcript(session) == "".join(SHORT)
            send(session, "conversation.item.retrieve", item_id=item)
            assert until(session, "conversation.item.retrieved")["item"]["id"] == item
        assert cluster.sessions(2) == held


@needs_ray
def test_a_lost_replica_is_replaced_and_told_the_conversation(cluster):
    before = cluster.tell("replicas")
    with cluster.open() as session:
        say(session, "hello")
        assert transcript(session) == "".join(SHORT)
        (holder,) = [name for name, number in cluster.sessions(1).items() if number]
        os.kill(before[holder], signal.SIGKILL)
        ending(session)
    with cluster.open() as session:  # the other replica, or the one that was started instead
        say(session, "hello")
        say(session, "one two", role="assistant")
        say(session, "and then?")
        send(session, "response.create")
        assert until(session, "response.output_audio_transcript.delta")["delta"].startswith("word0")
        send(session, "response.cancel")
        assert until(session, "response.done")["response"]["status"] == "cancelled"
    deadline = time.monotonic() + _WAIT_S
    while len(cluster.tell("replicas")) < 2 and time.monotonic() < deadline:
        time.sleep(0.5)
    assert len(cluster.tell("replicas")) == 2


@needs_ray
def test_an_application_that_is_deleted_lets_answers_go_on_and_ends_sessions(cluster):
    """The last test of the cluster: nothing runs on it afterwards."""
    with cluster.open() as idle, cluster.open() as busy:
        until(idle, "session.created")
        say(busy, "hello")
        assert transcript(busy)
        say(busy, "tell me more")
        send(busy, "response.create")
        until(busy, "response.output_audio.delta")
        began = time.monotonic()
        deleting = threading.Thread(target=cluster.tell, args=("delete",))
        deleting.start()
        left, _ = ending(idle)
        left_s = time.monotonic() - began
        ended, heard = ending(busy)
        ended_s = time.monotonic() - began
        assert (left.code, left.reason) == (ended.code, ended.reason) == (1001, "the server is shutting down")
        assert left_s < ended_s
        assert heard["response.output_audio.delta"] > 1
        deleting.join(_WAIT_S)
        assert not deleting.is_alive()
    assert cluster.get("/healthz").status_code == 404


class RayServe:
    """What is used of ray.serve, to see what it is given."""

    def ingress(self, build):
        def wrapped(replica):
            replica.build = build
            return replica

        return wrapped

    def deployment(self, replica, **settings):
        return SimpleNamespace(bind=lambda: (replica, settings))


def test_the_deployment_is_what_was_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(serve=RayServe()))
    words = "--language es --max-sessions 20 --drain-s 60 --instructions 'Be brief.'"
    _, settings = from_config({"arguments": words, "replicas": "4", "gpus": 0.5})
    assert settings["num_replicas"] == 4
    assert settings["ray_actor_options"] == {"num_cpus": 2.0, "num_gpus": 0.5}
    assert settings["max_ongoing_requests"] > 20 + 16
    assert settings["graceful_shutdown_timeout_s"] > 60
    with pytest.raises(ConfigError, match="wheels"):
        from_config({"wheels": 4})


@pytest.mark.parametrize(("given", "threads"), [([], "4"), (["--threads", "3"], "3")])
def test_a_replica_takes_the_cores_it_was_given(monkeypatch, given, threads):
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(serve=RayServe()))
    seen = []
    monkeypatch.setattr(
        "llama_speech.service.operation.ray_serving.replica_app", lambda words, load: seen.append(words)
    )
    replica, _ = deployment(given, ReplicaOptions(cpus=8))
    replica.build()
    assert seen[0][-1] == threads


def test_a_replica_is_stopping_when_ray_says_so():
    replicas = [{"replica_id": "a", "state": "RUNNING"}, {"replica_id": "b", "state": "STOPPING"}]
    running = {"status": "RUNNING", "deployments": {"llama-speech": {"replicas": replicas}}}
    assert [is_stopping(running, name) for name in "abc"] == [False, True, False]
    assert is_stopping({"status": "DELETING", "deployments": {}}, "a")


@pytest.mark.parametrize(("number", "code"), [(4, 1000), (5, 1008)])
def test_what_nobody_has_read_is_bounded(number, code):
    """An application that reads late; the client sends messages of 10 bytes, and leaves."""
    texts = [{"type": "websocket.receive", "text": "x" * 10}] * number
    coming = [*texts, {"type": "websocket.disconnect", "code": 1000}]
    read, sent = [], []

    async def late(scope, receive, send):
        await asyncio.sleep(0.05)
        while not read or read[-1]["type"] != "websocket.disconnect":
            read.append(await receive())

    async def receive():
        return coming.pop(0) if coming else await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    asyncio.run(InputBound(late, max_bytes=40)({"type": "websocket"}, receive, send))
    assert read[-1]["code"] == code
    assert len(read) == (number + 1 if code == 1000 else 1)
    assert [one["code"] for one in sent] == ([] if code == 1000 else [1008])


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"llama-speech\[ray-serve\]"):
        deployment([])
