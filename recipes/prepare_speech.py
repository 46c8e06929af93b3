"""Real recordings into a feature cache: one clean view of each clip, and augmented ones for training.

    python -m recipes.prepare_speech --speech-dir DIR --out CACHE --views 3          # English training parts
    python -m recipes.prepare_speech --speech-dir DIR --out CACHE --part dev --set librispeech
    python -m recipes.prepare_speech --corpus librispeech --corpus-dir DIR --noise-dir DIR --out CACHE
    python -m recipes.prepare_speech --manifest FILE.jsonl --noise-dir DIR --out CACHE
    python -m recipes.prepare_speech --speech-dir DIR --out CACHE --limit 20 --jobs 1  # CPU-sized: seconds

The speech directory holds sets as `recipes.data.corpora` names them; public corpora are in
`recipes.data.public_corpora`. Training leaves out sets kept for tests and, whatever is prepared, clips that
read a text of any dev part of the speech directory. Dev parts get the clean view only. Run it again and it
goes on with the shards that are missing.
"""

import argparse
import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np

from recipes.data.corpora import SPEECH_SETS, read_speech_set, sets_for
from recipes.data.engines import ENGINES
from recipes.data.features_cache import CacheItem, FeatureCacheWriter, compute_features
from recipes.data.held_out import load_held_out
from recipes.data.manifests import Utterance, check_manifest, read_clips
from recipes.data.parallel import run_shards
from recipes.data.public_corpora import PUBLIC_CORPORA, read_public_corpus
from recipes.data.waveforms import Waveform, read_audio
from recipes.loop.command import configure_logging, errors_in_one_line
from speech_core.errors import InputError

logger = logging.getLogger(__name__)

SHARD_S = 1800.0  # seconds of sound in one shard, all views together


@dataclass(frozen=True)
class PrepareOptions:
    """What to prepare, from where, to where."""

    out: Path
    speech_dir: Path | None = None
    corpus: str | None = None
    corpus_dir: Path | None = None
    manifest: Path | None = None
    noise_dir: Path | None = None
    part: str = "train"
    sets: tuple[str, ...] = ()  # empty: all that may be used
    language: str = "en"
    views: int = 1
    seed: int = 0
    limit: int | None = None


def select_utterances(options: PrepareOptions) -> list[Utterance]:
    """The clips to prepare, in an order fixed by the seed. Raises InputError if there is none."""
    chosen = [u for u in _candidates(options) if u.language == options.language]
    if options.part == "train" and options.speech_dir is not None:
        held_out = load_held_out(options.speech_dir, None)
        kept = [u for u in chosen if u.text is None or not held_out.holds(u.text)]
        logger.info(
            "%d clips, %d left out because a dev part has their text", len(kept), len(chosen) - len(kept)
        )
        chosen = kept
    if not chosen:
        raise InputError(f"no clip in language {options.language!r}: check --set and --language")
    if options.part == "train":
        order = np.random.default_rng(options.seed).permutation(len(chosen))
        chosen = [chosen[i] for i in order]
    return chosen[: options.limit]


def _candidates(options: PrepareOptions) -> Iterator[Utterance]:
    if options.corpus is not None and options.corpus_dir is not None:
        yield from read_public_corpus(options.corpus, options.corpus_dir, options.part, options.language)
    elif options.manifest is not None:
        check_manifest(options.manifest)
        for utterance in read_clips(options.manifest):
            if options.part == "train" and utterance.extra.get("never_train"):
                raise InputError(f"{utterance.id} is for evaluation, never to be trained on: use --part dev")
            yield utterance
    elif options.speech_dir is not None:
        for name in options.sets or sets_for(options.speech_dir, options.part):
            yield from read_speech_set(options.speech_dir, name, options.part)
    else:
        raise InputError("nothing to prepare: give --speech-dir, --corpus with --corpus-dir, or --manifest")


def sources(utterances: Sequence[Utterance]) -> list[str]:
    """One line for each corpus: hours, licence and whom to credit; for the card of what is trained on it."""
    credit_of = {name: corpus.credit for name, corpus in PUBLIC_CORPORA.items()}
    credit_of |= {name: speech_set.credit for name, speech_set in SPEECH_SETS.items()}
    hours: defaultdict[tuple[str, str], float] = defaultdict(float)
    for utterance in utterances:
        hours[utterance.corpus, utterance.licence] += utterance.duration_s / 3600
    return [
        f"{corpus}: {time_h:.2f} h, {licence}, {credit_of.get(corpus, 'credit not known')}"
        for (corpus, licence), time_h in sorted(hours.items())
    ]


def cut_into_shards(
    utterances: Sequence[Utterance], views: int, shard_s: float = SHARD_S
) -> list[list[Utterance]]:
    """Consecutive utterances whose views together last about `shard_s` seconds."""
    shards: list[list[Utterance]] = []
    filled_s = shard_s
    for utterance in utterances:
        if filled_s >= shard_s:
            shards.append([])
            filled_s = 0.0
        shards[-1].append(utterance)
        filled_s += utterance.duration_s * views
    return shards


@dataclass(frozen=True)
class SpeechShard:
    """The work of one shard; runs in a worker process."""

    out: Path
    index: int
    utterances: tuple[Utterance, ...]
    views: int
    seed: int
    noise_dir: Path | None

    def items(self) -> Iterator[CacheItem]:
        """All views of all utterances."""
        from recipes.data.augment import Augmenter, load_augmenter

        writer_config = FeatureCacheWriter(self.out).config
        augmenter = Augmenter() if self.noise_dir is None else load_augmenter(self.noise_dir)
        for utterance in self.utterances:
            audio = _read(utterance)
            for view in range(self.views):
                rng = np.random.default_rng([self.seed, crc32(utterance.id.encode()), view])
                changed, done = (audio, []) if view == 0 else augmenter(audio, rng)
                features = compute_features(changed, writer_config)
                if features.shape[0]:
                    yield CacheItem(utterance, features, tuple(done), view)


def _read(utterance: Utterance) -> Waveform:
    """The whole recording, or the piece `extra["start_s"]` points to."""
    if "start_s" not in utterance.extra:
        return read_audio(Path(utterance.audio))
    return read_audio(Path(utterance.audio), utterance.extra["start_s"], utterance.duration_s)


def prepare(options: PrepareOptions, jobs: int = 2, engine: str = "processes") -> float:
    """Write the cache; returns hours of sound written in this run."""
    views = options.views if options.part == "train" else 1
    if views < 1 or jobs < 1:
        raise InputError(f"--views is {views} and --jobs {jobs}: both must be at least 1")
    noise_dir = options.noise_dir
    if noise_dir is None and options.speech_dir is not None and (options.speech_dir / "noise").is_dir():
        noise_dir = options.speech_dir / "noise"
    utterances = select_utterances(options)
    logger.info("; ".join(sources(utterances)))
    shards = cut_into_shards(utterances, views)
    tasks = [
        SpeechShard(options.out, index, tuple(shard), views, options.seed, noise_dir)
        for index, shard in enumerate(shards)
    ]
    started = time.monotonic()
    hours = run_shards(tasks, jobs, engine)
    logger.info("%.2f h written to %s in %.0f s", hours, options.out, time.monotonic() - started)
    return hours


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    about = str(__doc__).partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m recipes.prepare_speech", description=about)
    parser.add_argument("--speech-dir", type=Path, help="directory of the speech sets")
    parser.add_argument("--corpus", choices=list(PUBLIC_CORPORA), help="prepare this public corpus instead")
    parser.add_argument("--corpus-dir", type=Path, help="where it was unpacked")
    parser.add_argument("--manifest", type=Path, help="prepare a manifest (JSONL) instead")
    parser.add_argument(
        "--noise-dir", type=Path, help="background/, noises/, rooms/ (default: SPEECH_DIR/noise)"
    )
    parser.add_argument("--out", type=Path, required=True, help="cache directory to write")
    parser.add_argument("--part", choices=["train", "dev"], default="train")
    parser.add_argument("--set", dest="sets", action="append", default=[], help="only this set; repeatable")
    parser.add_argument("--language", default="en")
    parser.add_argument("--views", type=int, default=3, help="views of a training clip; the first is clean")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, help="only so many clips")
    parser.add_argument("--jobs", type=int, default=2, help="shards at a time")
    parser.add_argument("--engine", choices=ENGINES, default="processes", help="ray: on a Ray cluster")
    values = vars(parser.parse_args(arguments))
    jobs, engine = values.pop("jobs"), values.pop("engine")
    configure_logging()
    with errors_in_one_line(prepare):
        prepare(PrepareOptions(**{**values, "sets": tuple(values["sets"])}), jobs, engine)


if __name__ == "__main__":
    main()
