"""`llama-speech evaluate compare`: two results item by item, with significance."""

import argparse
from dataclasses import asdict
from pathlib import Path

from llama_speech.cli import _evaluation as common
from llama_speech.cli._results import add_result_options, finish


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `evaluate compare`."""
    parser.add_argument("before", type=Path, metavar="A.json")
    parser.add_argument("after", type=Path, metavar="B.json")
    parser.add_argument("--system-before", metavar="NAME", help="default: the first system of the run")
    parser.add_argument("--system-after", metavar="NAME")
    add_result_options(parser, "compare")


def run(args: argparse.Namespace) -> int:
    """Compare and print; return 0."""
    from llama_speech.evaluation.compare import compare_runs, read_run, to_markdown

    systems = (args.system_before, args.system_after)
    results = compare_runs(read_run(args.before), read_run(args.after), systems, common.bootstrap_of(args))
    finish(args, "compare", [asdict(one) for one in results], to_markdown(results))
    return 0
