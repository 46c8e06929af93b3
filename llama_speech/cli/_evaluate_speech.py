"""`llama-speech evaluate speech`: how well recognizers understand synthesized speech, beside other voices."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from llama_speech.cli._options import UsageError, positive
from llama_speech.cli._results import add_result_options, finish, progress_lines

if TYPE_CHECKING:
    from llama_speech.evaluation.speech import SpeechTask
    from llama_speech.evaluation.synthesizers import Synthesizer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `evaluate speech`."""
    parser.add_argument(
        "--texts", type=Path, metavar="FILE", help="one sentence a line, or a manifest (.jsonl)"
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="the first N sentences only")
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME",
        help="repeatable: flite, flite:VOICE, espeak-ng, hibari, piper, 'command:PROGRAM {text} {out}'",
    )
    parser.add_argument(
        "--recognizer",
        action="append",
        default=[],
        metavar="NAME",
        help="repeatable, as --peer of `evaluate asr` (default: faster-whisper:base)",
    )
    parser.add_argument(
        "--quality", action="store_true", help="DNSMOS of the sound; needs llama-speech[quality]"
    )
    parser.add_argument(
        "--speakers",
        action="store_true",
        help="whether each speaks with one voice; needs librosa and the weights in resemblyzer",
    )
    parser.add_argument("--no-model", action="store_true", help="only the peers")
    parser.add_argument("--no-llama", action="store_true", help="our voice without the Llama's states")
    parser.add_argument(
        "--model", metavar="FOLDER", help="bundle with the weights (default: the shipped one)"
    )
    parser.add_argument("--llama", metavar="LLAMA", help="folder of the Llama (default: the bundle's own)")
    parser.add_argument("--threads", type=positive, default=1, metavar="N", help="CPU threads (default: 1)")
    parser.add_argument(
        "--cache-dir", type=Path, help="where what was heard and measured is kept, so that a run can go on"
    )
    add_result_options(parser, "the sound, speech")


def read_texts(path: Path, limit: int | None) -> tuple[str, ...]:
    """Sentences of a text file or of a manifest. Raises UsageError for none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        if path.suffix == ".jsonl":
            lines = [str(json.loads(line).get("text") or "") for line in lines]
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    texts = tuple(line.strip() for line in lines if line.strip())[:limit]
    if not texts:
        raise UsageError(f"{path} holds no sentence")
    return texts


def run(args: argparse.Namespace) -> int:
    """Evaluate as the options say and print the result; return 0."""
    if args.texts is None:
        raise UsageError("no texts: give --texts FILE, one sentence a line")
    if args.output_dir is None:
        raise UsageError("no folder for the sound: give --output-dir FOLDER")
    from llama_speech.evaluation.speech import evaluate_speaker, to_markdown, to_plain

    task, systems = _task(args), _systems(args)
    results = [evaluate_speaker(system, task) for system in systems]
    finish(args, "speech", {"texts": task.texts, "systems": to_plain(results)}, to_markdown(results))
    return 0


def _task(args: argparse.Namespace) -> "SpeechTask":
    """What is said, who listens, and what is measured of it."""
    from llama_speech.default_llama import cache_dir
    from llama_speech.evaluation.peers import PeerOptions, make_peer
    from llama_speech.evaluation.scores import BootstrapConfig
    from llama_speech.evaluation.speech import SpeechTask
    from llama_speech.evaluation.speech_quality import dnsmos, load_voice_encoder

    quality = dnsmos() if args.quality else None  # said first when it is missing
    voices = load_voice_encoder() if args.speakers else None
    options = PeerOptions(threads=args.threads)
    recognizers = tuple(make_peer(name, options) for name in args.recognizer or ["faster-whisper:base"])
    bootstrap = BootstrapConfig(resamples=args.resamples, seed=args.seed)
    texts = read_texts(args.texts, args.limit)
    cache = args.cache_dir or cache_dir() / "evaluation"
    progress = progress_lines(args)
    return SpeechTask(texts, recognizers, args.output_dir, cache, bootstrap, quality, voices, progress)


def _systems(args: argparse.Namespace) -> "list[Synthesizer]":
    """Our voice, unless it is left out, and the peers."""
    import torch

    from llama_speech.evaluation.synthesizers import Ours, make_synthesizer

    torch.set_num_threads(args.threads)
    peers = [make_synthesizer(name) for name in args.peer]
    if args.no_model:
        return peers
    from llama_speech.speech import VoiceSource, load_speaker

    return [Ours(load_speaker(VoiceSource(args.model, args.llama, use_llama=not args.no_llama))), *peers]
