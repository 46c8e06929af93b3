"""`llama-speech evaluate dialogue`: answers to spoken questions beside answers to the same written ones."""

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from llama_speech.cli import _evaluation as common
from llama_speech.cli._options import add_model_options, positive
from llama_speech.cli._results import add_result_options, exit_code, finish

if TYPE_CHECKING:
    from llama_speech.evaluation.dialogue import Listener


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `evaluate dialogue`."""
    common.add_data_options(
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
    add_result_options(parser, "dialogue")


def run(args: argparse.Namespace) -> int:
    """Let speech and text be answered, and compare; return 0, or 1 when a system failed on any item."""
    from llama_speech.evaluation.datasets import read_set
    from llama_speech.evaluation.dialogue import DialogueConfig, evaluate_dialogue, to_markdown
    from llama_speech.evaluation.understanding import OurListener, PeerListener

    sets = [read_set(manifest, args.language, args.limit) for manifest in common.manifests_of(args)]
    for one in sets:
        common.announce(one)
    shared = common.shared_model(args, args.language, None)
    peers = common.make_peers(args, args.language)
    listeners: list[Listener] = [
        *(OurListener(shared, speech) for speech in dict.fromkeys(args.speech or ["transcript", "embeds"])),
        *(PeerListener(peer, common.cache_folder(args) / "transcripts") for peer in peers),
    ]
    config = DialogueConfig(args.max_tokens, args.batch_size, common.bootstrap_of(args))
    result = evaluate_dialogue(
        [one for one in sets if one.items], shared.loaded(), listeners, config, common.progress_of(args)
    )
    finish(args, "dialogue", asdict(result), to_markdown(result))
    return exit_code(sum(system.failed for one in result.sets for system in one.systems), "items", "empty")
