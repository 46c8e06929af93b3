"""Latency: first words of a tiny model, requests to a real server, streams, and the command line."""

import json
import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from llama_speech.cli.main import main
from llama_speech.evaluation.datasets import read_set
from llama_speech.evaluation.latency import measure_requests, percentile
from llama_speech.evaluation.peers import OpenAiEndpoint, PeerOptions

SAMPLE = Path(__file__).resolve().parents[3] / "samples" / "6880-216547-0000.flac"
WAIT_S = 0.15


class Handler(BaseHTTPRequestHandler):
    """Answers every file after a while; many at once."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(WAIT_S)
        body = json.dumps({"text": "hello"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    one = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=one.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{one.server_port}/v1"
    one.shutdown()
    one.server_close()
    thread.join()


def test_several_clients_get_more_done(server, small_set):
    items = read_set(small_set).items
    one, three = measure_requests("server", OpenAiEndpoint(server, PeerOptions()), items, [1, 3])
    assert (one.files, one.failed, one.audio_s) == (3, 0, 6.0)
    assert one.wall_s >= 3 * WAIT_S
    assert three.wall_s < one.wall_s
    assert three.audio_s_per_s > one.audio_s_per_s
    assert one.p50_s >= WAIT_S
    assert one.real_time_factor == pytest.approx(1 / one.audio_s_per_s)


def test_failures_are_counted_and_in_no_time(small_set):
    items = read_set(small_set).items
    (found,) = measure_requests("none", OpenAiEndpoint("http://127.0.0.1:9/v1", PeerOptions()), items, [2])
    assert (found.failed, found.audio_s, found.audio_s_per_s, found.p50_s) == (3, 0.0, None, None)


def test_percentiles():
    assert percentile([], 50) is None
    assert percentile([1.0, 3.0], 50) == 2.0


def test_the_command_measures_a_server_and_a_log(server, small_set, tmp_path, capsys):
    log = tmp_path / "instances.log"
    record = {
        "index": 0,
        "prediction": "a b",
        "delays": [500, 1500],
        "source_length": 2000,
        "reference": "a b",
    }
    log.write_text(json.dumps(record) + "\n")
    arguments = [
        "evaluate",
        "latency",
        "--data",
        str(small_set),
        "--no-model",
        "--peer",
        f"openai:{server}#m",
    ]
    arguments += [
        "--concurrency",
        "1",
        "2",
        "--instances",
        str(log),
        "--resamples",
        "20",
        "-o",
        str(tmp_path),
    ]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert "small: 3 items, 1 left out" in err
    assert "Items left out: 1 language is not en" in out
    assert "| openai:m | 2 | 3 | 6 |" in out
    assert "| instances.log | 0 | 1 | 500 [500, 500] |" in out
    page = (tmp_path / "latency.html").read_text(encoding="utf-8")
    assert page.count("<svg") >= 2
    assert json.loads((tmp_path / "latency.json").read_text())["streams"][0]["lags"]["AL"]["mean_ms"] == 500.0


def test_a_tiny_model_in_every_way(tiny_stack, tmp_path, capsys):
    shutil.copy(SAMPLE, tmp_path / "a.flac")
    (tmp_path / "dev.jsonl").write_text('{"audio": "a.flac", "text": "What is it?", "language": "en"}\n')
    arguments = ["evaluate", "latency", "--data", str(tmp_path), "--questions", "1", "--stream"]
    arguments += ["--max-tokens", "2", "--step-ms", "4000", "--concurrency", "1", "2", "--resamples", "20"]
    assert main([*arguments, "--json", "--quiet", *tiny_stack.options]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [one["concurrency"] for one in result["throughput"]] == [1, 2]
    assert all(one["audio_s_per_s"] > 0 for one in result["throughput"])
    assert [one["system"] for one in result["streams"]] == ["llama-speech", "llama-speech:ctc"]
    assert result["first"][0]["what"] == "first word of the answer"
    assert "|bundle:tiny-0-" in result["signature"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to measure"),
        (["--stream"], "no test set"),
        (["--instances", "/nowhere/instances.log"], "cannot be read"),
    ],
)
def test_wrong_use_is_one_clear_line(arguments, message, capsys):
    assert main(["evaluate", "latency", "--no-model", *arguments]) in (1, 2)
    assert message in capsys.readouterr().err
