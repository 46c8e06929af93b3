"""`llama-speech translate`: write down what is said in audio files, in another language."""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from llama_speech.cli._display import PROGRAM
from llama_speech.cli._files import (
    add_file_arguments,
    add_listening_options,
    add_output_options,
    check_language,
    listening,
    run_files,
)
from llama_speech.cli._options import add_model_options, load_model, wrong_usage

if TYPE_CHECKING:
    from llama_speech.results import Transcription
    from speech_core.errors import SpeechError

_METHODS = ("direct", "cascade")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_file_arguments(parser)
    parser.add_argument("--to", required=True, metavar="LANGUAGE", help="language to write: code or name")
    parser.add_argument(
        "--method",
        choices=_METHODS,
        default="direct",
        help="direct: the Llama hears the speech (default); cascade: it reads a transcript",
    )
    parser.add_argument(
        "-l", "--language", default="en", help="language spoken, for --method cascade (default: en)"
    )
    add_listening_options(parser)
    add_output_options(parser)
    add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    """Translate; return 0, or 1 if any file failed. Raises UsageError before any work."""
    check_language(args.language)
    _check_target(args.to)
    return run_files(args, _translate)


def _check_target(language: str) -> None:
    from llama_speech.translation import target_language

    with wrong_usage():
        target_language(language)


def _translate(
    args: argparse.Namespace, recordings: Iterable[Any], progress: Callable[[float], None]
) -> "Iterator[Transcription | SpeechError]":
    from llama_speech.translation import target_language

    model = load_model(args)
    target = target_language(args.to)
    if model.text_languages and target.code not in model.text_languages and not args.quiet:
        print(f"{PROGRAM}: this Llama was hardly taught {target.name}: expect little", file=sys.stderr)
    return model.translate_each(recordings, args.to, args.language, args.method, **listening(args, progress))
