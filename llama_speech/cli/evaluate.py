"""`llama-speech evaluate`: score the model on test sets, beside its peers.

A task is a file `_evaluate_TASK.py` of this folder, made as a command is: a docstring whose first line is its
help, `add_arguments(parser)` and `run(args) -> int`. It reads options and prints; the work is done in
llama_speech.evaluation.
"""

import argparse
from importlib import import_module

from llama_speech.cli._options import summary_of
from llama_speech.cli._outputs import check_folder

TASKS = (
    "asr",
    "translation",
    "dialogue",
    "normalization",
    "prosody",
    "speech",
    "latency",
    "toxicity",
    "preference",
    "compare",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the tasks of `evaluate` and their options."""
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK")
    for name in TASKS:
        module = import_module(f"llama_speech.cli._evaluate_{name}")
        summary = summary_of(module)
        task = tasks.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        module.add_arguments(task)
        task.set_defaults(run_task=module.run)


def run(args: argparse.Namespace) -> int:
    """Run the task; return its exit code."""
    if args.output_dir is not None:
        check_folder(args.output_dir)
    code: int = args.run_task(args)
    return code
