"""Recognisers of other projects behind one small interface, so that they are scored over the same files by
the same code.

A peer is named by a short text: `faster-whisper:tiny.en`, `faster-whisper:FOLDER`, `pocketsphinx`,
`command:PROGRAM {} ...` (prints the text of the file put for {}), `openai:URL#MODEL` (an OpenAI-compatible
server).
"""

import json
import shlex
import subprocess
import urllib.error
import urllib.request
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from llama_speech.evaluation.peer_models import find_or_fetch_model, known_models
from speech_core.checksums import sha256_of
from speech_core.errors import ConfigError, InputError, SpeechError

SAMPLE_RATE_HZ = 16000
LONG_AUDIO_S = 60.0  # pocketsphinx takes longer audio piece by piece


class Recognizer(Protocol):
    """Anything that turns audio files into text and can say exactly what it is."""

    name: str
    batch_size: int

    def signature(self) -> str:
        """Return every option and version that can change the text or the time it takes."""
        ...

    def prepare(self) -> None:
        """Load what must be loaded, so that it does not count in the time of the first file."""
        ...

    def transcribe(self, paths: Sequence[Path]) -> list[str]:
        """Return one text per file, in order. Raises on a file that cannot be done."""
        ...


@dataclass(frozen=True)
class PeerOptions:
    """What all peers are told: the language spoken (code), CPU threads, and where models are cached."""

    language: str = "en"
    threads: int = 1
    cache_dir: Path | None = None
    timeout_s: float = 600.0
    task: str = "transcribe"  # or "translate", into English: Whisper only


def package_version(name: str) -> str:
    """Return the installed version of a package. Raises ConfigError, with what to install, when absent."""
    try:
        return version(name)
    except PackageNotFoundError:
        raise ConfigError(f"{name} is not installed: pip install 'llama-speech[eval]'") from None


class FasterWhisper:
    """Whisper through faster-whisper: int8 on the CPU, its own defaults (beam 5, temperature fall-back)
    otherwise.
    """

    batch_size = 1
    beam_size = 5
    compute_type = "int8"

    def __init__(self, model: str, options: PeerOptions) -> None:
        """Name the model: a known name, which is fetched on first use, or a CTranslate2 folder."""
        package_version("faster-whisper")
        self.name = f"faster-whisper:{Path(model).name}"
        self.options = options
        self.folder = (
            find_or_fetch_model(model, options.cache_dir) if model in known_models() else Path(model)
        )
        if not (self.folder / "model.bin").is_file():
            raise InputError(
                f"{model} is neither one of {', '.join(known_models())} nor a folder with model.bin"
            )

    def signature(self) -> str:
        """Return model checksum, decoding options and versions."""
        task = "" if self.options.task == "transcribe" else f"|task:{self.options.task}"
        return (
            f"{self.name}{task}|weights:{self._weights_sha256[:12]}|{self.compute_type}|beam:{self.beam_size}|vad:no|seed:0"
            f"|lang:{self.options.language}|faster-whisper:{package_version('faster-whisper')}"
            f"|ctranslate2:{package_version('ctranslate2')}|threads:{self.options.threads}"
        )

    @cached_property
    def _weights_sha256(self) -> str:
        return sha256_of(self.folder / "model.bin")

    def prepare(self) -> None:
        """Load the model."""
        _ = self._model

    @cached_property
    def _model(self) -> Any:
        import ctranslate2
        from faster_whisper import WhisperModel

        ctranslate2.set_random_seed(0)  # the temperature fall-back samples
        return WhisperModel(
            str(self.folder), device="cpu", compute_type=self.compute_type, cpu_threads=self.options.threads
        )

    def transcribe(self, paths: Sequence[Path]) -> list[str]:
        """Return the text of each file; faster-whisper decodes the audio itself."""
        texts = []
        for path in paths:
            segments, _ = self._model.transcribe(
                str(path),
                language=self.options.language,
                beam_size=self.beam_size,
                task=self.options.task,
            )
            texts.append("".join(segment.text for segment in segments).strip())
        return texts


class PocketSphinx:
    """The classic GMM recogniser with its packaged English model; one thread, English only."""

    batch_size = 1
    name = "pocketsphinx"

    def __init__(self, options: PeerOptions) -> None:
        """Check that the package is there and that English is asked for."""
        package_version("pocketsphinx")
        if options.language != "en":
            raise InputError(f"pocketsphinx has English only, language is {options.language}")

    def signature(self) -> str:
        """Return model and version."""
        return (
            f"{self.name}|model:en-us|lm:en-us.lm.bin|lang:en|pocketsphinx:{package_version('pocketsphinx')}"
        )

    def prepare(self) -> None:
        """Load the model."""
        _ = self._decoder

    @cached_property
    def _decoder(self) -> Any:
        from pocketsphinx import Decoder

        return Decoder(samprate=SAMPLE_RATE_HZ, loglevel="FATAL")

    def transcribe(self, paths: Sequence[Path]) -> list[str]:
        """Return the text of each file; long audio is decoded in pieces of a minute."""
        return [self._transcribe_file(path) for path in paths]

    def _transcribe_file(self, path: Path) -> str:
        from speech_core.audio import load_audio

        audio = load_audio(path, SAMPLE_RATE_HZ)
        pcm = (audio.clip(-1.0, 1.0) * 32767.0).astype("<i2").tobytes()
        step_bytes = int(LONG_AUDIO_S * SAMPLE_RATE_HZ) * 2
        words: list[str] = []
        for start in range(0, len(pcm), step_bytes):
            self._decoder.start_utt()
            self._decoder.process_raw(pcm[start : start + step_bytes], no_search=False, full_utt=True)
            self._decoder.end_utt()
            found = self._decoder.hyp()
            words.extend(found.hypstr.split() if found else [])
        return " ".join(words)


class Command:
    """Any program that reads an audio file and prints its text on standard output."""

    batch_size = 1

    def __init__(self, command: str, options: PeerOptions) -> None:
        """Keep the command; `{}` in it stands for the file, which comes last when there is no `{}`."""
        self.words = shlex.split(command)
        if not self.words:
            raise InputError("the peer `command:` names no program: write command:PROGRAM {}")
        self.name = f"command:{Path(self.words[0]).name}"
        self.command = command
        self.options = options

    def signature(self) -> str:
        """Return the command as given; its versions are not known here."""
        return f"command:{self.command}|version:unknown"

    def prepare(self) -> None:
        """Do nothing: the program loads what it needs at every call."""

    def transcribe(self, paths: Sequence[Path]) -> list[str]:
        """Return what the program prints for each file. Raises SpeechError when it fails."""
        return [self._run(path) for path in paths]

    def _run(self, path: Path) -> str:
        words = [word.replace("{}", str(path)) for word in self.words]
        if "{}" not in self.command:
            words.append(str(path))
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, check=False, timeout=self.options.timeout_s
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SpeechError(f"peer {self.words[0]} on {path.name}: {error}") from error
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise SpeechError(f"peer {self.words[0]} on {path.name}: exit code {done.returncode}: {reason}")
        return " ".join(done.stdout.split())


class OpenAiEndpoint:
    """A server that answers POST URL/audio/transcriptions as OpenAI's does."""

    batch_size = 1

    def __init__(self, address: str, options: PeerOptions, api_key: str | None = None) -> None:
        """Keep the address `URL#MODEL`; `api_key` is sent as a bearer token when given."""
        self.url, _, self.model = address.partition("#")
        if not self.url.startswith(("http://", "https://")):
            raise InputError(f"peer openai:{address} needs an http address: openai:http://HOST/v1#MODEL")
        self.model = self.model or "whisper-1"
        self.name = f"openai:{self.model}"
        self.options = options
        self.api_key = api_key

    def signature(self) -> str:
        """Return address, model and language; the server's version is not known here."""
        return f"openai:{self.url}#{self.model}|lang:{self.options.language}|version:unknown"

    def prepare(self) -> None:
        """Do nothing: the server is running."""

    def transcribe(self, paths: Sequence[Path]) -> list[str]:
        """Return the text the server answers for each file. Raises SpeechError when it refuses."""
        return [self._post(path) for path in paths]

    def _post(self, path: Path) -> str:
        mark = uuid.uuid4().hex
        headers = {"Content-Type": f"multipart/form-data; boundary={mark}"}
        if self.api_key:
            headers["Authorization"] = f"Bearer {self.api_key}"
        fields = {"model": self.model, "language": self.options.language, "response_format": "json"}
        body = _multipart(mark, fields, path)
        request = urllib.request.Request(f"{self.url}/audio/transcriptions", data=body, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=self.options.timeout_s) as reply:
                return str(json.load(reply)["text"]).strip()
        except (urllib.error.URLError, TimeoutError, KeyError, json.JSONDecodeError) as error:
            raise SpeechError(f"peer {self.name} on {path.name}: {error}") from error


def _multipart(mark: str, fields: dict[str, str], path: Path) -> bytes:
    """Return a multipart form with text fields and one file called `file`."""
    parts = [
        f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
    head += "Content-Type: application/octet-stream\r\n\r\n"
    return "".join(parts).encode() + head.encode() + path.read_bytes() + f"\r\n--{mark}--\r\n".encode()


def make_peer(name: str, options: PeerOptions, api_key: str | None = None) -> Recognizer:
    """Return the peer called `name`. Raises InputError when there is no such kind, ConfigError without its
    package.
    """
    kind, _, rest = name.partition(":")
    if kind == "faster-whisper":
        return FasterWhisper(rest or "tiny.en", options)
    if kind == "pocketsphinx":
        return PocketSphinx(options)
    if kind == "command":
        return Command(rest, options)
    if kind == "openai":
        return OpenAiEndpoint(rest, options, api_key)
    raise InputError(
        f"no peer is called {name}: use faster-whisper:MODEL, pocketsphinx, command:... or openai:URL"
    )
