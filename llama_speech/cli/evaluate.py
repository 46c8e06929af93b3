"""llama-speech evaluate: score the model on test sets, beside its peers

Options, progress and printing; the work is done in llama_speech.evaluation.
"""

import argparse
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from llama_speech.cli import (
    _evaluate_latency,
    _evaluate_normalization,
    _evaluate_preference,
    _evaluate_prosody,
    _evaluate_speech,
    _evaluate_toxicity,
    _evaluate_understanding,
)
from llama_speech.cli._options import UsageError, add_model_options, positive
from llama_speech.cli._results import add_result_options, finish
from speech_core.errors import InputError

if TYPE_CHECKING:
    from llama_speech.evaluation.asr import AsrResult
    from llama_speech.evaluation.datasets import EvalSet
    from llama_speech.evaluation.ours import SharedModel
    from llama_speech.evaluation.peers import Recognizer

logger = logging.getLogger(__name__)

NO_SPEECH_MINUTES = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the tasks of `evaluate` and their options."""
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK")
    summary = "word and character error rates, beside peers, with intervals"
    asr = tasks.add_parser("asr", help=summary, description=summary, allow_abbrev=False)
    _add_data(asr)
    _add_systems(asr)
    add_model_options(asr)
    add_result_options(asr, "asr")
    asr.add_argument("--cache-dir", type=Path, help="where transcripts are kept, so that a run can go on")
    _evaluate_understanding.add_tasks(tasks)
    summary = "sentences and tokens read right, by class and right context, beside other systems"
    _evaluate_normalization.add_arguments(
        tasks.add_parser("normalization", help=summary, description=summary, allow_abbrev=False)
    )
    summary = "likelihood and errors of duration, F0 and power on held-out texts, with intervals"
    _evaluate_prosody.add_arguments(
        tasks.add_parser("prosody", help=summary, description=summary, allow_abbrev=False)
    )
    summary = "how well recognizers understand what is synthesized, beside other voices"
    _evaluate_speech.add_arguments(
        tasks.add_parser("speech", help=summary, description=summary, allow_abbrev=False)
    )
    summary = "first word and sound, throughput against concurrency, lag of streams"
    _evaluate_latency.add_arguments(
        tasks.add_parser("latency", help=summary, description=summary, allow_abbrev=False)
    )
    summary = "toxicity that a model adds to what it hears, and that it loses"
    _evaluate_toxicity.add_arguments(
        tasks.add_parser("toxicity", help=summary, description=summary, allow_abbrev=False)
    )
    summary = "a blind listening page for two systems, and what the answers of listeners say"
    _evaluate_preference.add_arguments(
        tasks.add_parser("preference", help=summary, description=summary, allow_abbrev=False)
    )


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
    if args.task in _evaluate_understanding.SUMMARIES:
        return _evaluate_understanding.run(args)
    if args.task == "normalization":
        return _evaluate_normalization.run(args)
    if args.task == "prosody":
        return _evaluate_prosody.run(args)
    if args.task == "speech":
        return _evaluate_speech.run(args)
    if args.task == "latency":
        return _evaluate_latency.run(args)
    if args.task == "toxicity":
        return _evaluate_toxicity.run(args)
    if args.task == "preference":
        return _evaluate_preference.run(args)
    from dataclasses import asdict

    from llama_speech.evaluation.report import to_markdown

    result = _evaluate(args)
    finish(args, "asr", asdict(result), to_markdown(result))
    failed = sum(system.failed for one in result.sets for system in one.systems)
    failed += sum(found.error is not None for found in result.no_speech)
    if failed:
        print(f"{failed} transcripts failed and count as empty: see errors in the JSON", file=sys.stderr)
    return 1 if failed else 0


def _evaluate(args: argparse.Namespace) -> "AsrResult":
    """Return the result of the run that the options describe."""
    from dataclasses import replace

    from llama_speech.default_llama import cache_dir as default_cache_dir
    from llama_speech.evaluation.asr import AsrConfig, evaluate_asr
    from llama_speech.evaluation.no_speech import evaluate_no_speech, make_no_speech_files
    from llama_speech.evaluation.scores import BootstrapConfig

    cache_dir = args.cache_dir or default_cache_dir() / "evaluation"
    loaded: dict[str, SharedModel] = {}
    first = "en" if args.language == "all" else args.language
    by_language = {
        first: _recognizers(args, first, loaded)
    }  # what is wrong with a peer shows before the data
    sets = _sets(args)
    for language in dict.fromkeys(one.language or first for one in sets):
        if language not in by_language:
            by_language[language] = _recognizers(args, language, loaded)
    num_subjects = next(iter(by_language.values()))[1]
    config = AsrConfig(
        cache_dir / "transcripts",
        bootstrap=BootstrapConfig(resamples=args.resamples, seed=args.seed),
        num_subjects=num_subjects,
    )
    result = evaluate_asr(
        sets, lambda one: by_language[one.language or first][0], config, None if args.quiet else progress_to
    )
    if args.no_speech:
        minutes = args.no_speech_minutes
        files = make_no_speech_files(cache_dir / "no-speech", minutes, args.music, args.seed)
        report = None if args.quiet else progress_to("audio without speech")
        found = evaluate_no_speech(
            files, minutes, next(iter(by_language.values()))[0], config.cache_dir, report
        )
        result = replace(result, no_speech=found)
    return result


def _sets(args: argparse.Namespace) -> "list[EvalSet]":
    """Read the test sets and say what each leaves out."""
    from dataclasses import replace

    from llama_speech.default_llama import cache_dir as default_cache_dir
    from llama_speech.evaluation.datasets import expand_paths, read_set

    if not args.data:
        raise UsageError("no test set: give --data with a manifest or a folder")
    if args.no_model and not args.peer:
        raise UsageError("--no-model without --peer leaves nothing to score")
    data_dir = os.environ.get("LLAMA_SPEECH_DATA")
    cache_dir = args.cache_dir or default_cache_dir() / "evaluation"
    manifests = expand_paths(args.data, Path(data_dir) if data_dir else None, cache_dir)
    sets = []
    chosen = [(manifest, code) for manifest in manifests for code in _languages(args.language, manifest)]
    for manifest, code in chosen:
        one = read_set(manifest, code, args.limit)
        if args.language == "all":
            one = replace(one, name=f"{one.name.removesuffix('-all')}-{code}")
        reasons = "".join(f"; {count} {reason}" for reason, count in one.dropped.items())
        print(
            f"{one.name}: {len(one.items)} items, {sum(one.dropped.values())} left out{reasons}",
            file=sys.stderr,
        )
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
    from llama_speech.evaluation.ours import OurOptions, load_modes
    from llama_speech.evaluation.peers import PeerOptions, make_peer

    threads = args.threads or os.cpu_count() or 1
    options = PeerOptions(language, threads)
    key = os.environ.get("OPENAI_API_KEY")
    peers = [make_peer(name, options, key) for name in args.peer]
    if args.no_model:
        return peers, 1
    ours = OurOptions(
        bundle=args.model,
        llama=args.llama,
        device=args.device,
        dtype=args.dtype,
        threads=threads,
        language=language,
        batch_size=args.batch_size,
        vad=args.vad,
    )
    modes = load_modes(ours, tuple(dict.fromkeys(args.mode or ["llama"])), loaded)
    return [*modes, *peers], len(modes)


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
