"""Sound through a lossy codec and back, in memory, the same length and in step with the original."""

import io
from dataclasses import dataclass

import numpy as np

from recipes.data.waveforms import SAMPLE_RATE, Waveform, resample
from speech_core.errors import InputError


@dataclass(frozen=True)
class Codec:
    """One encoder of PyAV: its container, the rate it runs at, and bit rates that still can be understood."""

    encoder: str
    container: str
    rate_hz: int
    kbps: tuple[int, ...]
    options: dict[str, str]  # the encoder's fastest setting: thousands of clips go through it


CODECS: dict[str, Codec] = {
    "opus": Codec("libopus", "ogg", 16_000, (8, 10, 12, 16), {"compression_level": "1"}),
    "mp3": Codec("libmp3lame", "mp3", 16_000, (16, 24, 32), {"compression_level": "9"}),
    "mp3-11k": Codec("libmp3lame", "mp3", 11_025, (8, 16), {"compression_level": "9"}),
    "aac": Codec("aac", "mp4", 16_000, (16, 24, 32), {"aac_coder": "fast"}),
}


def mu_law(audio: Waveform, rate_hz: int = 8_000) -> Waveform:
    """Telephone sound: 8 kHz, 8 bits on the mu-law curve (ITU-T G.711, mu = 255)."""
    narrow = np.clip(resample(audio, SAMPLE_RATE, rate_hz), -1.0, 1.0)
    curve = np.sign(narrow) * np.log1p(255.0 * np.abs(narrow)) / np.log1p(255.0)
    stored = np.round(curve * 127.0) / 127.0
    decoded = np.sign(stored) * np.expm1(np.abs(stored) * np.log1p(255.0)) / 255.0
    return _fit(resample(decoded.astype(np.float32), rate_hz, SAMPLE_RATE), audio.size)


def through_codec(audio: Waveform, name: str, kbps: int) -> Waveform:
    """Encode and decode: (samples,) -> (samples,). Raises InputError for an unknown codec."""
    if name not in CODECS:
        raise InputError(f"codec {name!r} is unknown: use one of {', '.join(sorted(CODECS))}")
    if audio.size == 0:
        return audio
    codec = CODECS[name]
    decoded, rate_hz = _decode(_encode(resample(audio, SAMPLE_RATE, codec.rate_hz), codec, kbps))
    return _align(resample(decoded, rate_hz, SAMPLE_RATE), audio)


def _encode(audio: Waveform, codec: Codec, kbps: int) -> io.BytesIO:
    import av
    from av.audio.stream import AudioStream

    buffer = io.BytesIO()
    pcm = (np.clip(audio, -1.0, 1.0) * 32767.0).astype(np.int16)
    with av.open(buffer, "w", format=codec.container) as container:
        stream = container.add_stream(
            codec.encoder, rate=codec.rate_hz, layout="mono", bit_rate=kbps * 1000, options=codec.options
        )
        assert isinstance(stream, AudioStream)
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = codec.rate_hz
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    buffer.seek(0)
    return buffer


def _decode(buffer: io.BytesIO) -> tuple[Waveform, int]:
    import av

    blocks: list[Waveform] = []
    with av.open(buffer, "r") as container:
        rate_hz = container.streams.audio[0].rate
        resampler = av.AudioResampler(format="flt", layout="mono", rate=rate_hz)
        for frame in container.decode(audio=0):
            blocks += [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
        blocks += [piece.to_ndarray()[0] for piece in resampler.resample(None)]
    return (np.concatenate(blocks) if blocks else np.zeros(0, np.float32)), rate_hz


def _align(decoded: Waveform, original: Waveform, search_samples: int = 3200) -> Waveform:
    """Take out the delay of a codec (found by correlation) and give the original's length."""
    from scipy.signal import correlate

    size = min(decoded.size, original.size)
    if size == 0:
        return _fit(decoded, original.size)
    likeness = correlate(decoded, original[:size], mode="full", method="fft")
    middle = size - 1  # delay zero
    low, high = max(0, middle - search_samples), min(likeness.size, middle + search_samples)
    delay = int(likeness[low:high].argmax()) + low - middle
    shifted = decoded[delay:] if delay >= 0 else np.concatenate([np.zeros(-delay, np.float32), decoded])
    return _fit(shifted, original.size)


def _fit(audio: Waveform, samples: int) -> Waveform:
    """Cut or pad with zeros to a number of samples."""
    if audio.size >= samples:
        return audio[:samples].astype(np.float32)
    return np.concatenate([audio, np.zeros(samples - audio.size, np.float32)]).astype(np.float32)
