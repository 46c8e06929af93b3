"""`llama-speech evaluate asr`: word and character error rates, beside peers, with intervals."""

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from llama_speech.cli import _evaluation as common
from llama_speech.cli._options import UsageError, add_model_options, positive
from llama_speech.cli._results import add_result_options, exit_code, finish
from speech_core.errors import InputError

if TYPE_CHECKING:
    from llama_speech.evaluation.asr import AsrResult
    from llama_speech.evaluation.datasets import EvalSet
    from llama_speech.evaluation.ours import SharedModel
    from llama_speech.evaluation.peers import Recognizer

NO_SPEECH_MINUTES = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `evaluate asr`."""
    _add_data(parser)
    _add_systems(parser)
    add_model_options(parser)
    add_result_options(parser, "asr")
    parser.add_argument("--cache-dir", type=Path, help="where transcripts are kept, so that a run can go on")


def _add_data(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("data")
    group.add_argument(
        "--data",
        nargs="+",
        default=[],
        metavar="PATH",
        help="manifests (also NeMo's), folders with one (dev.jsonl), folders of such folders, lhotse's cuts; "
        "names are looked up below $LLAMA_SPEECH_DATA too. Public test sets by name, with =FOLDER if they "
        "are elsewhere: librispeech:test-other, mls:english, voxpopuli:en, fleurs:hi, fleurs:all with -l all",
    )
    group.add_argument(
        "-l",
        "--language",
        default="en",
        help="only items of this language (code; default: en); all: a set for each",
    )
    group.add_argument("--limit", type=positive, metavar="N", help="at most N items of each set")
    group.add_argument(
        "--no-speech", action="store_true", help="also count words on silence, noise and music"
    )
    group.add_argument("--no-speech-minutes", type=float, default=NO_SPEECH_MINUTES, metavar="MIN")
    group.add_argument("--music", type=Path, metavar="DIR", help="music without singing for --no-speech")


def _add_systems(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("systems")
    group.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME",
        help="repeatable: faster-whisper:tiny.en, faster-whisper:base, faster-whisper:FOLDER, pocketsphinx, "
        "'command:PROGRAM {}', openai:URL#MODEL (key in $OPENAI_API_KEY)",
    )
    group.add_argument("--no-model", action="store_true", help="score only the peers")
    group.add_argument(
        "--mode",
        action="append",
        choices=("llama", "ctc"),
        help="repeatable: llama, what the Llama writes (default); ctc, the draft it is given",
    )
    group.add_argument(
        "--batch-size",
        type=positive,
        default=8,
        metavar="N",
        help="pieces our model takes at once (default: 8)",
    )
    group.add_argument(
        "--vad",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="voice activity detection of our model",
    )


def run(args: argparse.Namespace) -> int:
    """Evaluate as the options say and print the result; return 0, or 1 when a system failed on any file."""
    from llama_speech.evaluation.report import to_markdown

    result = _evaluate(args)
    finish(args, "asr", asdict(result), to_markdown(result))
    failed = sum(system.failed for one in result.sets for system in one.systems)
    failed += sum(found.error is not None for found in result.no_speech)
    return exit_code(failed, "transcripts", "empty")


def _evaluate(args: argparse.Namespace) -> "AsrResult":
    """Return the result of the run that the options describe."""
    from llama_speech.evaluation.asr import AsrConfig, evaluate_asr
    from llama_speech.evaluation.no_speech import evaluate_no_speech, make_no_speech_files

    cache_dir, progress = common.cache_folder(args), common.progress_of(args)
    loaded: dict[str, SharedModel] = {}
    first = "en" if args.language == "all" else args.language
    by_language = {first: _recognizers(args, first, loaded)}  # a wrong peer shows before wrong data
    sets = _sets(args)
    for language in dict.fromkeys(one.language or first for one in sets):
        if language not in by_language:
            by_language[language] = _recognizers(args, language, loaded)
    systems, num_subjects = by_language[first]
    config = AsrConfig(
        cache_dir / "transcripts", bootstrap=common.bootstrap_of(args), num_subjects=num_subjects
    )
    result = evaluate_asr(sets, lambda one: by_language[one.language or first][0], config, progress)
    if args.no_speech:
        minutes = args.no_speech_minutes
        files = make_no_speech_files(cache_dir / "no-speech", minutes, args.music, args.seed)
        report = progress("audio without speech") if progress else None
        found = evaluate_no_speech(files, minutes, systems, config.cache_dir, report)
        result = replace(result, no_speech=found)
    return result


def _sets(args: argparse.Namespace) -> "list[EvalSet]":
    """Read the test sets and say what each leaves out."""
    from llama_speech.evaluation.datasets import read_set

    if not args.data:
        raise UsageError("no test set: give --data with a manifest or a folder")
    if args.no_model and not args.peer:
        raise UsageError("--no-model without --peer leaves nothing to score")
    sets = []
    chosen = [(path, code) for path in common.manifests_of(args) for code in _languages(args.language, path)]
    for manifest, code in chosen:
        one = read_set(manifest, code, args.limit)
        if args.language == "all":
            one = replace(one, name=f"{one.name.removesuffix('-all')}-{code}")
        common.announce(one)
        if one.items:
            sets.append(one)
    if not sets:
        raise InputError(f"nothing to score in {', '.join(args.data)}: no item with text in {args.language}")
    return sets


def _languages(language: str, manifest: Path) -> list[str]:
    """The languages to score of a manifest: the chosen one, or all it states."""
    from llama_speech.evaluation.datasets import languages_of

    return languages_of(manifest) if language == "all" else [language]


def _recognizers(
    args: argparse.Namespace, language: str, loaded: "dict[str, SharedModel]"
) -> "tuple[list[Recognizer], int]":
    """Return the systems for a language, those under test first, and how many those are.

    loaded: what `load_modes` keeps, so that all languages share the weights.
    """
    from llama_speech.evaluation.ours import load_modes

    peers = common.make_peers(args, language)
    if args.no_model:
        return peers, 1
    ours = replace(common.our_options(args, language), threads=common.threads_of(args), vad=args.vad)
    modes = load_modes(ours, tuple(dict.fromkeys(args.mode or ["llama"])), loaded)
    return [*modes, *peers], len(modes)
