"""Recognition scored over test sets: several systems on the same files, rates with intervals, what goes wrong
and where.
"""

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from llama_speech.evaluation.datasets import EvalItem, EvalSet
from llama_speech.evaluation.no_speech import NoSpeechResult
from llama_speech.evaluation.peers import Recognizer
from llama_speech.evaluation.scores import (
    BootstrapConfig,
    Comparison,
    Confusions,
    Counts,
    Metric,
    Score,
    align,
    compare_counts,
    error_rate,
    prepare_texts,
    score_counts,
)
from llama_speech.evaluation.transcripts import Transcript, transcribe_files
from speech_core.errors import ConfigError

TOO_FAST = "too fast"  # the group of such items
LENGTH_EDGES = (1, 4, 8, 16, 32)  # reference words: a group starts at each
FASTEST_CHARS_PER_S = 28.0  # nobody speaks faster: the audio is cut off, or the text is not its own
DEFAULT_METRICS = (
    Metric("word", "whisper-en"),
    Metric("word", "whisper-en-words"),
    Metric("word", "whisper-basic"),
    Metric("word", "whisper-basic-marks"),
    Metric("word", "raw"),
    Metric("char", "whisper-basic"),
    Metric("char", "whisper-basic-marks"),
)


@dataclass(frozen=True)
class AsrConfig:
    """What is computed: the first metric is the one of tables, comparisons, confusions and groups.

    num_subjects: the first systems are the ones under test; each is compared with every system after it.
    """

    cache_dir: Path
    metrics: tuple[Metric, ...] = DEFAULT_METRICS
    bootstrap: BootstrapConfig = field(default_factory=BootstrapConfig)
    num_subjects: int = 1
    top_confusions: int = 20


@dataclass(frozen=True)
class GroupScore:
    """The error rate of the items that share something: a length, a speaker."""

    group: str
    rate: float | None
    reference_units: int
    items: int


@dataclass(frozen=True)
class SystemResult:
    """One system on one set. Real-time factors are time spent over audio time, failed items left out."""

    name: str
    signature: str
    failed: int
    audio_s: float
    wall_s: float
    cpu_s: float
    real_time_factor_wall: float | None
    real_time_factor_cpu: float | None
    scores: dict[str, Score]
    against: dict[str, Comparison]
    confusions: dict[str, list[list[str | int]]]
    by_length: list[GroupScore]
    by_speaker: list[GroupScore]
    by_pace: list[GroupScore]
    by_noise: list[GroupScore] = field(default_factory=list)


@dataclass(frozen=True)
class ItemResult:
    """One item with what each system made of it; counts: metric -> [S, D, I, N] per system."""

    id: str
    audio: str
    audio_sha256: str
    reference: str
    speaker: str | None
    duration_s: float
    hypotheses: dict[str, str]
    errors: dict[str, str]
    counts: dict[str, dict[str, list[int]]]


@dataclass(frozen=True)
class SetResult:
    """All systems on one set; `dropped` counts by reason what the manifest has and the set has not."""

    name: str
    manifest_sha256: str
    audio_s: float
    dropped: dict[str, int]
    systems: list[SystemResult]
    items: list[ItemResult]
    language: str | None = None


@dataclass(frozen=True)
class AsrResult:
    """Everything of one run. pooled: system -> score of all items of all sets under the first metric."""

    task: str
    created: str
    machine: str
    sets: list[SetResult]
    pooled: dict[str, Score] = field(default_factory=dict)
    pooled_against: dict[str, dict[str, Comparison]] = field(default_factory=dict)
    no_speech: list[NoSpeechResult] = field(default_factory=list)


RecognizersFor = Callable[[EvalSet], Sequence[Recognizer]]
ProgressTo = Callable[[str], Callable[[int, int], None]]  # label -> (done, all) -> None


def machine_text() -> str:
    """Return processor kind, system and Python in one line, for reports."""
    cores = f"{platform.machine()}, {os.cpu_count()} cores"
    return f"{cores}, {platform.system()}, Python {platform.python_version()}"


def duration_s(item: EvalItem) -> float:
    """Return the item's length as its manifest says, else as decoded."""
    if item.duration_s is not None:
        return item.duration_s
    from speech_core.audio import load_audio

    return len(load_audio(item.audio, 16000)) / 16000


def group_scores(counts: Counts, groups: Sequence[str]) -> list[GroupScore]:
    """Return one rate per group, in order of first appearance."""
    names = np.array(groups)
    result = []
    for name in dict.fromkeys(groups):
        part = counts[names == name]
        result.append(GroupScore(name, error_rate(part), int(part[:, 3].sum()), len(part)))
    return result


def length_group(words: int) -> str:
    """Return the name of the length group of a reference with so many words."""
    starts = [edge for edge in LENGTH_EDGES if edge <= words]
    if not starts:
        return "0 words"
    index = len(starts) - 1
    if index == len(LENGTH_EDGES) - 1:
        return f"{LENGTH_EDGES[-1]}+ words"
    return f"{LENGTH_EDGES[index]}-{LENGTH_EDGES[index + 1] - 1} words"


def noise_group(item: EvalItem) -> str:
    """The group of an item by what its record says of noise: its kind, and its level in steps of 5 dB."""
    more = {**(item.more.get("extra") or {}), **item.more}
    kind, snr_db = more.get("noise"), more.get("snr_db")
    if snr_db is None:
        return str(kind) if kind is not None else "not stated"
    low = 5 * int(float(snr_db) // 5)
    return f"{low} to {low + 5} dB{f', {kind}' if kind is not None else ''}"


def top_confusions(confusions: Confusions, top: int) -> dict[str, list[list[str | int]]]:
    """Return the most frequent confusions as lists for JSON."""
    return {
        "substituted": [[*pair, count] for pair, count in confusions.substituted.most_common(top)],
        "deleted": [[word, count] for word, count in confusions.deleted.most_common(top)],
        "inserted": [[word, count] for word, count in confusions.inserted.most_common(top)],
    }


@dataclass
class _SetWork:
    """One set while it is scored: references and durations once, counts per system and metric."""

    eval_set: EvalSet
    config: AsrConfig
    durations_s: list[float]
    references: dict[str, list[str]]
    transcripts: dict[str, list[Transcript]] = field(default_factory=dict)
    counts: dict[str, dict[str, Counts]] = field(default_factory=dict)
    confusions: dict[str, Confusions] = field(default_factory=dict)

    @classmethod
    def start(cls, eval_set: EvalSet, config: AsrConfig) -> "_SetWork":
        """Normalise the references of a set under every metric."""
        texts = [item.text for item in eval_set.items]
        references = {metric.name: prepare_texts(texts, metric) for metric in config.metrics}
        return cls(eval_set, config, [duration_s(item) for item in eval_set.items], references)

    def add(self, name: str, transcripts: list[Transcript]) -> None:
        """Align one system's texts under every metric. A failed item counts with an empty text."""
        self.transcripts[name] = transcripts
        self.counts[name] = {}
        for index, metric in enumerate(self.config.metrics):
            texts = prepare_texts([item.text for item in transcripts], metric)
            counts, confusions = align(self.references[metric.name], texts, metric.unit)
            self.counts[name][metric.name] = counts
            if index == 0:
                self.confusions[name] = confusions

    def system_result(self, recognizer: Recognizer, peers: Sequence[str]) -> SystemResult:
        """Return the scores of one system, compared with `peers` under the first metric."""
        name, config, first = recognizer.name, self.config, self.config.metrics[0]
        done = [
            (item, seconds)
            for item, seconds in zip(self.transcripts[name], self.durations_s, strict=True)
            if item.error is None
        ]
        audio_s = sum(seconds for _, seconds in done)
        wall_s, cpu_s = sum(item.wall_s for item, _ in done), sum(item.cpu_s for item, _ in done)
        counts = self.counts[name][first.name]
        return SystemResult(
            name=name,
            signature=recognizer.signature(),
            failed=len(self.durations_s) - len(done),
            audio_s=audio_s,
            wall_s=wall_s,
            cpu_s=cpu_s,
            real_time_factor_wall=wall_s / audio_s if audio_s else None,
            real_time_factor_cpu=cpu_s / audio_s if audio_s else None,
            scores={
                m.name: score_counts(self.counts[name][m.name], m, config.bootstrap) for m in config.metrics
            },
            against={
                peer: compare_counts(counts, self.counts[peer][first.name], first, config.bootstrap)
                for peer in peers
            },
            confusions=top_confusions(self.confusions[name], config.top_confusions),
            by_length=group_scores(counts, [length_group(int(words)) for words in counts[:, 3]]),
            by_speaker=group_scores(counts, [item.speaker or "unknown" for item in self.eval_set.items]),
            by_pace=group_scores(counts, self._paces()),
            by_noise=group_scores(counts, [noise_group(item) for item in self.eval_set.items]),
        )

    def _paces(self) -> list[str]:
        """Return for each item whether its text can have been spoken in its time."""
        pairs = zip(self.eval_set.items, self.durations_s, strict=True)
        too_fast = [len(item.text) > FASTEST_CHARS_PER_S * seconds for item, seconds in pairs]
        return [TOO_FAST if fast else "spoken" for fast in too_fast]

    def item_results(self) -> list[ItemResult]:
        """Return every item with every system's text and counts."""
        results = []
        for row, item in enumerate(self.eval_set.items):
            made = {name: transcripts[row] for name, transcripts in self.transcripts.items()}
            results.append(
                ItemResult(
                    id=item.id,
                    audio=item.audio.name,
                    audio_sha256=next(iter(made.values())).audio_sha256,
                    reference=item.text,
                    speaker=item.speaker,
                    duration_s=self.durations_s[row],
                    hypotheses={name: transcript.text for name, transcript in made.items()},
                    errors={name: t.error for name, t in made.items() if t.error is not None},
                    counts={
                        name: {metric: counts[row].tolist() for metric, counts in table.items()}
                        for name, table in self.counts.items()
                    },
                )
            )
        return results


def _score_set(work: _SetWork, recognizers: Sequence[Recognizer]) -> SetResult:
    """Return the result of a set whose systems have all been added."""
    names = [recognizer.name for recognizer in recognizers]
    systems = []
    for index, recognizer in enumerate(recognizers):
        peers = names[index + 1 :] if index < work.config.num_subjects else []
        systems.append(work.system_result(recognizer, peers))
    return SetResult(
        name=work.eval_set.name,
        manifest_sha256=work.eval_set.manifest_sha256,
        audio_s=sum(work.durations_s),
        dropped=work.eval_set.dropped,
        systems=systems,
        items=work.item_results(),
        language=work.eval_set.language,
    )


def _pool(
    works: Sequence[_SetWork], names: Sequence[str], config: AsrConfig
) -> tuple[dict[str, Score], dict[str, dict[str, Comparison]]]:
    """Return scores and comparisons over the items of all sets together."""
    first = config.metrics[0]
    counts = {name: np.concatenate([work.counts[name][first.name] for work in works]) for name in names}
    scores = {name: score_counts(counts[name], first, config.bootstrap) for name in names}
    against = {
        name: {
            peer: compare_counts(counts[name], counts[peer], first, config.bootstrap)
            for peer in names[index + 1 :]
        }
        for index, name in enumerate(names[: config.num_subjects])
    }
    return scores, against


def evaluate_asr(
    sets: Sequence[EvalSet],
    recognizers: Sequence[Recognizer] | RecognizersFor,
    config: AsrConfig,
    progress: ProgressTo | None = None,
) -> AsrResult:
    """Return every score of every system on every set; texts known to the cache are not made again.

    recognizers: for all sets, or a function that gives those for a set, of the same names everywhere.
    Raises ConfigError when there is nothing to run or two systems or sets share a name.
    """
    chosen = [list(recognizers(one) if callable(recognizers) else recognizers) for one in sets]
    names = [recognizer.name for recognizer in chosen[0]] if chosen else []
    if any([recognizer.name for recognizer in own] != names for own in chosen):
        raise ConfigError(f"every set needs the same systems: {', '.join(names)}")
    for kind, values in (("system", names), ("set", [s.name for s in sets])):
        if not values or len(set(values)) != len(values):
            raise ConfigError(
                f"needs at least one {kind}, each with its own name; got {', '.join(values) or 'none'}"
            )
    works = [_SetWork.start(eval_set, config) for eval_set in sets]
    for place, name in enumerate(names):  # one after the other, so that one model is in memory at work
        for work, own in zip(works, chosen, strict=True):
            report = progress(f"{name} on {work.eval_set.name}") if progress else None
            paths = [item.audio for item in work.eval_set.items]
            work.add(name, transcribe_files(own[place], paths, config.cache_dir, report))
    pooled, pooled_against = _pool(works, names, config)
    return AsrResult(
        task="asr",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine_text(),
        sets=[_score_set(work, own) for work, own in zip(works, chosen, strict=True)],
        pooled=pooled,
        pooled_against=pooled_against,
    )
