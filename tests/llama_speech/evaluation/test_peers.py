"""Peers through real programs, a real local server, and the real packages where they are installed."""

import http.server
import json
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from llama_speech.evaluation.peers import PeerOptions, make_peer
from llama_speech.evaluation.scores import score_texts
from speech_core.audio import write_wav
from speech_core.errors import InputError, SpeechError

OPTIONS = PeerOptions()
SAMPLES = Path(__file__).resolve().parents[3] / "samples"


@pytest.fixture
def tone(tmp_path):
    """Half a second of a tone."""
    path = tmp_path / "tone.wav"
    seconds = np.arange(8000, dtype=np.float32) / 16000
    write_wav(path, 0.3 * np.sin(2 * np.pi * 440 * seconds).astype(np.float32), 16000)
    return path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("whisper", "no peer is called whisper"),
        ("command:", "names no program"),
        ("openai:localhost", "needs an http address"),
        ("faster-whisper:no-such-folder", "neither one of"),
    ],
)
def test_bad_names_are_one_clear_line(name, message):
    with pytest.raises(InputError, match=message) as caught:
        make_peer(name, OPTIONS)
    assert "\n" not in str(caught.value)


def test_command_gets_the_file_and_its_text_is_one_line(tone):
    peer = make_peer(
        f"command:{sys.executable} -c 'import sys; print(sys.argv[1]); print(\"two\")' {{}}", OPTIONS
    )
    assert peer.transcribe([tone]) == [f"{tone} two"]
    without = make_peer(f"command:{sys.executable} -c 'import sys; print(sys.argv[-1])'", OPTIONS)
    assert without.transcribe([tone]) == [str(tone)]


def test_command_failures_are_errors(tone):
    with pytest.raises(SpeechError, match="exit code 3: broken"):
        make_peer(
            f"command:{sys.executable} -c 'import sys; print(\"broken\", file=sys.stderr); sys.exit(3)'",
            OPTIONS,
        ).transcribe([tone])
    with pytest.raises(SpeechError, match="no-such-program"):
        make_peer("command:no-such-program {}", OPTIONS).transcribe([tone])
    slow = make_peer(f"command:{sys.executable} -c 'import time; time.sleep(60)'", PeerOptions(timeout_s=0.2))
    with pytest.raises(SpeechError, match="timed out"):
        slow.transcribe([tone])


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as a transcription server does, with what it was sent."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        ok = self.path == "/v1/audio/transcriptions" and b"RIFF" in body and b"small" in body
        key = self.headers.get("Authorization", "none")
        answer = json.dumps({"text": f" heard, key {key} "} if ok else {"error": "bad"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    """A real server on a free local port."""
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}/v1"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_openai_endpoint_sends_file_model_and_key(server, tone):
    assert make_peer(f"openai:{server}#small", OPTIONS).transcribe([tone]) == ["heard, key none"]
    keyed = make_peer(f"openai:{server}#small", OPTIONS, api_key="k")
    assert keyed.transcribe([tone]) == ["heard, key Bearer k"]
    assert "k" not in keyed.signature().split("|")
    with pytest.raises(SpeechError, match="text"):
        make_peer(f"openai:{server}#large", OPTIONS).transcribe([tone])


def test_openai_endpoint_that_is_not_there(tone):
    with pytest.raises(SpeechError, match=r"openai:m on tone.wav"):
        make_peer("openai:http://127.0.0.1:9/v1#m", OPTIONS).transcribe([tone])


def test_pocketsphinx_writes_nothing_for_a_tone_and_says_what_it_is(tone):
    pytest.importorskip("pocketsphinx")
    peer = make_peer("pocketsphinx", OPTIONS)
    assert len(peer.transcribe([tone])[0].split()) <= 2
    assert "pocketsphinx:5" in peer.signature()
    with pytest.raises(InputError, match="English only"):
        make_peer("pocketsphinx", PeerOptions(language="de"))


def test_faster_whisper_needs_a_model_folder(tmp_path):
    pytest.importorskip("faster_whisper")
    (tmp_path / "model.bin").write_bytes(b"weights")
    peer = make_peer(f"faster-whisper:{tmp_path}", OPTIONS)
    for part in (f"faster-whisper:{tmp_path.name}", "int8", "beam:5", "lang:en", "ctranslate2:", "threads:1"):
        assert part in peer.signature()
    with pytest.raises(Exception, match=r"config|model"):
        peer.prepare()


@pytest.mark.bundle
def test_whisper_tiny_hears_the_samples():
    pytest.importorskip("faster_whisper")
    rows = [line.split("\t") for line in (SAMPLES / "transcripts.tsv").read_text().splitlines()]
    rows = [row for row in rows if row[0].endswith(".flac")]
    peer = make_peer("faster-whisper:tiny.en", OPTIONS)
    heard = peer.transcribe([SAMPLES / row[0] for row in rows])
    rate = score_texts([row[-1] for row in rows], heard).rate
    assert rate is not None
    assert rate < 0.15
