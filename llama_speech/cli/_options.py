"""Options that several commands share, and the error for a wrong use of them."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

from speech_core.errors import ConfigError, InputError

if TYPE_CHECKING:
    from llama_speech.api import SpeechLlama


class UsageError(InputError):
    """Options that do not go together: exit code 2."""


def summary_of(module: ModuleType) -> str:
    """The first line of a module's docstring, without the name of the command and the full stop: its help."""
    first = (module.__doc__ or "").strip().splitlines()[0]
    return first.split(": ", 1)[-1].removesuffix(".")


@contextmanager
def wrong_usage() -> Iterator[None]:
    """Values of options that are refused are a wrong use of the command."""
    try:
        yield
    except (InputError, ConfigError) as error:
        raise UsageError(str(error)) from None


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Which model runs, and on what."""
    group = parser.add_argument_group("model")
    group.add_argument("--model", metavar="FOLDER", help="bundle with the weights (default: the shipped one)")
    group.add_argument(
        "--llama",
        metavar="LLAMA",
        help="folder, GGUF file or hub id of the Llama (default: the bundle's own)",
    )
    group.add_argument(
        "--device",
        default="auto",
        help="auto, cpu, cuda, cuda:1, mps; all: spread the Llama over all GPUs (default: auto)",
    )
    group.add_argument(
        "--dtype",
        default="auto",
        choices=["auto", "float32", "bfloat16", "float16"],
        help="type of the weights while running (default: auto)",
    )
    group.add_argument("--threads", type=positive, metavar="N", help="CPU threads (default: all cores)")


def positive(text: str) -> int:
    """A whole number from 1."""
    value = int(text) if text.strip().isdigit() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return value


def load_model(args: argparse.Namespace) -> "SpeechLlama":
    """The model that the options of `add_model_options` name."""
    from llama_speech.api import load

    return load(args.model, args.llama, args.device, args.dtype, args.threads)
