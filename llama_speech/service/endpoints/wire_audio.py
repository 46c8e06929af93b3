"""Audio as it travels: 16-bit PCM at 24 kHz and G.711 at 8 kHz, to and from the rates the models use.

G.711 tables are computed from the segments of the standard (ITU-T G.711, tables 1 and 2).
"""

import base64
import binascii
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from speech_core.errors import ProtocolError, StreamClosedError
from speech_core.pcm import Audio, float_to_pcm16, pcm16_to_float
from speech_core.resampling import StreamingResampler

PCM, ULAW, ALAW = "audio/pcm", "audio/pcmu", "audio/pcma"
MODEL_RATE_HZ = 16_000
_SAMPLE_BYTES = {PCM: 2, ULAW: 1, ALAW: 1}
_RATES_HZ = {PCM: 24_000, ULAW: 8_000, ALAW: 8_000}
Table = NDArray[np.int16]


def wire_rate_hz(kind: str) -> int:
    """Sampling rate of a format of the protocol."""
    return _RATES_HZ[kind]


def wire_sample_bytes(kind: str) -> int:
    """Bytes of one sample of a format."""
    return _SAMPLE_BYTES[kind]


def decode_base64(text: str, param: str) -> bytes:
    """Bytes of standard base64. Raises ProtocolError on anything else."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolError(f"{param} is not base64: send standard base64", "invalid_value", param) from None


class WireDecoder:
    """Bytes of a client to float samples at 16 kHz; chunks may end anywhere, also within a sample."""

    def __init__(self, kind: str, output_rate_hz: int = MODEL_RATE_HZ) -> None:
        self._kind = kind
        self._odd = b""
        self._resampler = StreamingResampler(_RATES_HZ[kind], output_rate_hz)
        self._closed = False

    def push(self, data: bytes) -> Audio:
        """(samples,) at the output rate that are now final."""
        if self._closed:
            raise StreamClosedError("push after flush: make a new WireDecoder")
        data = self._odd + data
        whole = len(data) - len(data) % _SAMPLE_BYTES[self._kind]
        self._odd = data[whole:]
        return self._resampler.push(decode_samples(data[:whole], self._kind))

    def flush(self) -> Audio:
        """The rest; half a sample is dropped. Afterwards the stream is closed."""
        self._closed = True
        return self._resampler.flush()


class WireEncoder:
    """Float samples of the synthesis to bytes for a client; every output holds whole samples."""

    def __init__(self, kind: str, input_rate_hz: int) -> None:
        self._kind = kind
        self._resampler = StreamingResampler(input_rate_hz, _RATES_HZ[kind])

    def push(self, audio: Audio) -> bytes:
        """Bytes that are now final."""
        return encode_samples(self._resampler.push(audio), self._kind)

    def flush(self) -> bytes:
        """The rest; afterwards the stream is closed."""
        return encode_samples(self._resampler.flush(), self._kind)


def decode_samples(data: bytes, kind: str) -> Audio:
    """Whole samples of a format to float32 at the format's own rate."""
    if kind == PCM:
        return pcm16_to_float(data)
    table = _decoding_table(kind)
    return pcm16_to_float(table[np.frombuffer(data, dtype=np.uint8)])


def encode_samples(audio: Audio, kind: str) -> bytes:
    """Float32 at the format's own rate to bytes."""
    pcm = float_to_pcm16(audio)
    if kind == PCM:
        return pcm
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.int32)
    data: bytes = _encoding_table(kind)[samples + 32768].tobytes()
    return data


@lru_cache(maxsize=2)
def _decoding_table(kind: str) -> Table:
    """16-bit value of each of the 256 codes."""
    codes = np.arange(256)
    if kind == ULAW:
        codes = codes ^ 0xFF
        magnitude = (((codes & 0x0F) << 3) + 0x84 << ((codes & 0x70) >> 4)) - 0x84
        return np.where(codes & 0x80, -magnitude, magnitude).astype(np.int16)
    codes = codes ^ 0x55
    segment, step = (codes & 0x70) >> 4, (codes & 0x0F) << 4
    magnitude = np.where(segment == 0, step + 8, (step + 0x108) << np.maximum(segment - 1, 0))
    return np.where(codes & 0x80, magnitude, -magnitude).astype(np.int16)


@lru_cache(maxsize=2)
def _encoding_table(kind: str) -> NDArray[np.uint8]:
    """The code whose value lies nearest, for each 16-bit value from -32768."""
    values = _decoding_table(kind).astype(np.int32)
    order = np.argsort(values, kind="stable")
    borders = (values[order][1:] + values[order][:-1]) / 2
    places = np.searchsorted(borders, np.arange(-32768, 32768), side="left")
    return order[places].astype(np.uint8)
