"""`llama-speech demo`: transcribe the clips of samples/ and show how fast that was."""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from llama_speech.cli._inputs import expand
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
    times = [_show(model, recording.name, recording.open(), args.language) for recording in recordings]
    audio_s, taken_s = (sum(column) for column in zip(*times, strict=True))
    print(
        f"{len(times)} files, {audio_s:.1f} s of audio in {taken_s:.1f} s: "
        f"real-time factor {taken_s / audio_s:.2f}, after {loaded_s:.1f} s of loading"
    )
    return 0


def _show(model: "SpeechLlama", name: str, source: object, language: str) -> tuple[float, float]:
    """Transcribe and print one file; seconds of audio and seconds taken."""
    start = time.perf_counter()
    result = model.transcribe(source, language)
    taken_s = time.perf_counter() - start
    print(f"{name}")
    print(f"  {result.text or '(no speech)'}")
    print(
        f"  language {result.language}, {result.duration_s:.1f} s of audio, "
        f"real-time factor {taken_s / result.duration_s:.2f}\n"
    )
    return result.duration_s, taken_s
