"""Samples as numbers: 16-bit PCM to float and back, mixing to one channel, WAV files."""

import os
import tempfile
import wave
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_core.errors import AudioError

Audio = NDArray[np.float32]  # (samples,), one channel, in [-1, 1]

_LOUDEST_FLOAT = 8.0  # above this, float samples were surely meant as integers
_MOST_CHANNELS = 64


def integers_to_float(samples: NDArray[Any]) -> Audio:
    """Scale integer samples of any width to [-1, 1); float samples only change their type."""
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128.0) / 128.0
    if samples.dtype.kind == "i":
        return samples.astype(np.float32) / float(2 ** (8 * samples.dtype.itemsize - 1))
    return samples.astype(np.float32, copy=False)


def pcm16_to_float(data: bytes | NDArray[np.int16]) -> Audio:
    """16-bit little-endian PCM to float32 in [-1, 1). Raises AudioError on half a sample."""
    if isinstance(data, np.ndarray):
        return integers_to_float(data)
    if len(data) % 2:
        raise AudioError(f"16-bit PCM of {len(data)} bytes ends in half a sample: send whole samples")
    return integers_to_float(np.frombuffer(data, dtype="<i2"))


def float_to_pcm16(audio: Audio) -> bytes:
    """Float samples to 16-bit little-endian PCM; what lies outside [-1, 1] is clipped."""
    scaled = np.rint(np.asarray(audio, dtype=np.float32) * 32768.0)
    data: bytes = np.clip(scaled, -32768, 32767).astype("<i2").tobytes()
    return data


def mono_array(array: Any) -> Audio:
    """One channel of float32 from an array (samples,), (samples, channels) or (channels, samples).

    Channels are averaged; integers are scaled by their type. Raises AudioError on other shapes, on NaN and
    infinity, and on float samples far outside [-1, 1].
    """
    if hasattr(array, "detach") and hasattr(array, "cpu"):  # a tensor, wherever it is
        array = array.detach().cpu().numpy()
    samples = np.asarray(array)
    if samples.dtype.kind not in "iuf" or samples.dtype in (np.uint16, np.uint32, np.uint64):
        raise AudioError(f"audio array has type {samples.dtype}, float or integer samples are needed")
    audio = integers_to_float(samples)
    if audio.ndim == 2 and 0 < min(audio.shape) <= _MOST_CHANNELS:
        audio = audio.mean(axis=int(np.argmin(audio.shape)), dtype=np.float32)
    if audio.ndim != 1:
        raise AudioError(
            f"audio array has shape {samples.shape}, (samples,) or (samples, channels) is needed"
        )
    return check_samples(audio)


def check_samples(audio: Audio) -> Audio:
    """The samples, clipped to [-1, 1]. Raises AudioError on NaN, infinity, or integers posing as floats."""
    if not audio.size:
        return audio
    peak = float(np.max(np.abs(audio)))
    if not np.isfinite(peak):
        raise AudioError("audio holds samples that are not numbers (NaN or infinity)")
    if peak > _LOUDEST_FLOAT:
        raise AudioError(
            f"audio peaks at {peak:.0f}, float samples lie in [-1, 1]: divide 16-bit samples by 32768"
        )
    return np.clip(audio, -1.0, 1.0) if peak > 1.0 else audio


def write_wav(path: str | os.PathLike[str], audio: Audio, sample_rate: int) -> None:
    """Write (samples,) as 16-bit mono WAV; the file appears only when it is whole."""
    target = Path(path)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file, wave.open(file, "wb") as wav:
            wav.setnchannels(1)
            wav.setsampwidth(2)
            wav.setframerate(sample_rate)
            wav.writeframes(float_to_pcm16(audio))
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink()
        raise
