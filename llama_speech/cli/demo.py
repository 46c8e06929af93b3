"""`llama-speech demo`: transcribe the clips of samples/ and show how fast that was."""

import argparse
import csv
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from llama_speech.cli._inputs import Recording, expand
from llama_speech.cli._options import add_model_options
from speech_core.errors import InputError

if TYPE_CHECKING:
    from llama_speech.api import SpeechLlama

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("files", nargs="*", metavar="FILE", help="audio files (default: those of samples/)")
    parser.add_argument("-l", "--language", default="en", help="code or name (default: en)")
    add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    """Transcribe each file by itself; print text, language, seconds of audio and real-time factor."""
    recordings, problems = expand(args.files or [str(SAMPLES)])
    if problems:
        raise InputError(problems[0])
    from llama_speech.api import load

    start = time.perf_counter()
    model = load(args.model, args.llama, args.device, args.dtype, args.threads)
    loaded_s = time.perf_counter() - start
    times = [_show(model, recording, args.language) for recording in recordings]
    audio_s, taken_s = (sum(column) for column in zip(*times, strict=True))
    print(
        f"{len(times)} files, {audio_s:.1f} s of audio in {taken_s:.1f} s: "
        f"real-time factor {taken_s / audio_s:.2f}, after {loaded_s:.1f} s of loading"
    )
    print(f"Your own recording: {command()} transcribe FILE")
    return 0


def command() -> str:
    """How this program is called from here: its path where it was called by one."""
    called = Path(sys.argv[0])
    if called.name != "llama-speech" or shutil.which("llama-speech") == str(called):
        return "llama-speech"
    path = os.path.relpath(called)
    return str(called) if path.startswith("..") else path


def _show(model: "SpeechLlama", recording: Recording, language: str) -> tuple[float, float]:
    """Transcribe and print one file; seconds of audio and seconds taken."""
    start = time.perf_counter()
    result = model.transcribe(recording.open(), language)
    taken_s = time.perf_counter() - start
    factor = taken_s / result.duration_s
    print(f"{recording.inside}: {result.language}, {result.duration_s:.1f} s, real-time factor {factor:.2f}")
    print(f"  heard: {result.text or '(no speech)'}")
    spoken = _reference(recording.path)
    if spoken:
        print(f"  read:  {spoken}")
    return result.duration_s, taken_s


def _reference(path: Path | None) -> str | None:
    """The text that was read, if `transcripts.tsv` beside the file has it."""
    table = path.parent / "transcripts.tsv" if path else None
    if path is None or table is None or not table.is_file():
        return None
    with table.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return next((row.get("text") for row in rows if row.get("file") == path.name), None)
