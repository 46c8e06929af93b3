"""What the tasks of `evaluate` that run models over test sets share: options, sets, models, progress."""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from llama_speech.cli._options import positive

if TYPE_CHECKING:
    from llama_speech.evaluation.asr import ProgressTo
    from llama_speech.evaluation.datasets import EvalSet
    from llama_speech.evaluation.ours import OurOptions, SharedModel
    from llama_speech.evaluation.peers import Recognizer
    from llama_speech.evaluation.scores import BootstrapConfig


def add_data_options(parser: argparse.ArgumentParser, what: str, required: bool = True) -> None:
    """Which items, which peers, and where texts are kept."""
    group = parser.add_argument_group("data")
    group.add_argument("--data", nargs="+", required=required, default=[], metavar="PATH", help=what)
    group.add_argument("--limit", type=positive, metavar="N", help="at most N items of each set")
    group.add_argument("--cache-dir", type=Path, help="where texts are kept, so that a run can go on")
    group.add_argument("--peer", action="append", default=[], metavar="NAME", help="as in evaluate asr")
    group.add_argument("--batch-size", type=positive, default=8, metavar="N")


def manifests_of(args: argparse.Namespace) -> list[Path]:
    """The manifests that --data means."""
    from llama_speech.evaluation.datasets import expand_paths

    data_dir = os.environ.get("LLAMA_SPEECH_DATA")
    return expand_paths(args.data, Path(data_dir) if data_dir else None, cache_folder(args))


def announce(one: "EvalSet", which: str = "") -> None:
    """What is scored and what is left out: always said."""
    reasons = "".join(f"; {count} {reason}" for reason, count in one.dropped.items())
    left_out = f"{sum(one.dropped.values())} left out{reasons}"
    print(f"{one.name}{which}: {len(one.items)} items, {left_out}", file=sys.stderr)


def make_peers(args: argparse.Namespace, language: str, task: str = "transcribe") -> "list[Recognizer]":
    """The systems that --peer names, told of a language; the key of servers is $OPENAI_API_KEY."""
    from llama_speech.evaluation.peers import PeerOptions, make_peer

    options = PeerOptions(language, threads_of(args), task=task)
    return [make_peer(name, options, os.environ.get("OPENAI_API_KEY")) for name in args.peer]


def threads_of(args: argparse.Namespace) -> int:
    """--threads, or one for each core."""
    return int(args.threads or os.cpu_count() or 1)


def our_options(args: argparse.Namespace, language: str) -> "OurOptions":
    """How our model is loaded and asked, told of a language."""
    from llama_speech.evaluation.ours import OurOptions

    return OurOptions(
        bundle=args.model,
        llama=args.llama,
        device=args.device,
        dtype=args.dtype,
        threads=args.threads,
        language=language,
        batch_size=args.batch_size,
    )


def shared_model(args: argparse.Namespace, language: str, like: "SharedModel | None") -> "SharedModel":
    """The model told of a language, loaded at the first use; like: another whose weights are used."""
    from llama_speech.evaluation.ours import SharedModel

    return SharedModel(our_options(args, language), like)


def cache_folder(args: argparse.Namespace) -> Path:
    """Where texts are kept."""
    from llama_speech.default_llama import cache_dir

    return Path(args.cache_dir or cache_dir() / "evaluation")


def bootstrap_of(args: argparse.Namespace) -> "BootstrapConfig":
    """--resamples and --seed."""
    from llama_speech.evaluation.scores import BootstrapConfig

    return replace(BootstrapConfig(), resamples=args.resamples, seed=args.seed)


def progress_of(args: argparse.Namespace) -> "ProgressTo | None":
    """What shows progress, or None with --quiet."""
    return None if args.quiet else progress_to


def progress_to(label: str) -> Callable[[int, int], None]:
    """Return a function that shows (done, all) on standard error: in place on a terminal, else at times."""
    terminal = sys.stderr.isatty()

    def show(done: int, total: int) -> None:
        end = "\n" if done == total else "\r"
        if terminal:
            print(f"{label}: {done}/{total}", end=end, file=sys.stderr, flush=True)
        elif done == total or done % max(1, total // 10) == 0:
            print(f"{label}: {done}/{total}", file=sys.stderr, flush=True)

    return show
