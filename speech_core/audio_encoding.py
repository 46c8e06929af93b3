"""Samples to compressed sound while they come: mp3, opus, aac, flac, wav, pcm, each a stream of bytes."""

import io
import struct
from typing import Any, Protocol

import av
import numpy as np

from speech_core.errors import InputError, StreamClosedError
from speech_core.pcm import Audio, float_to_pcm16
from speech_core.resampling import StreamingResampler

_UNKNOWN = 0xFFFFFFFF  # of a stream nobody knows the length of; zero makes players stop at once


class Encoder(Protocol):
    """Audio (samples,) in, bytes out; joined they are one file."""

    def push(self, audio: Audio) -> bytes:
        """Bytes that are now final. Raises StreamClosedError after `flush`."""

    def flush(self) -> bytes:
        """The rest."""


class RawEncoder:
    """16-bit PCM, with a WAV header in front or without."""

    def __init__(self, sample_rate: int, header: bool) -> None:
        self._waiting = wav_header(sample_rate) if header else b""
        self._closed = False

    def push(self, audio: Audio) -> bytes:
        """See Encoder."""
        if self._closed:
            raise StreamClosedError("push after flush: make a new encoder")
        waiting, self._waiting = self._waiting, b""
        return waiting + float_to_pcm16(audio)

    def flush(self) -> bytes:
        """See Encoder."""
        waiting, self._waiting, self._closed = self._waiting, b"", True
        return waiting


class _Sink(io.RawIOBase):
    """What the container writes; it cannot go back."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += bytes(data)
        return len(data)

    def take(self) -> bytes:
        data = bytes(self.data)
        self.data.clear()
        return data


class CompressedEncoder:
    """A format of FFmpeg's libraries."""

    def __init__(self, container: str, codec: str, input_rate: int, rate: int) -> None:
        """rate: Hz the codec works at."""
        self._resampler = StreamingResampler(input_rate, rate)
        self._sink, self._rate, self._samples = _Sink(), rate, 0
        self._container: Any = av.open(self._sink, "w", format=container)
        self._stream: Any = self._container.add_stream(codec, rate=rate, layout="mono")
        taken: Any = self._stream.codec_context  # the codec's own kind of samples
        self._convert = av.AudioResampler(format=taken.format, layout="mono", rate=rate)
        self._closed = False

    def push(self, audio: Audio) -> bytes:
        """See Encoder."""
        if self._closed:
            raise StreamClosedError("push after flush: make a new encoder")
        self._encode(self._resampler.push(audio))
        return self._sink.take()

    def flush(self) -> bytes:
        """See Encoder."""
        if self._closed:
            return b""
        self._closed = True
        self._encode(self._resampler.flush())
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._sink.take()

    def _encode(self, audio: Audio) -> None:
        if not audio.size:
            return
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(audio)[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts = self._rate, self._samples
        self._samples += audio.size
        for converted in self._convert.resample(frame):
            self._container.mux(self._stream.encode(converted))


# name -> (container, codec, rate the codec takes or None for that of the sound)
_CODECS = {
    "mp3": ("mp3", "libmp3lame", None),
    "opus": ("ogg", "libopus", 48_000),
    "aac": ("adts", "aac", None),
    "flac": ("flac", "flac", None),
}
ENCODINGS = ("wav", "pcm", *_CODECS)


def make_encoder(name: str, sample_rate: int) -> Encoder:
    """An encoder of one of ENCODINGS for sound at `sample_rate` Hz. Raises InputError for another name."""
    if name in ("wav", "pcm"):
        return RawEncoder(sample_rate, header=name == "wav")
    if name not in _CODECS or _CODECS[name][1] not in av.codecs_available:
        raise InputError(f"there is no encoder for {name[:20]!r}: use one of {', '.join(ENCODINGS)}")
    container, codec, rate = _CODECS[name]
    return CompressedEncoder(container, codec, sample_rate, rate or sample_rate)


def wav_header(sample_rate: int) -> bytes:
    """Header of 16-bit mono WAV whose length is not known yet."""
    shape = struct.pack("<IHHIIHH", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    return b"RIFF" + struct.pack("<I", _UNKNOWN) + b"WAVEfmt " + shape + b"data" + struct.pack("<I", _UNKNOWN)
