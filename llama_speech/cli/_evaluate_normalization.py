"""`llama-speech evaluate normalization`: sentences and tokens read right, beside other systems."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from llama_speech.cli._options import UsageError
from llama_speech.cli._results import add_result_options, finish, named, progress_lines
from tts_frontend.config import RIGHT_CONTEXT

if TYPE_CHECKING:
    from llama_speech.evaluation.normalization import SetScore
    from llama_speech.evaluation.normalization_peers import PeerNormalizer
    from llama_speech.normalization import Chooser


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `evaluate normalization`."""
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="repeatable: pairs (written, tab, spoken; .tsv or .tsv.gz), and their name in the tables",
    )
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="SYSTEM[:NAME=FILE]",
        help="repeatable: nemo or wetext, read and timed in this run where they are installed; or what "
        "another system said for the pairs of NAME, one line each",
    )
    parser.add_argument(
        "--right-context",
        type=int,
        nargs="+",
        default=[RIGHT_CONTEXT],
        metavar="TOKENS",
        help=f"TN tokens behind what is read; several give a row each (default: {RIGHT_CONTEXT})",
    )
    parser.add_argument(
        "--choice",
        action="append",
        choices=("llama", "tagger", "rules"),
        help="repeatable: what chooses the readings (default: llama and rules)",
    )
    parser.add_argument("-l", "--language", default="en", choices=("en", "es"))
    parser.add_argument("-m", "--model", metavar="BUNDLE", help="bundle with the tagger")
    parser.add_argument("--llama", metavar="FOLDER", help="folder of the Llama (default: the bundle's own)")
    parser.add_argument("--classes", action="store_true", help="also by class (takes longer)")
    add_result_options(parser, "scores.json (for recipes.pack_bundle), normalization", bootstrap=False)


def run(args: argparse.Namespace) -> int:
    """Evaluate as the options say and print the result; return 0."""
    from llama_speech.evaluation.normalization import to_markdown, to_plain, to_scores

    if not args.data:
        raise UsageError("no pairs: give --data NAME=FILE")
    choosers = {name: _chooser(name, args) for name in dict.fromkeys(args.choice or _default(args))}
    peers = [_peer(name, args) for name in args.peer if ":" not in name]
    results = [_score(name, Path(path), choosers, peers, args) for name, path in map(named, args.data)]
    if args.output_dir:
        from llama_speech.evaluation.results import json_text
        from llama_speech.writers import write_atomically

        write_atomically(args.output_dir / "scores.json", json_text(to_scores(results)))
    finish(args, "normalization", to_plain(results), to_markdown(results))
    return 0


def _default(args: argparse.Namespace) -> list[str]:
    return ["llama", "rules"] if args.language == "en" else ["rules"]


def _chooser(name: str, args: argparse.Namespace) -> "Chooser":
    from llama_speech.normalization import RULES_ALONE, load_chooser

    return RULES_ALONE if name == "rules" else load_chooser(args.model, args.llama, name == "llama")


def _peer(name: str, args: argparse.Namespace) -> "PeerNormalizer":
    from llama_speech.default_llama import cache_dir
    from llama_speech.evaluation.normalization_peers import make_normalizer_peer

    return make_normalizer_peer(name, args.language, cache_dir() / "peers")


def _score(
    name: str,
    path: Path,
    choosers: "dict[str, Chooser]",
    peers: "list[PeerNormalizer]",
    args: argparse.Namespace,
) -> "SetScore":
    """All systems on one set, ours first."""
    from llama_speech.evaluation.normalization import (
        SetScore,
        left_out,
        read_pairs,
        score_ours,
        score_outputs,
        score_peer,
    )
    from tts_frontend.config import NormalizerConfig

    read, systems = read_pairs(path), []
    pairs, progress = read.pairs, progress_lines(args)
    print(f"{name}: {len(pairs)} pairs{left_out(read.dropped)}", file=sys.stderr)
    for choice, chooser in choosers.items():
        for context in args.right_context:
            progress(f"{name}: {choice}, right context {context}")
            config = NormalizerConfig(args.language, context)
            systems.append(score_ours(f"{choice}, {context}", pairs, config, chooser, args.classes))
    for peer in peers:
        progress(f"{name}: {peer.name}")
        systems.append(score_peer(peer, pairs, args.language))
    for system, lines in _quoted(args.peer, name):
        systems.append(score_outputs(system, pairs, lines))
    return SetScore(name, len(pairs), systems, read.dropped)


def _quoted(peers: Sequence[str], name: str) -> Iterator[tuple[str, list[str]]]:
    """Systems whose lines for a set are in a file, given as SYSTEM:NAME=FILE."""
    for peer in peers:
        system, _, rest = peer.partition(":")
        of, file = named(rest) if rest else ("", "")
        if rest and of == name:
            yield system, Path(file).read_text(encoding="utf-8").rstrip("\n").split("\n")
