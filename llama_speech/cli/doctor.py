"""`llama-speech doctor`: check the installation, the Llama and the bundle."""

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import llama_speech
from speech_core.errors import SpeechError

PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "av", "soxr", "silero-vad")


@dataclass(frozen=True)
class Finding:
    """One line of the report; ok is None for what is only worth knowing."""

    subject: str
    text: str
    ok: bool | None = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--model", metavar="FOLDER", help="bundle to check (default: the shipped one)")


def run(args: argparse.Namespace) -> int:
    """Print one line for each check; return 1 if any of them failed."""
    marks = {True: "ok  ", None: "    ", False: "FAIL"}
    failed = False
    for finding in _findings(args.model):
        print(f"{marks[finding.ok]} {finding.subject}: {finding.text}")
        failed = failed or finding.ok is False
    return 1 if failed else 0


def _findings(bundle: str | None) -> Iterator[Finding]:
    yield Finding("llama-speech", f"{llama_speech.__version__} in {Path(llama_speech.__file__).parent}", None)
    yield Finding("python", f"{platform.python_version()}, {platform.platform()}", None)
    yield from (_package(name) for name in PACKAGES)
    yield _torchaudio()
    yield _checked("threads", _threads)
    yield _checked("voice activity", _voice)
    yield _llama()
    yield _checked("bundle", lambda: _bundle(bundle))


def _checked(subject: str, check: Callable[[], str]) -> Finding:
    """The finding of a check that tells what it found or raises what is wrong."""
    try:
        return Finding(subject, check())
    except (SpeechError, ImportError, OSError) as error:
        return Finding(subject, " ".join(str(error).split()), ok=False)


def _package(name: str) -> Finding:
    try:
        return Finding(name, version(name), None)
    except PackageNotFoundError:
        return Finding(name, f"is not installed: pip install {name}", ok=False)


def _torchaudio() -> Finding:
    """One that does not match torch breaks transformers; tried in a process of its own."""
    if find_spec("torchaudio") is None:
        return Finding("torchaudio", "absent, as it should be")
    tried = subprocess.run([sys.executable, "-c", "import torchaudio"], capture_output=True, check=False)
    if tried.returncode == 0:
        return Finding("torchaudio", "installed and loads; it is not used", None)
    return Finding(
        "torchaudio", "does not match torch and breaks transformers: pip uninstall torchaudio", ok=False
    )


def _threads() -> str:
    import torch

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return f"{torch.get_num_threads()} of torch, {allowed} cores allowed, device {device}"


def _voice() -> str:
    from llama_speech.voice_activity import load_voice_activity

    load_voice_activity()
    return "weights of silero-vad load"


def _llama() -> Finding:
    from llama_speech.default_llama import find_default_llama

    try:
        folder = find_default_llama()
    except SpeechError as error:
        return Finding("llama", str(error), ok=False)
    if folder is None:
        return Finding("llama", "not there yet: the first transcription downloads it", None)
    return Finding("llama", str(folder))


def _bundle(folder: str | None) -> str:
    from llama_speech.bundle import read_bundle

    bundle = read_bundle(folder)
    names = ", ".join(bundle.components)
    size_mb = bundle.size_bytes / 1e6
    languages = ", ".join(bundle.info.languages)
    about = f"{bundle.info.name} {bundle.info.version}, {size_mb:.1f} MB, verified; {names}"
    return f"{about}; languages {languages}; {bundle.folder}"
