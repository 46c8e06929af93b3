"""Audio files to samples: any common container, codec, rate and channel count, in bounded memory.

FFmpeg's libraries decode (inside PyAV, no binary is called). They see only a file that this code opened, and
only plain audio containers, so a playlist or a crafted name can reach no other file and no network.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from speech_core.errors import AudioError
from speech_core.pcm import (
    Audio,
    check_samples,
    float_to_pcm16,
    integers_to_float,
    mono_array,
    pcm16_to_float,
    write_wav,
)
from speech_core.resampling import StreamingResampler, check_rate, resample
from speech_core.sources import (
    AudioSource,
    OpenSource,
    container_fault,
    mp3_counts_frames,
    open_source,
    source_name,
)

__all__ = [
    "AUDIO_SUFFIXES",
    "Audio",
    "AudioLimits",
    "AudioSource",
    "StreamingResampler",
    "float_to_pcm16",
    "iter_audio",
    "load_array",
    "load_audio",
    "mono_array",
    "pcm16_to_float",
    "probe_duration_s",
    "resample",
    "source_name",
    "write_wav",
]

AUDIO_SUFFIXES = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".mp4", ".webm"}
    | {".aac", ".aif", ".aiff", ".au", ".caf", ".mka", ".mkv", ".mov", ".3gp", ".w64"}
)
_CONTAINERS = "wav,w64,aiff,au,caf,flac,ogg,mp3,aac,mov,matroska"
_OPTIONS = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "", "max_size": "65536"}
_BLOCK_SAMPLES = 16_000  # what iter_audio hands out at a time; the last block is shorter
_BOMB_GRACE_S = 600.0
_GAPLESS = ("ogg", "flac", "mp3", "wav")  # a jump in time means lost data; in others it means silence
_SMALLEST_GAP_S = 0.3
_SHORTFALL_S, _SHORTFALL_SHARE = 0.5, 0.02  # codec delay and rounding of container durations
_LEADING_JUNK_PACKETS = 16  # players skip as many undecodable packets before the first sound


@dataclass(frozen=True)
class AudioLimits:
    """What one source may cost; enforced while reading, whatever its header says."""

    max_duration_s: float = 24 * 3600.0
    max_bytes: int = 16 << 30
    min_bytes_per_s: float = 8.0  # a longer sound in fewer bytes is a decompression bomb
    allow_damaged: bool = False  # read truncated or damaged files as far as they go

    def __post_init__(self) -> None:
        if self.max_duration_s <= 0 or self.max_bytes <= 0 or self.min_bytes_per_s < 0:
            raise AudioError("audio limits must be positive")


DEFAULT_LIMITS = AudioLimits()


def iter_audio(
    source: AudioSource, sample_rate: int = 16_000, limits: AudioLimits = DEFAULT_LIMITS
) -> Iterator[Audio]:
    """Yield the sound of a source as mono float32 blocks (samples,) at `sample_rate` Hz.

    source: a path, bytes, or a binary file object (pipes too).
    Memory does not grow with the length of the sound. Blocks hold one second at 16 kHz, the last one less.
    Raises AudioError, one line that begins with the name of the source.
    """
    with open_source(source, limits.max_bytes) as opened:
        decoded = _decoded(opened, limits)
        yield from _regrouped(_resampled(decoded, sample_rate, opened.name), _BLOCK_SAMPLES)


def load_audio(source: AudioSource, sample_rate: int = 16_000, limits: AudioLimits = DEFAULT_LIMITS) -> Audio:
    """The whole sound of a source: (samples,) float32 mono. Raises AudioError as `iter_audio` does."""
    return np.concatenate(list(iter_audio(source, sample_rate, limits)))


def load_array(array: Any, array_rate: int, sample_rate: int = 16_000) -> Audio:
    """The same for samples already in memory: see `mono_array`. Raises AudioError also if there are none."""
    audio = mono_array(array)
    if not audio.size:
        raise AudioError("audio array holds no samples")
    return resample(audio, array_rate, sample_rate)


def probe_duration_s(source: str | os.PathLike[str]) -> float | None:
    """Seconds of sound by the header of a file, for progress displays; None if unknown or not audio.

    A pipe is left alone, since what is read from it is gone.
    """
    if not Path(source).is_file():
        return None
    try:
        with open_source(source, DEFAULT_LIMITS.max_bytes) as opened, _container(opened) as container:
            return _duration_s(container, _audio_stream(container, opened.name))
    except AudioError:
        return None


@contextmanager
def _container(opened: OpenSource) -> Iterator[Any]:
    """Open the container; what FFmpeg says becomes an AudioError."""
    try:
        with av.open(opened.file, "r", options=_OPTIONS, metadata_errors="replace") as container:
            yield container
    except av.FFmpegError as error:
        raise AudioError(f"{opened.name}: {_reason(opened, error)}") from None
    except OSError as error:
        raise AudioError(f"{opened.name}: cannot be read: {error.strerror or error}") from None


def _reason(opened: OpenSource, error: av.FFmpegError) -> str:
    """Words for a container that does not open."""
    opened.file.seek(0)
    head = opened.file.read(16)
    magics = (b"RIFF", b"RF64", b"OggS", b"fLaC", b"ID3", b"\x1aE\xdf\xa3")
    if head.startswith(magics) or head[4:8] == b"ftyp":
        return f"truncated or damaged: its header cannot be read ({error.strerror or error})"
    return "is not audio (wav, flac, ogg, opus, mp3, m4a, mp4, webm and the like are read)"


def _audio_stream(container: Any, name: str) -> Any:
    stream = container.streams.best("audio")
    if stream is None:
        raise AudioError(f"{name}: holds no sound track")
    if stream.codec_context is None:
        raise AudioError(f"{name}: its codec is unknown, or its header is wrong")
    try:
        check_rate(stream.rate or 0)
    except AudioError as error:
        raise AudioError(f"{name}: {error}: its header is wrong") from None
    return stream


def _duration_s(container: Any, stream: Any) -> float | None:
    """Seconds of the stream as FFmpeg reads or estimates them from the header."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is None or len(container.streams) > 1:
        return None
    return float(container.duration) / av.time_base


def _promised_s(container: Any, stream: Any, counted: bool) -> float | None:
    """Seconds the header promises; None where FFmpeg estimates them or `container_fault` knows better."""
    kind = container.format.name
    return (
        None if kind in ("aac", "wav") or (kind == "mp3" and not counted) else _duration_s(container, stream)
    )


def _decoded(opened: OpenSource, limits: AudioLimits) -> Iterator[tuple[Audio, int]]:
    """Yield (mono samples, their rate) frame by frame; check what the header promised against what came."""
    name, decoded_s = opened.name, 0.0
    fault = None if limits.allow_damaged else container_fault(opened.file, opened.size_bytes)
    if fault:
        raise AudioError(f"{name}: {fault}")
    counted = mp3_counts_frames(opened.file)
    with _container(opened) as container:
        stream = _audio_stream(container, name)
        promised_s = _promised_s(container, stream, counted)
        clock = _Clock()
        for frame in _frames(container, stream, name, limits):
            gap = clock.missing_samples(frame)
            if gap and container.format.name in _GAPLESS and not limits.allow_damaged:
                raise AudioError(
                    f"{name}: damaged: {gap / frame.sample_rate:.2f} s are lost after {decoded_s:.2f} s"
                )
            decoded_s += (gap + frame.samples) / frame.sample_rate
            _check_cost(decoded_s, opened, limits)
            yield from ((silence, frame.sample_rate) for silence in _silence(gap))
            yield _mono(frame, name), frame.sample_rate
    if not decoded_s:
        raise AudioError(f"{name}: holds no sound (0 samples)")
    if promised_s is not None and not limits.allow_damaged:
        _check_complete(decoded_s, promised_s, name)


class _Clock:
    """Follows the time stamps of the frames to find sound that is not there: pauses left out, pages lost."""

    def __init__(self) -> None:
        self._next_s: float | None = None

    def missing_samples(self, frame: Any) -> int:
        """Samples between the end of the last frame and the start of this one; 0 if the time goes back."""
        start_s = frame.time if frame.time is not None else self._next_s
        if start_s is None:
            return 0
        gap_s = 0.0 if self._next_s is None else start_s - self._next_s
        self._next_s = start_s + frame.samples / frame.sample_rate
        return round(gap_s * frame.sample_rate) if gap_s > _SMALLEST_GAP_S else 0


def _silence(total: int) -> Iterator[Audio]:
    """`total` zeros, never many at a time."""
    for start in range(0, total, _BLOCK_SAMPLES):
        yield np.zeros(min(_BLOCK_SAMPLES, total - start), dtype=np.float32)


def _frames(container: Any, stream: Any, name: str, limits: AudioLimits) -> Iterator[Any]:
    """Decode packet by packet; undecodable ones are passed over only before the first sound."""
    decoded_s, failures = 0.0, 0
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.FFmpegError as error:
            failures += 1
            if decoded_s == 0 and failures <= _LEADING_JUNK_PACKETS:
                continue
            if limits.allow_damaged:
                return
            reason = error.strerror or str(error)
            raise AudioError(f"{name}: damaged or truncated after {decoded_s:.2f} s ({reason})") from None
        for frame in frames:
            decoded_s += frame.samples / max(frame.sample_rate, 1)
            yield frame


def _check_cost(decoded_s: float, opened: OpenSource, limits: AudioLimits) -> None:
    if decoded_s > limits.max_duration_s:
        raise AudioError(f"{opened.name}: is longer than the limit of {limits.max_duration_s:g} s")
    if decoded_s > _BOMB_GRACE_S and opened.size_bytes < decoded_s * limits.min_bytes_per_s:
        raise AudioError(
            f"{opened.name}: decompression bomb: {opened.size_bytes} bytes give over {decoded_s:.0f} s"
        )


def _check_complete(decoded_s: float, declared_s: float, name: str) -> None:
    if declared_s - decoded_s > max(_SHORTFALL_S, _SHORTFALL_SHARE * declared_s):
        raise AudioError(
            f"{name}: truncated: the header promises {declared_s:.2f} s, the file holds {decoded_s:.2f} s"
        )


def _mono(frame: Any, name: str) -> Audio:
    """Average the channels of one decoded frame: (samples,) float32."""
    try:
        samples = frame.to_ndarray()  # packed: (1, samples * channels), planar: (channels, samples)
    except ValueError:
        raise AudioError(f"{name}: samples of the form {frame.format.name} cannot be read") from None
    if frame.format.is_packed:
        samples = samples.reshape(frame.samples, -1).T
    floats = integers_to_float(samples)
    audio: Audio = floats[0] if len(floats) == 1 else floats.mean(axis=0, dtype=np.float32)
    if samples.dtype.kind != "f":
        return audio
    try:
        return check_samples(audio)
    except AudioError as error:
        raise AudioError(f"{name}: {error}") from None


def _resampled(decoded: Iterator[tuple[Audio, int]], sample_rate: int, name: str) -> Iterator[Audio]:
    """Resample each run of frames of one rate; chained files may change it."""
    stream, stream_rate = None, 0
    for audio, rate in decoded:
        if stream is None or rate != stream_rate:
            if stream is not None:
                yield stream.flush()
            try:
                stream, stream_rate = StreamingResampler(rate, sample_rate), rate
            except AudioError as error:
                raise AudioError(f"{name}: {error}") from None
        yield stream.push(audio)
    if stream is not None:
        yield stream.flush()


def _regrouped(pieces: Iterator[Audio], block_samples: int) -> Iterator[Audio]:
    """Join small arrays into blocks of one size; only the last may be shorter."""
    pending: list[Audio] = []
    pending_samples = 0
    for piece in pieces:
        pending.append(piece)
        pending_samples += piece.size
        if pending_samples >= block_samples:
            joined = np.concatenate(pending)
            whole = joined.size - joined.size % block_samples
            yield from np.split(joined[:whole], whole // block_samples)
            pending, pending_samples = [joined[whole:]], joined.size - whole
    if pending_samples:
        yield np.concatenate(pending)
