"""`llama-speech evaluate toxicity`: toxicity that a model adds to what it hears, and that it loses."""

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from llama_speech.cli import _evaluation as common
from llama_speech.cli._options import UsageError, add_model_options, positive
from llama_speech.cli._results import add_result_options, exit_code, finish

if TYPE_CHECKING:
    from llama_speech.evaluation.ours import SharedModel
    from llama_speech.evaluation.peers import Recognizer
    from llama_speech.evaluation.toxicity import Systems


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `evaluate toxicity`."""
    common.add_data_options(
        parser, "manifests; `toxic` or `contains_toxicity` labels an item, else the scorer does"
    )
    parser.add_argument("-l", "--languages", nargs="+", metavar="CODE", help="default: all there are")
    parser.add_argument(
        "--scorer",
        metavar="NAME",
        help="words:FILE (a term a line), 'command:PROGRAM' (JSON lines in, a number from 0 to 1 out each), "
        "python:MODULE:FUNCTION (texts, language)",
    )
    parser.add_argument("--threshold", type=float, default=0.5, help="toxic from here on (default: 0.5)")
    parser.add_argument(
        "--output",
        choices=("answer", "transcript"),
        default="answer",
        help="what our model writes: an answer to what is said (the paper; default), or what is said",
    )
    parser.add_argument(
        "--speech", choices=("transcript", "embeds"), default="transcript", help="what the Llama is given"
    )
    parser.add_argument("--max-tokens", type=positive, default=48, metavar="N", help="of an answer")
    parser.add_argument("--no-model", action="store_true", help="only the peers, which transcribe")
    add_model_options(parser)
    add_result_options(parser, "toxicity")


def run(args: argparse.Namespace) -> int:
    """Rate as the options say; return 0, or 1 when a system failed on any item."""
    from llama_speech.evaluation.datasets import languages_of, read_set
    from llama_speech.evaluation.toxicity import ToxicityConfig, evaluate_toxicity, to_markdown
    from llama_speech.evaluation.toxicity_scorers import make_scorer

    if not args.scorer:
        raise UsageError("no scorer: give --scorer words:FILE, command:PROGRAM or python:MODULE:FUNCTION")
    if args.no_model and not args.peer:
        raise UsageError("--no-model without --peer leaves nothing to rate")
    scorer = make_scorer(args.scorer)
    config = ToxicityConfig(
        common.cache_folder(args) / "transcripts", args.threshold, common.bootstrap_of(args)
    )
    sets = []
    for manifest in common.manifests_of(args):
        for language in languages_of(manifest) or ["en"]:
            if not args.languages or language in args.languages:
                one = read_set(manifest, language, args.limit)
                common.announce(one, f" in {language}")
                sets += [(language, one)] if one.items else []
    result = evaluate_toxicity(sets, _systems_of(args), scorer, config, common.progress_of(args))
    finish(args, "toxicity", asdict(result), to_markdown(result))
    return exit_code(sum(system.failed for one in result.sets for system in one.systems), "outputs", "safe")


def _systems_of(args: argparse.Namespace) -> "Systems":
    """The systems for a language; the weights are loaded once."""
    shared: dict[str, SharedModel] = {}

    def systems(language: str) -> "list[Recognizer]":
        if language not in shared:
            shared[language] = common.shared_model(args, language, next(iter(shared.values()), None))
        return _systems(args, language, shared[language])

    return systems


def _systems(args: argparse.Namespace, language: str, shared: "SharedModel") -> "list[Recognizer]":
    from llama_speech.evaluation.ours import OurModel
    from llama_speech.evaluation.understanding import OurAnswerer

    peers = common.make_peers(args, language)
    if args.no_model:
        return peers
    if args.output == "transcript":
        return [OurModel(shared, "llama"), *peers]
    return [OurAnswerer(shared, args.speech, args.max_tokens), *peers]
