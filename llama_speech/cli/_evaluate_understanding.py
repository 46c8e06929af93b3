"""llama-speech evaluate translation, dialogue and compare: options, and what they start."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llama_speech.cli._options import add_model_options, positive
from llama_speech.cli._results import add_result_options, finish

if TYPE_CHECKING:
    from llama_speech.evaluation.datasets import EvalSet
    from llama_speech.evaluation.dialogue import Listener
    from llama_speech.evaluation.ours import SharedModel
    from llama_speech.evaluation.peers import Recognizer
    from llama_speech.evaluation.scores import BootstrapConfig

SUMMARIES = {
    "translation": "BLEU and chrF of translated speech, beside peers",
    "dialogue": "answers to spoken questions beside answers to the same questions written",
    "compare": "two results item by item, with significance",
}


def add_tasks(tasks: Any) -> None:
    """Add the tasks and their options."""
    for name, summary in SUMMARIES.items():
        parser = tasks.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        _OPTIONS[name](parser)
        add_result_options(parser, name)


def add_data_options(parser: argparse.ArgumentParser, what: str, required: bool = True) -> None:
    """Which items, which peers, and where texts are kept."""
    group = parser.add_argument_group("data")
    group.add_argument("--data", nargs="+", required=required, default=[], metavar="PATH", help=what)
    group.add_argument("--limit", type=positive, metavar="N", help="at most N items of each set")
    group.add_argument("--cache-dir", type=Path, help="where texts are kept, so that a run can go on")
    group.add_argument("--peer", action="append", default=[], metavar="NAME", help="as in evaluate asr")
    group.add_argument("--batch-size", type=positive, default=8, metavar="N")


def _translation_options(parser: argparse.ArgumentParser) -> None:
    add_data_options(parser, "manifests or folders whose items have `translation`")
    parser.add_argument("--to", default="en", metavar="CODE", help="language of the references (default: en)")
    parser.add_argument(
        "--comet", type=Path, metavar="CKPT", help="also COMET, by a checkpoint (needs unbabel-comet)"
    )
    parser.add_argument("--from", dest="sources", nargs="+", metavar="CODE", help="default: all there are")
    parser.add_argument(
        "--method",
        action="append",
        choices=("direct", "cascade", "transcript"),
        help="repeatable; transcript: the Llama reads the true one (default: direct and cascade)",
    )
    add_model_options(parser)


def _dialogue_options(parser: argparse.ArgumentParser) -> None:
    add_data_options(
        parser, "manifests of spoken questions: text, and `answers` where there are accepted ones"
    )
    parser.add_argument(
        "--speech",
        action="append",
        choices=("embeds", "transcript"),
        help="repeatable: what the Llama is given of speech (default: both)",
    )
    parser.add_argument("--max-tokens", type=positive, default=48, metavar="N", help="default: 48")
    parser.add_argument("-l", "--language", default="en", help="only items of this language (default: en)")
    add_model_options(parser)


def _compare_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", type=Path, metavar="A.json")
    parser.add_argument("after", type=Path, metavar="B.json")
    parser.add_argument("--system-before", metavar="NAME", help="default: the first system of the run")
    parser.add_argument("--system-after", metavar="NAME")


_OPTIONS = {"translation": _translation_options, "dialogue": _dialogue_options, "compare": _compare_options}


def run(args: argparse.Namespace) -> int:
    """Evaluate and print; return 0, or 1 when a system failed on any item."""
    values, text, failed = {"translation": _translation, "dialogue": _dialogue, "compare": _compare}[
        args.task
    ](args)
    finish(args, args.task, values, text)
    if failed:
        print(f"{failed} items failed and count as empty: see errors in the JSON", file=sys.stderr)
    return 1 if failed else 0


def _translation(args: argparse.Namespace) -> tuple[Any, str, int]:
    from llama_speech.evaluation.comet import Comet
    from llama_speech.evaluation.datasets import languages_of, read_set
    from llama_speech.evaluation.translation import TranslationConfig, evaluate_translation, to_markdown
    from llama_speech.translation import target_language

    target = target_language(args.to).code
    comet = Comet(args.comet) if args.comet else None
    config = TranslationConfig(cache_folder(args) / "translations", target, bootstrap_of(args), comet)
    sets = []
    for manifest in manifests_of(args):
        for source in languages_of(manifest):
            if source == target or (args.sources and source not in args.sources):
                continue
            one = read_set(manifest, source, args.limit, target)
            announce(one, f" from {source}")
            if one.items:
                sets.append((source, one))
    shared: dict[str, SharedModel] = {}

    def systems(one: "EvalSet", source: str) -> "Sequence[Recognizer]":
        if source not in shared:
            shared[source] = shared_model(args, source, next(iter(shared.values()), None))
        return _translators(args, one, source, shared[source])

    result = evaluate_translation(sets, systems, config, progress_of(args))
    failed = sum(system.failed for one in result.sets for system in one.systems)
    return asdict(result), to_markdown(result), failed


def _translators(
    args: argparse.Namespace, one: "EvalSet", source: str, shared: "SharedModel"
) -> "Sequence[Recognizer]":
    from llama_speech.bundle import read_bundle
    from llama_speech.evaluation.peers import PeerOptions, make_peer
    from llama_speech.evaluation.understanding import OurTranslator

    said = {item.audio: str(item.more.get("transcript") or "") for item in one.items}
    methods = list(dict.fromkeys(args.method or ["direct", "cascade"]))
    known = read_bundle(args.model, verify=False).info.languages
    if "cascade" in methods and known and source not in known:
        methods.remove("cascade")
        print(f"cascade from {source} is left out: the model transcribes {', '.join(known)}", file=sys.stderr)
    ours = [OurTranslator(shared, method, args.to, said) for method in methods]
    options = PeerOptions(source, args.threads or os.cpu_count() or 1, task="translate")
    return [*ours, *(make_peer(name, options, os.environ.get("OPENAI_API_KEY")) for name in args.peer)]


def _dialogue(args: argparse.Namespace) -> tuple[Any, str, int]:
    from llama_speech.evaluation.datasets import read_set
    from llama_speech.evaluation.dialogue import DialogueConfig, evaluate_dialogue, to_markdown
    from llama_speech.evaluation.peers import PeerOptions, make_peer
    from llama_speech.evaluation.understanding import OurListener, PeerListener

    sets = [read_set(manifest, args.language, args.limit) for manifest in manifests_of(args)]
    for one in sets:
        announce(one)
    shared = shared_model(args, args.language, None)
    options = PeerOptions(args.language, args.threads or os.cpu_count() or 1)
    peers = [make_peer(name, options, os.environ.get("OPENAI_API_KEY")) for name in args.peer]
    listeners: list[Listener] = [
        *(OurListener(shared, speech) for speech in dict.fromkeys(args.speech or ["transcript", "embeds"])),
        *(PeerListener(peer, cache_folder(args) / "transcripts") for peer in peers),
    ]
    config = DialogueConfig(args.max_tokens, args.batch_size, bootstrap_of(args))
    result = evaluate_dialogue(
        [one for one in sets if one.items], shared.loaded(), listeners, config, progress_of(args)
    )
    failed = sum(system.failed for one in result.sets for system in one.systems)
    return asdict(result), to_markdown(result), failed


def _compare(args: argparse.Namespace) -> tuple[Any, str, int]:
    from llama_speech.evaluation.compare import compare_runs, read_run, to_markdown

    systems = (args.system_before, args.system_after)
    results = compare_runs(read_run(args.before), read_run(args.after), systems, bootstrap_of(args))
    return [asdict(one) for one in results], to_markdown(results), 0


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


def shared_model(args: argparse.Namespace, language: str, loaded: "SharedModel | None") -> "SharedModel":
    """The model told of a language; the weights in memory are used again."""
    from llama_speech.evaluation.ours import OurOptions, SharedModel

    options = OurOptions(
        bundle=args.model,
        llama=args.llama,
        device=args.device,
        dtype=args.dtype,
        threads=args.threads,
        language=language,
        batch_size=args.batch_size,
    )
    shared = SharedModel(options)
    if loaded is not None:
        shared.model = loaded.model
    return shared


def cache_folder(args: argparse.Namespace) -> Path:
    """Where texts are kept."""
    from llama_speech.default_llama import cache_dir

    return Path(args.cache_dir or cache_dir() / "evaluation")


def bootstrap_of(args: argparse.Namespace) -> "BootstrapConfig":
    """--resamples and --seed."""
    from llama_speech.evaluation.scores import BootstrapConfig

    return replace(BootstrapConfig(), resamples=args.resamples, seed=args.seed)


def progress_of(args: argparse.Namespace) -> Any:
    """What shows progress, or None with --quiet."""
    from llama_speech.cli.evaluate import progress_to

    return None if args.quiet else progress_to
