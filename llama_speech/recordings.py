"""Recordings in every form a caller may have them, as blocks of 16 kHz audio."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from llama_speech.pipeline import Opener
from llama_speech.voice_activity import SAMPLE_RATE
from speech_core.audio import AudioLimits, iter_audio, load_array
from speech_core.errors import AudioError
from speech_core.pcm import Audio

_BLOCK_SAMPLES = SAMPLE_RATE  # arrays are handed on in blocks, as files are


def opener(audio: Any, sample_rate: int | None, limits: AudioLimits) -> Opener:
    """How to read a recording as 16 kHz blocks; what is wrong with it shows when it is read.

    audio: path, bytes, binary file object, array (with sample_rate in Hz), or a mapping with `array` and
    `sampling_rate`, `bytes` or `path`, as the audio columns of data sets are.
    """
    if isinstance(audio, Mapping):
        rate = audio.get("sampling_rate", audio.get("sample_rate", sample_rate))
        return opener(audio.get("array", audio.get("bytes") or audio.get("path")), rate, limits)
    if hasattr(audio, "__array__"):
        return lambda: _array_blocks(audio, sample_rate)
    return lambda: _blocks(audio, limits)


def _blocks(audio: Any, limits: AudioLimits) -> Iterable[Audio]:
    return iter_audio(audio, SAMPLE_RATE, limits)


def _array_blocks(array: Any, sample_rate: int | None) -> Iterator[Audio]:
    if sample_rate is None:
        raise AudioError("an array needs its sample rate: pass sample_rate=..., in Hz")
    audio = load_array(array, sample_rate, SAMPLE_RATE)
    for start in range(0, audio.size, _BLOCK_SAMPLES):
        yield audio[start : start + _BLOCK_SAMPLES]
