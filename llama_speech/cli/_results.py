"""What all tasks of `evaluate` do with a result: options for it, files, and what is printed."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llama_speech.cli._options import UsageError, positive


def add_result_options(parser: argparse.ArgumentParser, task: str, bootstrap: bool = True) -> None:
    """--output-dir, --json, --quiet, --debug, and with `bootstrap` --resamples and --seed."""
    group = parser.add_argument_group("results")
    group.add_argument(
        "-o", "--output-dir", type=Path, help=f"write {task}.json, {task}.md and {task}.html here"
    )
    if bootstrap:
        group.add_argument(
            "--resamples", type=positive, default=1000, help="draws of the bootstrap (default: 1000)"
        )
        group.add_argument("--seed", type=int, default=0)
    group.add_argument("--json", action="store_true", help="print the whole result as JSON, not the tables")
    group.add_argument("--quiet", action="store_true", help="no progress")
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks")


def finish(args: argparse.Namespace, task: str, values: Any, markdown: str) -> None:
    """Write the files, if a folder was given, and print the tables or the JSON."""
    from llama_speech.evaluation.results import json_text, write_results

    if args.output_dir:
        for path in write_results(args.output_dir, task, values, markdown):
            print(f"wrote {path}", file=sys.stderr)
    print(json_text(values) if args.json else markdown, end="")


def progress_lines(args: argparse.Namespace) -> Callable[[str], None]:
    """What shows a line of progress on standard error, unless --quiet."""

    def show(line: str) -> None:
        if not args.quiet:
            print(line, file=sys.stderr, flush=True)

    return show


def exit_code(failed: int, what: str, counted_as: str) -> int:
    """0, or 1 after saying how many failed."""
    if failed:
        print(f"{failed} {what} failed and count as {counted_as}: see errors in the JSON", file=sys.stderr)
    return 1 if failed else 0


def named(argument: str, what: str = "FILE") -> tuple[str, str]:
    """NAME=FILE as its two parts. Raises UsageError."""
    name, equals, path = argument.partition("=")
    if not (name and equals and path):
        raise UsageError(f"{argument!r} is not NAME={what}")
    return name, path
