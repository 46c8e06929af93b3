"""Raw websocket frames against the running server: the cases of the Autobahn groups, and noise.

Numbers of sections are those of the Autobahn test suite. FUZZ_EXAMPLES=3000 sends more noise (`make fuzz`).
"""

import json
import os
import random
import time
from contextlib import suppress

import pytest

from llama_speech.service.endpoints.app import build_app
from llama_speech.service.operation.run import running
from tests.llama_speech.service.conftest import make_service
from tests.llama_speech.service.fuzz.raw_socket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    RawSocket,
    closing,
    frame,
)

NOISES = max(30, int(os.environ.get("FUZZ_EXAMPLES", "0")) // 2)
CLEAR = b'{"type": "input_audio_buffer.clear"}'
LIMIT = 200_000


@pytest.fixture(scope="module")
def service(tiny_engine, tiny_model):
    return make_service(tiny_engine, tiny_model, max_message_bytes=LIMIT, max_sessions=4, max_errors=10_000)


@pytest.fixture(scope="module")
def url(service):
    with running(build_app(service), service) as address:
        yield address
    service.close()


@pytest.fixture
def client(url, service):
    """A connection that was greeted; afterwards its place must be free again."""
    with RawSocket(url) as connection:
        assert connection.event()["type"] == "session.created"
        yield connection
    deadline = time.monotonic() + 30
    while service.sessions and time.monotonic() < deadline:
        time.sleep(0.05)
    assert service.sessions == 0, "a session was left behind"


def lives(client):
    """The session still answers."""
    client.send(frame(TEXT, CLEAR))
    while (event := client.event())["type"] == "error":
        pass
    return event["type"] == "input_audio_buffer.cleared"


def sized(size):
    """An unknown event of exactly so many bytes."""
    return b'{"type": "' + b"x" * (size - 12) + b'"}'


@pytest.mark.parametrize("size", [125, 126, 127, 128, 65_535, 65_536, 150_000])
@pytest.mark.parametrize("chop", [None, 997])
def test_1_text_of_any_size_in_any_pieces(client, size, chop):
    data = frame(TEXT, sized(size))
    client.send(*([data] if chop is None else (data[at : at + chop] for at in range(0, len(data), chop))))
    assert client.event()["error"]["code"] == "unknown_event"
    assert lives(client)


def test_1_an_empty_message_and_binary_are_answered(client):
    client.send(frame(TEXT), frame(BINARY, b"\x00\xff"), frame(BINARY))
    assert [client.event()["error"]["code"] for _ in range(3)] == ["invalid_event"] * 3
    assert lives(client)


@pytest.mark.parametrize("payload", [b"", b"hello", b"\x00\xff\xfe\xfd", b"x" * 125])
def test_2_pings_are_answered_in_kind(client, payload):
    client.send(frame(PONG, b"nobody asked"), *[frame(PING, payload)] * 10)
    answers = [client.frame() for _ in range(10)]
    assert all(one is not None and (one.opcode, one.payload) == (PONG, payload) for one in answers)
    assert lives(client)


def test_2_a_ping_byte_by_byte(client):
    client.send(*(bytes([one]) for one in frame(PING, b"slow")))
    assert client.frame().payload == b"slow"
    assert lives(client)


RANGE = range(1, len(CLEAR))
FRAGMENTED = [
    [frame(TEXT, CLEAR[:5], fin=False), frame(CONTINUATION, CLEAR[5:])],
    [frame(TEXT, b"", fin=False), frame(CONTINUATION, b"", fin=False), frame(CONTINUATION, CLEAR)],
    [frame(TEXT, CLEAR[:1], fin=False), *(frame(CONTINUATION, CLEAR[n : n + 1], fin=False) for n in RANGE),
     frame(CONTINUATION)],
    [frame(TEXT, CLEAR[:5], fin=False), frame(PING, b"between"), frame(CONTINUATION, CLEAR[5:])],
    [frame(TEXT, CLEAR[:5], fin=False), frame(PONG), frame(CONTINUATION, CLEAR[5:])],
]  # fmt: skip


@pytest.mark.parametrize("frames", FRAGMENTED, ids=range(5))
def test_5_messages_come_in_fragments(client, frames):
    client.send(*frames)
    assert client.event()["type"] == "input_audio_buffer.cleared"
    assert lives(client)


def test_6_characters_are_cut_anywhere(client):
    data = json.dumps({"type": "grüße κόσμε \U0001f600"}, ensure_ascii=False).encode()
    for at in range(1, len(data)):
        client.send(frame(TEXT, data[:at], fin=False), frame(CONTINUATION, data[at:]))
        assert "\U0001f600" in client.event()["error"]["message"]
    assert lives(client)


NO_CODES = (0, 999, 1004, 1005, 1006, 1016, 2999, 5000, 65_535)
REST = frame(CONTINUATION, b" " * 90_000, fin=False)
WRONG = {
    "2.5 a ping above 125 bytes": ([frame(PING, b"x" * 126)], 1002),
    **{f"3 reserved bits {n}": ([frame(TEXT, CLEAR, reserved=n)], 1002) for n in range(1, 8)},
    **{f"4 opcode {n}": ([frame(n, b"x")], 1002) for n in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "5.1 a ping in fragments": ([frame(PING, b"a", fin=False), frame(CONTINUATION, b"b")], 1002),
    "5.9 nothing to continue": ([frame(CONTINUATION, CLEAR)], 1002),
    "5.18 a message inside another": ([frame(TEXT, CLEAR[:5], fin=False), frame(TEXT, CLEAR)], 1002),
    "6.3 no UTF-8": ([frame(TEXT, b'"\xce\xba\xed\xa0\x80"')], 1007),
    "6.4 no UTF-8 in a fragment": ([frame(TEXT, b"\xce", fin=False), frame(CONTINUATION, b"\xff")], 1007),
    "6.6 half a character": ([frame(TEXT, b'"\xf4\x8f\xbf')], 1007),
    "6.8 overlong": ([frame(TEXT, b"\xc0\xaf")], 1007),
    "6.14 beyond Unicode": ([frame(TEXT, b"\xf4\x90\x80\x80")], 1007),
    "7.3 a close of one byte": ([frame(CLOSE, b"\x03")], 1002),
    "7.3 a reason too long": ([frame(CLOSE, b"\x03\xe8" + b"x" * 124)], 1002),
    "7.5 a reason that is no UTF-8": ([closing(1000, b"\xce\xba\xff")], 1007),
    **{f"7.9 close code {n}": ([closing(n)], 1002) for n in NO_CODES},
    "a frame without a mask": ([frame(TEXT, CLEAR, masked=False)], 1002),
    "9 a message too large": ([frame(TEXT, b" " * (LIMIT + 1))], 1009),
    "9 fragments too large": ([frame(TEXT, b" " * 90_000, fin=False), REST, REST], 1009),
    "9 a length that lies": ([b"\x81\xff\x7f" + b"\xff" * 7 + b"mask"], 1009),
    "9 a negative length": ([b"\x81\xff\xff" + b"\xff" * 7 + b"mask"], (1002, 1009)),
}  # fmt: skip


@pytest.mark.parametrize(("frames", "code"), WRONG.values(), ids=WRONG)
def test_what_breaks_the_protocol_closes_with_its_code(client, frames, code):
    client.send(*frames)
    found = client.close_code()
    assert found in (code if isinstance(code, tuple) else (code,))


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 3000, 3999, 4000, 4999]
)
def test_7_a_close_is_answered(client, code):
    client.send(closing(code, b"bye"), frame(TEXT, CLEAR))
    found = client.frame()
    assert found is None or (found.opcode == CLOSE and found.code in (code, 1000))


def test_7_an_empty_close_is_answered(client):
    client.send(frame(CLOSE))
    assert client.close_code() in (None, 1000)


def noise(rng):
    """A few frames, mostly right, with wrong bytes here and there."""
    data = b""
    for _ in range(rng.randint(1, 6)):
        kind = rng.choice((TEXT, TEXT, BINARY, CONTINUATION, PING, PONG, CLOSE, rng.randint(0, 15)))
        payload = rng.choice(
            (CLEAR, rng.randbytes(rng.randint(0, 300)), b"", b"x" * rng.choice((125, 126, 70_000)))
        )
        data += frame(
            kind,
            payload,
            rng.random() < 0.8,
            rng.choice((0, 0, 0, 0, rng.randint(0, 7))),
            rng.random() < 0.95,
        )
    changed = bytearray(data)
    for _ in range(rng.choice((0, 0, 1, 5))):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed[: rng.randint(1, len(changed))] if rng.random() < 0.3 else changed)


def test_noise_ends_at_most_its_own_session(url, service):
    """Other sessions go on, and every place is given back."""
    rng = random.Random(7)
    with RawSocket(url) as other:
        assert other.event()["type"] == "session.created"
        for _ in range(NOISES):
            with RawSocket(url) as client:
                first = client.event()
                assert first["type"] in ("session.created", "error")  # all places taken for a moment
                with suppress(ConnectionError):
                    client.send(noise(rng))
            while service.sessions > 3:
                time.sleep(0.01)
        assert lives(other)
    deadline = time.monotonic() + 30
    while service.sessions and time.monotonic() < deadline:
        time.sleep(0.05)
    assert service.sessions == 0
