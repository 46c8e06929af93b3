"""`llama-speech evaluate preference`: a blind listening page for two systems, and what the answers say."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from llama_speech.cli._options import UsageError
from llama_speech.cli._results import add_result_options, finish, named

if TYPE_CHECKING:
    from llama_speech.evaluation.preference import Contestant


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `evaluate preference`."""
    parser.add_argument("folder", type=Path, help="folder of the page: written with --system, else read")
    parser.add_argument(
        "--system",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="twice: a system and the folder of its clips; clips of one name say the same",
    )
    parser.add_argument("--texts", type=Path, metavar="JSON", help="what each clip says: {name: text}")
    parser.add_argument("--answers", nargs="+", type=Path, default=[], help="files that listeners saved")
    parser.add_argument("--seed", type=int, default=0, help="decides order and sides")
    add_result_options(parser, "preference", bootstrap=False)


def run(args: argparse.Namespace) -> int:
    """Write the page, or read its answers; return 0."""
    from llama_speech.evaluation.preference import build_page, read_answers, to_markdown

    if bool(args.system) == bool(args.answers):
        raise UsageError("give two --system to write a page, or --answers to read what listeners saved")
    if args.answers:
        result = read_answers(args.folder, args.answers)
        finish(args, "preference", asdict(result), to_markdown(result))
        return 0
    if len(args.system) != 2:
        raise UsageError(f"{len(args.system)} systems were given: a page compares two")
    texts = _texts(args.texts) if args.texts else None
    first, second = map(_contestant, args.system)
    count = build_page((first, second), args.folder, texts, args.seed)
    print(f"wrote {count} pairs: send {args.folder / 'page'}, keep key.json", file=sys.stderr)
    return 0


def _texts(path: Path) -> dict[str, str]:
    """What the clips say, by name. Raises UsageError."""
    try:
        texts = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        texts = None
    if not isinstance(texts, dict):
        raise UsageError(f"{path} is no JSON object of names and texts")
    return texts


def _contestant(argument: str) -> "Contestant":
    from llama_speech.evaluation.preference import Contestant

    name, folder = named(argument, "FOLDER")
    return Contestant(name, Path(folder))
