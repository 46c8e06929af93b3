"""Audio files for tests, made on the fly: every container, and headers that lie."""

import io
import struct
from typing import Any

import av
import numpy as np

CODECS = {  # container -> (muxer, codec, a rate the codec takes)
    "wav": ("wav", "pcm_s16le", 44100),
    "flac": ("flac", "flac", 44100),
    "opus": ("ogg", "libopus", 48000),
    "mp3": ("mp3", "libmp3lame", 22050),
    "m4a": ("ipod", "aac", 44100),
    "mp4": ("mp4", "aac", 48000),
    "webm": ("webm", "libopus", 48000),
}


def tone(duration_s: float, rate: int, frequency_hz: float = 440.0) -> np.ndarray:
    """(samples,) float32 sine at a level of 0.3."""
    times = np.arange(int(duration_s * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * frequency_hz * times)).astype(np.float32)


def encode(
    samples: np.ndarray, kind: str, layout: str = "mono", rate: int | None = None, skip_s: float = 0.0
) -> bytes:
    """The file of `kind` that holds `samples` (at `rate` or the kind's own) in every channel of `layout`.

    skip_s: jump of the time stamps halfway, as recorders leave when they pause.
    """
    muxer, codec, own_rate = CODECS[kind]
    rate = rate or own_rate
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=muxer) as container:
        stream: Any = container.add_stream(codec, rate=rate, layout=layout)
        resampler = av.AudioResampler(stream.codec_context.codec.audio_formats[0].name, layout, rate)
        channels = len(av.AudioLayout(layout).channels)
        for start in range(0, samples.size, 4096):
            block = np.tile(samples[start : start + 4096], (channels, 1))
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
            frame.rate = rate
            frame.pts = start
            for converted in resampler.resample(frame):
                if (converted.pts or 0) > samples.size // 2:
                    converted.pts = (converted.pts or 0) + int(skip_s * rate)
                container.mux(stream.encode(converted))
        for converted in resampler.resample(None):
            container.mux(stream.encode(converted))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def wav_bytes(
    samples: np.ndarray, rate: int = 16000, data_size: int | None = None, tail: bytes = b"", channels: int = 1
) -> bytes:
    """A 16-bit WAV file whose header may lie about rate and size; `tail` follows the sound."""
    sound = np.tile((samples * 32767).astype("<i2")[:, None], (1, channels)).tobytes()
    size = len(sound) if data_size is None else data_size
    fmt = struct.pack("<IHHIIHH", 16, 1, channels, rate, (rate * 2 * channels) % 2**32, 2 * channels, 16)
    body = b"WAVEfmt " + fmt + b"data" + struct.pack("<I", size) + sound + tail
    return b"RIFF" + struct.pack("<I", min(len(body), 2**32 - 1)) + body
