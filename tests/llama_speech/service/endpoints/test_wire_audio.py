import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llama_speech.service.endpoints.wire_audio import (
    ALAW,
    PCM,
    ULAW,
    WireDecoder,
    WireEncoder,
    decode_base64,
    decode_samples,
    encode_samples,
)
from speech_core.errors import ProtocolError, StreamClosedError
from tests.fakes import tone


# Values of ITU-T G.711, tables 1a and 2a, scaled to 16 bits as sox and ffmpeg do.
@pytest.mark.parametrize(
    ("kind", "code", "value"),
    [
        (ULAW, 0x00, -32124),
        (ULAW, 0x80, 32124),
        (ULAW, 0xFF, 0),
        (ULAW, 0x7F, 0),
        (ULAW, 0xFE, 8),
        (ULAW, 0xEF, 132),
        (ALAW, 0x55, -8),
        (ALAW, 0xD5, 8),
        (ALAW, 0x2A, -32256),
        (ALAW, 0xAA, 32256),
        (ALAW, 0x45, -264),
    ],
)
def test_codes_have_the_values_of_the_standard(kind, code, value):
    assert decode_samples(bytes([code]), kind)[0] == value / 32768


@pytest.mark.parametrize("kind", [ULAW, ALAW])
def test_every_code_survives_a_round_trip(kind):
    codes = bytes(range(256))
    values = decode_samples(codes, kind)
    again = decode_samples(encode_samples(values, kind), kind)
    assert np.array_equal(values, again)


@pytest.mark.parametrize("kind", [ULAW, ALAW])
def test_companding_keeps_38_db(kind):
    signal = tone(440, 0.5, 8_000, level=0.3)
    error = decode_samples(encode_samples(signal, kind), kind) - signal
    assert 10 * np.log10(np.mean(signal**2) / np.mean(error**2)) > 35


@pytest.mark.parametrize("kind", [PCM, ULAW, ALAW])
@given(cuts=st.lists(st.integers(0, 4_000), max_size=8))
def test_decoding_does_not_depend_on_chunks(kind, cuts):
    rng = np.random.default_rng(1)
    data = rng.integers(0, 256, 4_000, dtype=np.uint8).tobytes()
    whole = WireDecoder(kind)
    expected = np.concatenate([whole.push(data), whole.flush()])
    stream, parts, start = WireDecoder(kind), [], 0
    for cut in [*sorted(cuts), len(data)]:
        parts.append(stream.push(data[start:cut]))
        start = cut
    parts.append(stream.flush())
    assert np.array_equal(np.concatenate(parts), expected)


@pytest.mark.parametrize(("kind", "bytes_per_s"), [(PCM, 48_000), (ULAW, 8_000), (ALAW, 8_000)])
def test_encoded_bytes_add_up_to_the_duration(kind, bytes_per_s):
    encoder = WireEncoder(kind, 24_000)
    audio = tone(300, 1.0, 24_000)
    parts = [encoder.push(part) for part in np.array_split(audio, 7)] + [encoder.flush()]
    assert sum(map(len, parts)) == bytes_per_s
    assert all(len(part) % (2 if kind == PCM else 1) == 0 for part in parts)


def test_push_after_flush_is_refused():
    decoder = WireDecoder(PCM)
    decoder.flush()
    with pytest.raises(StreamClosedError):
        decoder.push(b"")


@pytest.mark.parametrize("text", ["a", "!!!!", "data:audio/wav;base64,AAAA", "AAA=A", "é"])
def test_what_is_not_base64_is_refused(text):
    with pytest.raises(ProtocolError) as caught:
        decode_base64(text, "audio")
    assert (caught.value.code, caught.value.param) == ("invalid_value", "audio")


def test_base64_is_read():
    assert decode_base64(base64.b64encode(b"abc").decode(), "audio") == b"abc"
