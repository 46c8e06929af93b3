"""Sentences spoken by teachers in many voices, augmented, into a feature cache with provenance.

    python -m recipes.prepare_synthetic --text-dir DIR --speech-dir DIR --out CACHE --hours 100
    python -m recipes.prepare_synthetic ... --checker MODEL_DIR --check-share 1 --max-cer 0.3  # check all
    python -m recipes.prepare_synthetic ... --hours 0.05 --shard-s 60 --jobs 1  # CPU-sized: under a minute

Teachers and their shares: `recipes.data.teachers`. Text that any dev part holds is never spoken. Each shard
is fixed by the seed and its number: run the same command again, with more hours if wanted, and it goes on
with the shards that are missing. `teachers.tsv` in the cache has items, hours, failures and character errors.
"""

import argparse
import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from recipes.data.checking import CheckReport, WhisperChecker, plain_characters
from recipes.data.features_cache import CacheItem, FeatureCacheWriter, compute_features
from recipes.data.held_out import load_held_out
from recipes.data.manifests import Utterance
from recipes.data.parallel import run_shards
from recipes.data.sentences import PlanConfig, PlannedItem, cut_plan, read_sentences, speaking_plan
from recipes.data.teachers import TEACHER_SHARES, Settings, Teacher, make_teacher
from recipes.data.waveforms import SAMPLE_RATE, Waveform, normalize_loudness, trim_silence
from recipes.loop.command import configure_logging, errors_in_one_line
from speech_core.errors import AudioError, ConfigError, InputError

logger = logging.getLogger(__name__)

MAX_ITEM_S = 40.0  # longer speech is a teacher gone wrong
MIN_ITEM_S = 0.15
_CHECK_BATCH = 12  # checked items are packed into windows by this many


@dataclass(frozen=True)
class SpeakOptions:
    """How planned items become features."""

    out: Path
    noise_dir: Path | None = None
    augment_share: float = 0.5
    checker: Path | None = None
    check_share: float = 0.0
    max_cer: float = 0.4
    keep_audio: bool = False


@dataclass(frozen=True)
class Spoken:
    """A planned item with its sound, before augmentation."""

    plan: PlannedItem
    audio: Waveform  # (samples,) at 16 kHz, trimmed
    settings: Settings


@dataclass(frozen=True)
class SyntheticShard:
    """The work of one shard; runs in a worker process."""

    index: int
    plan: tuple[PlannedItem, ...]
    options: SpeakOptions

    @property
    def out(self) -> Path:
        """The cache directory."""
        return self.options.out

    def items(self) -> Iterator[CacheItem]:
        """Features of all items that were spoken and, where checked, understood; then writes the counts."""
        report = CheckReport()
        finish = Finisher(self.options)
        for spoken in check_items(speak_items(self.plan, report), self.options, report):
            counts = report.of(spoken.plan.teacher)
            counts.items += 1
            counts.seconds += spoken.audio.size / SAMPLE_RATE
            yield finish(spoken)
        path = self.out / f"shard-{self.index:05d}.report.json"
        path.write_text(json.dumps(report.to_dict()) + "\n", encoding="utf-8")


_TEACHERS: dict[str, Teacher] = {}  # of this worker process; a teacher takes a second to load


def speak_items(plan: Sequence[PlannedItem], report: CheckReport) -> Iterator[Spoken]:
    """Let the teachers speak; an item that fails or has an impossible length is counted and left out."""
    for item in plan:
        if item.teacher not in _TEACHERS:
            _TEACHERS[item.teacher] = make_teacher(item.teacher)
        try:
            audio, settings = _TEACHERS[item.teacher].speak(item.text, np.random.default_rng(item.seed))
        except AudioError as error:
            logger.warning("item %d: %s", item.number, error)
            report.of(item.teacher).failed += 1
            continue
        audio = trim_silence(audio)
        if MIN_ITEM_S <= audio.size / SAMPLE_RATE <= MAX_ITEM_S:
            yield Spoken(item, audio, settings)
        else:
            report.of(item.teacher).failed += 1


def check_items(spoken: Iterator[Spoken], options: SpeakOptions, report: CheckReport) -> Iterator[Spoken]:
    """Pass on the items, dropping those of the checked share that the recogniser does not understand."""
    if options.checker is None or options.check_share <= 0:
        yield from spoken
        return
    checker = WhisperChecker(options.checker)
    waiting: list[Spoken] = []
    for item in spoken:
        if np.random.default_rng([item.plan.seed, 1]).random() >= options.check_share:
            yield item
            continue
        waiting.append(item)
        if len(waiting) == _CHECK_BATCH:
            yield from _understood(checker, waiting, options.max_cer, report)
            waiting = []
    yield from _understood(checker, waiting, options.max_cer, report)


def _understood(
    checker: WhisperChecker, items: Sequence[Spoken], max_cer: float, report: CheckReport
) -> Iterator[Spoken]:
    errors = checker.count_errors([(normalize_loudness(item.audio), item.plan.text) for item in items])
    for item, count in zip(items, errors, strict=True):
        characters = len(plain_characters(item.plan.text))
        counts = report.of(item.plan.teacher)
        counts.checked += 1
        counts.characters += characters
        counts.errors += count
        if count > max_cer * max(characters, 1):
            counts.dropped += 1
        else:
            yield item


class Finisher:
    """Gives an item surroundings, level and augmentation, and makes its features."""

    def __init__(self, options: SpeakOptions) -> None:
        from recipes.data.augment import AugmentConfig, Augmenter, load_augmenter

        self._options = options
        self._config = FeatureCacheWriter(options.out).config
        chances = AugmentConfig(speed=0.0, reverberation=0.45, noise=0.6, band=0.3, codec=0.15, volume=0.0)
        noise_dir = options.noise_dir
        self._augmenter = (
            Augmenter(config=chances) if noise_dir is None else load_augmenter(noise_dir, chances)
        )

    def __call__(self, spoken: Spoken) -> CacheItem:
        """The item as the cache stores it."""
        rng = np.random.default_rng([spoken.plan.seed, 2])
        audio = _surround(spoken.audio, rng)
        done: list[str] = []
        if rng.random() < self._options.augment_share:
            audio, done = self._augmenter(audio, rng)
        level_db = round(float(rng.uniform(-36.0, -16.0)), 1)
        audio = normalize_loudness(audio, level_db)
        name = ""
        if self._options.keep_audio:
            name = self._keep(spoken.plan.number, audio)
        return CacheItem(
            _utterance(spoken, audio, name),
            compute_features(audio, self._config),
            (*done, f"level {level_db} dB"),
        )

    def _keep(self, number: int, audio: Waveform) -> str:
        import soundfile

        path = self._options.out / "audio" / f"{number:08d}.opus"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, audio, SAMPLE_RATE, format="OGG", subtype="OPUS")
        return str(path.relative_to(self._options.out))


def _surround(audio: Waveform, rng: np.random.Generator) -> Waveform:
    """Random pauses at both ends and a faint hiss, as every recording has; teachers leave digital silence."""
    before, after = (round(float(rng.uniform(0.0, 0.35)) * SAMPLE_RATE) for _ in range(2))
    padded = np.pad(normalize_loudness(audio), (before, after))
    hiss = rng.standard_normal(padded.size, dtype=np.float32)
    return padded + hiss * np.float32(10.0 ** (rng.uniform(-85.0, -55.0) / 20.0))


def _utterance(spoken: Spoken, audio: Waveform, name: str) -> Utterance:
    plan = spoken.plan
    return Utterance(
        id=f"synthetic/{plan.number:08d}",
        audio=name,
        text=plan.text,
        language="en",
        speaker=f"{plan.teacher}-{plan.seed}",
        duration_s=round(audio.size / SAMPLE_RATE, 3),
        corpus=f"synthetic-{plan.teacher}",
        licence=_TEACHERS[plan.teacher].licence,
        extra={
            "voice": spoken.settings,
            "seed": plan.seed,
            "text_source": plan.source,
            "text_licence": plan.licence,
        },
    )


def sum_reports(cache: Path) -> CheckReport:
    """Counts of all complete shards of a cache."""
    total = CheckReport()
    for path in sorted(cache.glob("shard-*.report.json")):
        if path.with_name(path.name.replace(".report.json", ".jsonl")).exists():
            total.add(CheckReport.from_dict(json.loads(path.read_text(encoding="utf-8"))))
    return total


def check_same_plan(cache: Path, first_shard: Sequence[PlannedItem]) -> None:
    """Note in a new cache what is planned. Raises ConfigError if the cache was begun with another plan."""
    digest = hashlib.sha256(repr(list(first_shard)).encode()).hexdigest()
    path = cache / "plan.json"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"first_shard_sha256": digest}) + "\n", encoding="utf-8")
    elif json.loads(path.read_text(encoding="utf-8"))["first_shard_sha256"] != digest:
        raise ConfigError(
            f"{cache} was begun with other sentences, teachers or seed: write to another directory"
        )


@dataclass(frozen=True)
class SyntheticOptions:
    """What to speak and how much of it."""

    text_dir: Path
    speak: SpeakOptions
    speech_dir: Path | None = None
    sources: tuple[str, ...] = ()
    plan: PlanConfig = field(default_factory=PlanConfig)
    hours: float = 10.0
    shard_s: float = 1800.0


def prepare(options: SyntheticOptions, jobs: int = 2) -> float:
    """Write the cache; returns the hours written in this run."""
    if options.hours <= 0 or options.shard_s <= 0:
        raise InputError(f"--hours is {options.hours} and --shard-s {options.shard_s}: both must be positive")
    held_out = load_held_out(options.speech_dir, options.text_dir)
    sentences = read_sentences(options.text_dir, held_out, options.sources)
    shards = cut_plan(speaking_plan(sentences, held_out, options.plan), options.hours, options.shard_s)
    check_same_plan(options.speak.out, shards[0])
    tasks = [SyntheticShard(index, tuple(plan), options.speak) for index, plan in enumerate(shards)]
    hours = run_shards(tasks, jobs)
    table = sum_reports(options.speak.out).table()
    (options.speak.out / "teachers.tsv").write_text(table, encoding="utf-8")
    logger.info("%.2f h written to %s\n%s", hours, options.speak.out, table)
    return hours


def _parser() -> argparse.ArgumentParser:
    about = str(__doc__).partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m recipes.prepare_synthetic", description=about)
    parser.add_argument("--text-dir", type=Path, required=True, help="directory of sentences")
    parser.add_argument("--speech-dir", type=Path, help="its dev texts are never spoken; its noises are used")
    parser.add_argument(
        "--noise-dir", type=Path, help="background/, noises/, rooms/ (default: SPEECH_DIR/noise)"
    )
    parser.add_argument("--out", type=Path, required=True, help="cache directory to write")
    parser.add_argument("--hours", type=float, default=10.0)
    parser.add_argument("--shard-s", type=float, default=1800.0, help="seconds of speech in a shard")
    parser.add_argument(
        "--source", dest="sources", action="append", default=[], help="only this text; repeatable"
    )
    parser.add_argument("--teachers", nargs="+", choices=list(TEACHER_SHARES), default=list(TEACHER_SHARES))
    parser.add_argument("--augment-share", type=float, default=0.5)
    parser.add_argument("--checker", type=Path, help="directory of a Whisper model for faster-whisper")
    parser.add_argument("--check-share", type=float, default=0.02, help="share of the items that are checked")
    parser.add_argument("--max-cer", type=float, default=0.4, help="checked items over this are dropped")
    parser.add_argument("--keep-audio", action="store_true", help="also write each item as Ogg Opus")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    values = _parser().parse_args(arguments)
    configure_logging()
    noise_dir = values.noise_dir
    if noise_dir is None and values.speech_dir is not None and (values.speech_dir / "noise").is_dir():
        noise_dir = values.speech_dir / "noise"
    speak = SpeakOptions(out=values.out, noise_dir=noise_dir, augment_share=values.augment_share)
    speak = replace(speak, checker=values.checker, check_share=values.check_share, max_cer=values.max_cer)
    plan = PlanConfig(seed=values.seed, shares={name: TEACHER_SHARES[name] for name in values.teachers})
    options = SyntheticOptions(
        text_dir=values.text_dir,
        speak=replace(speak, keep_audio=values.keep_audio),
        speech_dir=values.speech_dir,
        sources=tuple(values.sources),
        plan=plan,
        hours=values.hours,
        shard_s=values.shard_s,
    )
    with errors_in_one_line(prepare):
        prepare(options, values.jobs)


if __name__ == "__main__":
    main()
