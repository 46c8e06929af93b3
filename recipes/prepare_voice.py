"""Sentences of one teacher voice with phones, durations, pitch, power and spectra, for prosody and synthesis.

    python -m recipes.prepare_voice --text-dir DIR --speech-dir DIR --out VOICE --hours 10
    python -m recipes.prepare_voice ... --hours 0.05 --aligner-items 60 --shard-items 60   # CPU-sized
    python -m recipes.prepare_voice ... --plots 6      # pictures of a few items, to look at

The teacher's own durations are made exact by a small phone model (`speech_synthesis.alignment`), which is
trained on the first sentences and kept in the cache. Text of any dev part is never spoken; one text in fifty
is for evaluation. Items of implausible alignment are left out, `report.json` counts them. The seed fixes
every shard; the same command goes on, with more hours if wanted.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recipes.data.held_out import load_held_out
from recipes.data.sentences import read_sentences
from recipes.data.voice_cache import VoiceCache, VoiceCacheWriter, VoiceItem
from recipes.data.voice_teacher import VoiceTeacher, phone_means
from recipes.loop import options
from recipes.loop.command import configure_logging
from recipes.loop.options import option
from speech_core.errors import AudioError, InputError
from speech_synthesis.alignment import PhoneAligner, Utterance, features, train_aligner
from tts_frontend.languages.en.phones import PHONES, SILENCE, base_of, is_voiced

logger = logging.getLogger(__name__)

SOURCES = ("common-voice-sentences", "libritts", "requests", "trivia", "homographs")
BASES = tuple(dict.fromkeys(base_of(phone) for phone in PHONES))
_CLASSES = tuple(BASES.index(base_of(phone)) for phone in PHONES)
LEAST_VOICING = 0.6  # share of frames that are voiced as their phone should be
LONGEST_PHONE = 60  # frames, but for pauses
LONGEST_ITEM_S = 16.0


@dataclass(frozen=True)
class RunConfig:
    """Options of this recipe."""

    text_dir: Path = option(Path(), "folder with sentences/ and dialogue/")
    speech_dir: Path | None = option(None, "folder of speech sets: their dev texts are left out")
    out: Path = option(Path(), "voice cache to write")
    sources: tuple[str, ...] = option(SOURCES, "text sources of recipes.data.sentences")
    hours: float = option(10.0, "hours of speech")
    shard_items: int = option(400, "sentences in a shard")
    aligner_items: int = option(300, "sentences the phone model is trained on")
    paces: tuple[float, float] = option((0.9, 1.12), "slowest and fastest pace")
    plots: int = option(0, "write pictures of so many items")
    seed: int = option(0, "seed")

    def __post_init__(self) -> None:
        if self.hours <= 0 or self.shard_items < 1 or self.aligner_items < 1:
            raise InputError("--hours, --shard-items and --aligner-items must be positive")


def speak(teacher: VoiceTeacher, text: str, number: int, config: RunConfig) -> VoiceItem:
    """The planned sentence `number`. Raises AudioError where it cannot be used."""
    rng = np.random.default_rng([config.seed, number])
    pace = round(float(rng.uniform(*config.paces)), 3)
    item = teacher.speak(text, f"{config.seed}-{number:07d}", pace, int(rng.integers(2**31)))
    if len(item.frames) / teacher.config.frame_rate_hz > LONGEST_ITEM_S:
        raise AudioError("too long")
    return item


def _utterance(item: VoiceItem, num_mels: int) -> Utterance:
    phones = tuple(_CLASSES[phone] for phone in item.phones)
    return Utterance(features(item.frames[:, :num_mels], item.f0_hz), phones, item.durations)


def realign(item: VoiceItem, aligner: PhoneAligner, power: NDArray[np.float32], num_mels: int) -> VoiceItem:
    """The item with exact durations, and pitch and power means that follow from them; power: (frames,)."""
    durations, score = aligner.align(_utterance(item, num_mels))
    voiced = item.f0_hz > 0
    return replace(
        item,
        durations=durations,
        log_f0=phone_means(np.log(np.maximum(item.f0_hz, 1.0)), durations, voiced),
        log_power=phone_means(power, durations, np.ones_like(voiced)),
        extra=item.extra | {"likelihood": round(score, 3), "voicing": round(voicing(item, durations), 3)},
    )


def voicing(item: VoiceItem, durations: NDArray[np.int64]) -> float:
    """Share of the frames of phones, not pauses, that have pitch exactly where their phone should."""
    phone = np.repeat(np.asarray(item.phones), durations)
    expected = np.asarray([is_voiced(symbol) for symbol in PHONES])[phone]
    spoken = phone != PHONES.index(SILENCE)
    return float(np.mean((expected == (item.f0_hz > 0))[spoken]))


def problem(item: VoiceItem) -> str | None:
    """Why an aligned item is left out, or None."""
    spoken = np.asarray(item.phones) != PHONES.index(SILENCE)
    if int(item.durations[spoken].max(initial=0)) > LONGEST_PHONE:
        return "a phone is too long"
    if item.extra["voicing"] < LEAST_VOICING:
        return "voiced where it should not be"
    if not np.isfinite(item.log_f0[spoken]).any():
        return "without pitch"
    return None


class Preparation:
    """One run of the recipe."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.teacher = VoiceTeacher()
        self.writer = VoiceCacheWriter(config.out, self.teacher.config)
        sentences = read_sentences(
            config.text_dir, load_held_out(config.speech_dir, config.text_dir), config.sources
        )
        order = np.random.default_rng(config.seed).permutation(len(sentences))
        self.texts = [sentences[index].text for index in order]
        self.aligner = self._aligner()

    def run(self) -> float:
        """Write shards until the hours are there; returns them."""
        frames, index = self._frames_there()
        wanted = self.config.hours * 3600 * self.teacher.config.frame_rate_hz
        while frames < wanted and index * self.config.shard_items < len(self.texts):
            counts: Counter[str] = Counter()
            frames += self.writer.write_shard(index, self._items(index, counts))
            path = self.config.out / f"shard-{index:05d}.report.json"
            path.write_text(json.dumps(counts) + "\n", encoding="utf-8")
            logger.info("shard %d, %.2f h, %s", index, frames / self._per_hour, dict(counts))
            index += 1
        write_report(self.config.out)
        return frames / self._per_hour

    @property
    def _per_hour(self) -> float:
        return 3600 * self.teacher.config.frame_rate_hz

    def _frames_there(self) -> tuple[int, int]:
        """Frames and number of the shards that are complete."""
        index = 0
        while self.writer.is_complete(index):
            index += 1
        return (int(VoiceCache([self.config.out]).lengths.sum()) if index else 0), index

    def _items(self, index: int, counts: Counter[str]) -> Iterator[VoiceItem]:
        first = index * self.config.shard_items
        for number in range(first, min(first + self.config.shard_items, len(self.texts))):
            item = self._item(number, counts)
            if item is not None:
                counts["kept"] += 1
                yield item

    def _item(self, number: int, counts: Counter[str]) -> VoiceItem | None:
        """A planned sentence, aligned and checked; None, and counted, where it is left out."""
        try:
            item = speak(self.teacher, self.texts[number], number, self.config)
            aligned = realign(item, self.aligner, item.frame_power(), self.teacher.config.num_mels)
        except (AudioError, InputError) as error:
            counts["not word by word" if isinstance(error, AudioError) else "too short"] += 1
            return None
        reason = problem(aligned)
        if reason:
            counts[reason] += 1
        return None if reason else aligned

    def _aligner(self) -> PhoneAligner:
        """The phone model of the cache, trained on its first sentences."""
        path = self.config.out / "aligner.npz"
        if path.exists():
            with np.load(path) as parts:
                return PhoneAligner(parts["means"], parts["variances"], parts["scale"], int(parts["pause"]))
        items = []
        for number in range(min(self.config.aligner_items, len(self.texts))):
            try:
                items.append(speak(self.teacher, self.texts[number], number, self.config))
            except AudioError:
                continue
        utterances = [_utterance(item, self.teacher.config.num_mels) for item in items]
        aligner = train_aligner(utterances, len(BASES), BASES.index(SILENCE))
        parts = {name: getattr(aligner, name) for name in ("means", "variances", "scale", "pause")}
        np.savez(path, **parts)
        return aligner


def write_report(folder: Path) -> None:
    """Counts of all shards and statistics of the phones, to read: report.json."""
    counts: Counter[str] = Counter()
    for path in sorted(folder.glob("shard-*.report.json")):
        counts.update(json.loads(path.read_text(encoding="utf-8")))
    cache = VoiceCache([folder])
    durations: dict[str, list[int]] = {}
    for item in cache:
        for phone, frames in zip(item.phones, item.durations, strict=True):
            durations.setdefault(base_of(PHONES[phone]), []).append(int(frames))
    phones = {
        base: {
            "count": len(v),
            "mean_ms": round(12.5 * float(np.mean(v)), 1),
            "p99_ms": 12.5 * float(np.percentile(v, 99)),
        }
        for base, v in sorted(durations.items())
    }
    report = {"hours": round(cache.hours, 3), "items": len(cache), "counts": counts, "phones": phones}
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def plot_items(cache: VoiceCache, folder: Path, number: int) -> None:
    """Pictures of items: spectrum, phones and pitch. Needs matplotlib."""
    from matplotlib.figure import Figure

    folder.mkdir(exist_ok=True)
    for index in range(min(number, len(cache))):
        item = cache[index]
        figure = Figure(figsize=(18, 5))
        axes = figure.subplots()
        image = item.frames[:, : cache.config.num_mels].astype(np.float32).T
        axes.imshow(image, origin="lower", aspect="auto")
        axes.plot(np.where(item.f0_hz > 0, item.f0_hz / 5, np.nan), "r")
        for start, phone in zip(np.cumsum(item.durations) - item.durations, item.phones, strict=True):
            axes.axvline(float(start), color="white", linewidth=0.6)
            axes.text(float(start), cache.config.num_mels + 1, PHONES[phone], fontsize=8)
        axes.set_title(item.text, y=1.05)
        figure.savefig(folder / f"{item.id}.png", dpi=70)


def main(argv: Sequence[str] | None = None) -> None:
    """Command line."""
    config = options.parse(RunConfig, str(__doc__), argv)
    configure_logging()
    hours = Preparation(config).run()
    logger.info("%.2f h in %s", hours, config.out)
    if config.plots:
        plot_items(VoiceCache([config.out], "dev"), config.out / "plots", config.plots)


if __name__ == "__main__":
    main()
