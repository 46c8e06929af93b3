"""`llama-speech transcribe`: write down what is said in audio files."""

import argparse
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from llama_speech.cli._files import (
    add_file_arguments,
    add_listening_options,
    add_output_options,
    check_language,
    listening,
    run_files,
)
from llama_speech.cli._options import add_model_options, load_model

if TYPE_CHECKING:
    from llama_speech.results import Transcription
    from speech_core.errors import SpeechError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_file_arguments(parser)
    parser.add_argument("-l", "--language", default="en", help="code or name (default: en)")
    parser.add_argument(
        "--word-timestamps",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="times of words in json",
    )
    add_listening_options(parser)
    add_output_options(parser)
    add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    """Transcribe; return 0, or 1 if any file failed. Raises UsageError before any work."""
    check_language(args.language)
    return run_files(args, _transcribe)


def _transcribe(
    args: argparse.Namespace, recordings: Iterable[Any], progress: Callable[[float], None]
) -> "Iterator[Transcription | SpeechError]":
    return load_model(args).transcribe_each(
        recordings, args.language, args.word_timestamps, **listening(args, progress)
    )
