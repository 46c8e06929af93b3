"""Corrupted and lying recordings through REST: an answer or a clear refusal, in bounded memory.

FUZZ_EXAMPLES=3000 sends more (`make fuzz`).
"""

import base64
import os
import random
import resource
import struct

import httpx
import numpy as np
import pytest

from llama_speech.service.endpoints.app import build_app
from llama_speech.service.operation.run import running
from speech_core.audio import load_audio
from speech_core.audio_encoding import make_encoder, wav_header
from tests.llama_speech.service.conftest import SAMPLE, make_service

FILES = max(60, int(os.environ.get("FUZZ_EXAMPLES", "0")))
KINDS = ("wav", "mp3", "opus", "aac", "flac")
LONGEST_S = 20
MOST_GROWTH_MB = 256


@pytest.fixture(scope="module")
def url(tiny_engine, tiny_model):
    service = make_service(tiny_engine, tiny_model, max_audio_s=LONGEST_S, max_upload_bytes=4 << 20)
    with running(build_app(service), service) as address:
        yield address
    service.close()


@pytest.fixture(scope="module")
def files():
    """One second of speech in every format."""
    speech = load_audio(SAMPLE, 24_000)[:24_000]
    return {kind: encoded(kind, speech) for kind in KINDS}


def encoded(kind, audio, sample_rate=24_000):
    encoder = make_encoder(kind, sample_rate)
    return encoder.push(audio) + encoder.flush()


def transcribed(url, content, client=httpx):
    """Status and words of an upload; the error must be one clear line."""
    reply = client.post(f"{url}/v1/audio/transcriptions", files={"file": ("x", content)}, timeout=120)
    if reply.status_code == 200:
        return 200, reply.json()["text"]
    error = reply.json()["error"]
    assert reply.status_code in (400, 413), error
    assert error["type"] == "invalid_request_error"
    assert 0 < len(error["message"]) < 400
    assert "\n" not in error["message"]
    return reply.status_code, error["message"]


def damaged(data, rng):
    """The file with one kind of damage."""
    at, size = rng.randrange(len(data)), rng.randint(1, 400)
    return rng.choice(
        (
            lambda: data[:at],
            lambda: data[at:],
            lambda: data[:at] + data[at + size :],
            lambda: data[:at] + bytes(size) + data[at + size :],
            lambda: data[:at] + rng.randbytes(size) + data[at + size :],
            lambda: data[:at] + b"\xff" * size + data[at + size :],
            lambda: data + data[at:],
            lambda: data[:64] + rng.randbytes(2_000),
            lambda: bytes(one if rng.random() > 0.01 else rng.randrange(256) for one in data),
            lambda: data[: 4 + at % 60] + struct.pack("<I", rng.choice((0, 1, 2**31, 2**32 - 1))) + data[64:],
        )
    )()


def test_damaged_recordings_are_answered_or_refused(url, files):
    rng = random.Random(11)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    statuses = []
    with httpx.Client() as client:
        for number in range(FILES):
            data = files[KINDS[number % len(KINDS)]]
            statuses.append(transcribed(url, damaged(data, rng), client)[0])
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mb < MOST_GROWTH_MB
    assert {200, 400} == set(statuses)


def wave(channels=1, rate=16_000, bits=16, kind=1, said=None, data=b"\0\0" * 1_600):
    """A WAV file whose header says what it likes."""
    block = channels * bits // 8 & 0xFFFF
    form = struct.pack("<HHIIHH", kind, channels, rate, rate * block & 0xFFFFFFFF, block, bits)
    said = len(data) if said is None else said
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", said) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


LIES = {
    "no channels": wave(channels=0),
    "65535 channels": wave(channels=65_535),
    "no rate": wave(rate=0),
    "a rate of 4 GHz": wave(rate=2**32 - 1),
    "0 bits": wave(bits=0),
    "64 bits of integers": wave(bits=64),
    "an unknown codec": wave(kind=0x4242),
    "4 GB of data": wave(said=2**32 - 1),
    "half the data": wave(said=100_000),
    "no data": wave(data=b""),
    "only a name": b"RIFF",
    "a playlist": b"#EXTM3U\nhttp://127.0.0.1:9/x.ts\n",
    "a concatenation script": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "a text": b"hello",
    "an image": b"\x89PNG\r\n\x1a\n" + bytes(64),
}


@pytest.mark.parametrize("content", LIES.values(), ids=LIES)
def test_lying_headers_are_refused_in_words(url, content):
    status, message = transcribed(url, content)
    assert status in (200, 400)
    assert "passwd" not in message


def test_long_sound_in_few_bytes_is_refused(url):
    """Silence packs well: the limit is on seconds, whatever the size."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    silence = encoded("flac", np.zeros(16_000 * 60, dtype=np.float32), 16_000)
    assert len(silence) < 100_000
    status, message = transcribed(url, silence)
    assert (status, f"{LONGEST_S} s" in message) == (400, True)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MOST_GROWTH_MB


def test_more_bytes_than_allowed_are_refused(url):
    content = wav_header(16_000) + bytes(5 << 20)
    assert transcribed(url, content)[0] == 413


@pytest.mark.parametrize("name", ["65535 channels", "a text", "4 GB of data"])
def test_the_same_inside_a_chat(url, name):
    data = base64.b64encode(LIES[name]).decode()
    part = {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}
    body = {"model": "m", "messages": [{"role": "user", "content": [part]}], "max_tokens": 2}
    reply = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60)
    assert reply.status_code == 400, reply.text
    assert "\n" not in reply.json()["error"]["message"]
