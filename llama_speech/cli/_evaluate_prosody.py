"""`llama-speech evaluate prosody`: likelihood and errors of duration, F0 and power on held-out texts."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from llama_speech.cli._options import UsageError, positive
from llama_speech.cli._results import add_result_options, finish, named, progress_lines

if TYPE_CHECKING:
    from llama_speech.evaluation.prosody import System


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `evaluate prosody`."""
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="repeatable: a set of recipes.prepare_prosody, and its name in the tables",
    )
    parser.add_argument(
        "--system",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="repeatable: a model and its folder (config.json, model.safetensors); the same name again is "
        "another seed of it; differences are from the first. Default: the prosody of the bundle",
    )
    parser.add_argument(
        "-m", "--model", metavar="BUNDLE", help="bundle to take the model of, without --system"
    )
    parser.add_argument(
        "--own-texts",
        type=positive,
        metavar="N",
        help="models read by themselves the first N texts of a set only, since that is slow (default: all)",
    )
    add_result_options(parser, "prosody")


def run(args: argparse.Namespace) -> int:
    """Evaluate as the options say and print the result; return 0."""
    from llama_speech.evaluation.prosody import evaluate_prosody, to_markdown, to_plain
    from llama_speech.evaluation.scores import BootstrapConfig
    from prosody.items import ProsodySet

    if not args.data:
        raise UsageError("no texts: give --data NAME=FOLDER, a set of recipes.prepare_prosody")
    systems, bootstrap = _systems(args), BootstrapConfig(resamples=args.resamples, seed=args.seed)
    sets = [(name, ProsodySet([folder])) for name, folder in map(_named, args.data)]

    results = [
        evaluate_prosody(name, items, systems, bootstrap, args.own_texts, progress_lines(args))
        for name, items in sets
    ]
    finish(args, "prosody", to_plain(results), to_markdown(results))
    return 0


def _named(argument: str) -> tuple[str, Path]:
    name, folder = named(argument, "FOLDER")
    return name, Path(folder)


def _systems(args: argparse.Namespace) -> "list[System]":
    """The models under test; checkpoints of one name are seeds of one system."""
    from llama_speech.bundle import read_bundle
    from llama_speech.evaluation.prosody import System

    if not args.system:
        return [System("bundle", (read_bundle(args.model).component("prosody"),))]
    folders: dict[str, tuple[Path, ...]] = {}
    for name, folder in map(_named, args.system):
        folders[name] = (*folders.get(name, ()), folder)
    return [System(name, found) for name, found in folders.items()]
