"""`llama-speech evaluate translation`: BLEU and chrF of translated speech, beside peers."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from llama_speech.cli import _evaluation as common
from llama_speech.cli._options import add_model_options
from llama_speech.cli._results import add_result_options, exit_code, finish

if TYPE_CHECKING:
    from llama_speech.evaluation.datasets import EvalSet
    from llama_speech.evaluation.ours import SharedModel
    from llama_speech.evaluation.peers import Recognizer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `evaluate translation`."""
    common.add_data_options(parser, "manifests or folders whose items have `translation`")
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
    add_result_options(parser, "translation")


def run(args: argparse.Namespace) -> int:
    """Translate and score; return 0, or 1 when a system failed on any item."""
    from llama_speech.evaluation.comet import Comet
    from llama_speech.evaluation.datasets import languages_of, read_set
    from llama_speech.evaluation.translation import TranslationConfig, evaluate_translation, to_markdown
    from llama_speech.translation import target_language

    target = target_language(args.to).code
    comet = Comet(args.comet) if args.comet else None
    config = TranslationConfig(
        common.cache_folder(args) / "translations", target, common.bootstrap_of(args), comet
    )
    sets = []
    for manifest in common.manifests_of(args):
        for source in languages_of(manifest):
            if source == target or (args.sources and source not in args.sources):
                continue
            one = read_set(manifest, source, args.limit, target)
            common.announce(one, f" from {source}")
            if one.items:
                sets.append((source, one))
    shared: dict[str, SharedModel] = {}

    def systems(one: "EvalSet", source: str) -> "Sequence[Recognizer]":
        if source not in shared:
            shared[source] = common.shared_model(args, source, next(iter(shared.values()), None))
        return _translators(args, one, source, shared[source])

    result = evaluate_translation(sets, systems, config, common.progress_of(args))
    finish(args, "translation", asdict(result), to_markdown(result))
    return exit_code(sum(system.failed for one in result.sets for system in one.systems), "items", "empty")


def _translators(
    args: argparse.Namespace, one: "EvalSet", source: str, shared: "SharedModel"
) -> "Sequence[Recognizer]":
    from llama_speech.bundle import read_bundle
    from llama_speech.evaluation.understanding import OurTranslator

    said = {item.audio: str(item.more.get("transcript") or "") for item in one.items}
    methods = list(dict.fromkeys(args.method or ["direct", "cascade"]))
    known = read_bundle(args.model, verify=False).info.languages
    if "cascade" in methods and known and source not in known:
        methods.remove("cascade")
        print(f"cascade from {source} is left out: the model transcribes {', '.join(known)}", file=sys.stderr)
    ours = [OurTranslator(shared, method, args.to, said) for method in methods]
    return [*ours, *common.make_peers(args, source, task="translate")]
