"""`llama-speech evaluate latency`: first word and sound, throughput against concurrency, lag of streams."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llama_speech.cli import _evaluation as common
from llama_speech.cli._options import UsageError, add_model_options, positive
from llama_speech.cli._results import add_result_options, finish

if TYPE_CHECKING:
    from llama_speech.evaluation.datasets import EvalItem
    from llama_speech.evaluation.latency import LatencyResult, Throughput
    from llama_speech.evaluation.ours import SharedModel
    from llama_speech.evaluation.peers import Recognizer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `evaluate latency`."""
    common.add_data_options(parser, "manifests or folders, as in evaluate asr", required=False)
    parser.add_argument("-l", "--language", default="en", help="only items of this language (default: en)")
    parser.add_argument(
        "--questions", type=positive, metavar="N", help="first word and sound of answers to the first N items"
    )
    parser.add_argument(
        "--max-tokens", type=positive, default=24, metavar="N", help="of an answer (default: 24)"
    )
    parser.add_argument(
        "--concurrency",
        type=positive,
        nargs="+",
        default=[],
        metavar="N",
        help="throughput with so many files at once: batches of our model; clients of a peer that serves "
        "(openai:URL#MODEL, also `llama-speech serve`); other peers take one at a time",
    )
    parser.add_argument(
        "--stream",
        action="store_true",
        help="average lagging when the recordings grow by --step-ms, words written by local agreement",
    )
    parser.add_argument("--step-ms", type=float, default=1000.0, metavar="MS", help="default: 1000")
    parser.add_argument(
        "--instances",
        action="append",
        default=[],
        type=Path,
        metavar="LOG",
        help="repeatable: instances.log of SimulEval, by any streaming system",
    )
    parser.add_argument("--no-model", action="store_true", help="only the peers")
    add_model_options(parser)
    add_result_options(parser, "latency")


def run(args: argparse.Namespace) -> int:
    """Measure as the options say; return 0, or 1 when anything failed."""
    from llama_speech.evaluation.latency import to_markdown, to_plain

    if not (args.questions or args.concurrency or args.stream or args.instances):
        raise UsageError("nothing to measure: give --questions, --concurrency, --stream or --instances")
    if not args.data and not (args.instances and not (args.questions or args.concurrency or args.stream)):
        raise UsageError("no test set: give --data with a manifest or a folder")
    result = _measure(args)
    finish(args, "latency", to_plain(result), to_markdown(result))
    failed = sum(one.failed for one in result.first) + sum(one.failed for one in result.throughput)
    if failed:
        print(f"{failed} requests failed and are in no time", file=sys.stderr)
    return 1 if failed else 0


def _measure(args: argparse.Namespace) -> "LatencyResult":
    from llama_speech.evaluation.lagging import corpus_lags, read_instances
    from llama_speech.evaluation.latency import StreamLags, make_result, measure_first, measure_streams

    items, dropped = _items(args)
    peers = common.make_peers(args, args.language)
    shared = None if args.no_model or not items else common.shared_model(args, args.language, None)
    signature = _signature(args, shared, peers)
    parts: dict[str, Any] = {"first": [], "throughput": [], "streams": []}
    if args.questions and shared is not None:
        parts["first"] = measure_first(shared.model, items[: args.questions], args.max_tokens)
    if args.concurrency:
        parts["throughput"] = _throughput(args, items, shared, peers)
    if args.stream:
        systems = [*_ours(shared), *peers]
        parts["streams"] = measure_streams(
            systems, items, args.step_ms, common.bootstrap_of(args), common.progress_of(args)
        )
    for path in args.instances:
        instances = read_instances(path)
        lags = corpus_lags(instances, common.bootstrap_of(args))
        parts["streams"].append(StreamLags(path.name, 0.0, lags, instances))
    return make_result(signature, dropped, **parts)


def _signature(args: argparse.Namespace, shared: "SharedModel | None", peers: "Sequence[Recognizer]") -> str:
    """All that can change a time, as it is before the work starts."""
    ours = shared.signature if shared is not None else "no-model"
    measures = (
        f"latency|{ours}|policy:local-agreement-2|step-ms:{args.step_ms:g}|lag:SimulEval-1.1"
        f"|ci:bootstrap-item-{args.resamples}|seed:{args.seed}"
    )
    return "|".join([measures, *(peer.signature() for peer in peers)])


def _items(args: argparse.Namespace) -> "tuple[list[EvalItem], dict[str, int]]":
    from llama_speech.evaluation.datasets import read_set

    items: list[EvalItem] = []
    dropped: Counter[str] = Counter()
    for manifest in common.manifests_of(args):
        one = read_set(manifest, args.language, args.limit)
        common.announce(one)
        items += one.items
        dropped.update(one.dropped)
    return items, dict(dropped)


def _ours(shared: "SharedModel | None") -> "list[Recognizer]":
    from llama_speech.evaluation.ours import OurModel

    return [] if shared is None else [OurModel(shared, "llama"), OurModel(shared, "ctc")]


def _throughput(
    args: argparse.Namespace,
    items: "list[EvalItem]",
    shared: "SharedModel | None",
    peers: "list[Recognizer]",
) -> "list[Throughput]":
    from llama_speech.evaluation.latency import measure_batches, measure_requests
    from llama_speech.evaluation.peers import OpenAiEndpoint

    found: list[Throughput] = []
    if shared is not None:
        model = shared.model

        def transcribe(paths: list[Path], size: int) -> list[Any]:
            return list(model.transcribe_each(list(paths), args.language, batch_size=size))

        found += measure_batches("llama-speech", transcribe, items, args.concurrency)
    for peer in peers:
        several = isinstance(peer, OpenAiEndpoint)
        found += measure_requests(peer.name, peer, items, args.concurrency if several else [1])
    return found
