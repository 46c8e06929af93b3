"""Word and character error rates over a corpus, with counts, intervals, significance and signatures.

The only file that imports scoring libraries: jiwer for alignment, whisper-normalizer for Whisper's text
normalisers. A rate is (S + D + I) / N with errors and reference words summed over the corpus first, never
a mean of files. An empty reference stays in the set: every hypothesis word there is an insertion, and it adds
nothing to N. When the whole set has N = 0 there is no rate (None), only counts.
"""

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from speech_core.errors import ConfigError, InputError

Unit = Literal["word", "char"]
Counts = NDArray[np.int64]  # (items, 4): substitutions, deletions, insertions, reference units

NORMALIZERS = ("raw", "whisper-en", "whisper-en-words", "whisper-basic", "whisper-basic-marks")
PARALLEL_TEXTS = 20_000  # from here on texts are normalised on several cores
RESAMPLES_AT_ONCE = 4_000_000  # indices drawn in one array of the bootstrap


@dataclass(frozen=True)
class Metric:
    """One error rate: `unit` word or char, and the normaliser of both sides (a name of NORMALIZERS)."""

    unit: Unit = "word"
    normalizer: str = "whisper-en"

    def __post_init__(self) -> None:
        """Reject an unknown unit or normaliser."""
        if self.unit not in ("word", "char"):
            raise ConfigError(f"unit is {self.unit}: use word or char")
        if self.normalizer not in NORMALIZERS:
            raise ConfigError(f"normalizer is {self.normalizer}: use one of {', '.join(NORMALIZERS)}")

    @property
    def name(self) -> str:
        """Short name for tables and JSON keys, such as wer/whisper-en."""
        return f"{'wer' if self.unit == 'word' else 'cer'}/{self.normalizer}"


@dataclass(frozen=True)
class BootstrapConfig:
    """How intervals are drawn: whole utterances with replacement, `resamples` times, percentiles at
    `confidence`.
    """

    resamples: int = 1000
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        """Reject impossible values."""
        if self.resamples < 1 or not 0.0 < self.confidence < 1.0 or self.seed < 0:
            raise ConfigError(f"bootstrap {self}: needs resamples >= 1, 0 < confidence < 1, seed >= 0")


@dataclass(frozen=True)
class Score:
    """One corpus-level error rate. rate, low, high are fractions (None when there are no reference units)."""

    metric: str
    rate: float | None
    low: float | None
    high: float | None
    substitutions: int
    deletions: int
    insertions: int
    reference_units: int
    items: int
    empty_references: int
    signature: str


@dataclass(frozen=True)
class Comparison:
    """Paired bootstrap of system minus peer: delta, low, high are differences of rates, p_value two-sided."""

    delta: float | None
    low: float | None
    high: float | None
    p_value: float | None
    signature: str


@dataclass(frozen=True)
class Confusions:
    """What was taken for what: (reference, hypothesis) word pairs, deleted words, inserted words; counts."""

    substituted: Counter[tuple[str, str]] = field(default_factory=Counter)
    deleted: Counter[str] = field(default_factory=Counter)
    inserted: Counter[str] = field(default_factory=Counter)


@cache
def _normalizer(name: str) -> Callable[[str], str]:
    """Return the function of one normaliser. Built once a process: the English one reads a word list."""
    if name == "raw":
        return str
    if name.startswith("whisper-en"):
        from whisper_normalizer.english import EnglishTextNormalizer

        english: Callable[[str], str] = EnglishTextNormalizer()
        return english
    from whisper_normalizer.basic import BasicTextNormalizer

    basic: Callable[[str], str] = BasicTextNormalizer(preserve_marks=name == "whisper-basic-marks")
    return basic


def normalize_text(text: str, normalizer: str = "whisper-en") -> str:
    """Return one text normalised, with single spaces between words. Source: the Whisper paper, appendix C.

    Whisper's English normaliser makes a word "." of an ellipsis at the end of a text. `whisper-en` keeps
    that, to equal other people's figures; `whisper-en-words` drops pieces without a letter or digit.
    """
    words = _normalizer(normalizer)(text).split()
    if normalizer == "whisper-en-words":
        words = [word for word in words if any(char.isalnum() for char in word)]
    return " ".join(words)


def _normalize_chunk(job: tuple[str, Sequence[str]]) -> list[str]:
    """Normalise many texts: the work of one process."""
    name, texts = job
    return [normalize_text(text, name) for text in texts]


def normalize_all(
    texts: Iterable[str], normalizer: str = "whisper-en", workers: int | None = None
) -> list[str]:
    """Return all texts normalised, each different text once; `workers` processes (default: all cores) when
    many.
    """
    texts = list(texts)
    unique = list(dict.fromkeys(texts))
    workers = workers or os.cpu_count() or 1
    if len(unique) < PARALLEL_TEXTS or workers == 1 or normalizer == "raw":
        done = _normalize_chunk((normalizer, unique))
    else:
        size = -(-len(unique) // (4 * workers))
        jobs = [(normalizer, unique[start : start + size]) for start in range(0, len(unique), size)]
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            done = [text for part in pool.map(_normalize_chunk, jobs) for text in part]
    table = dict(zip(unique, done, strict=True))
    return [table[text] for text in texts]


def prepare_texts(texts: Iterable[str], metric: Metric) -> list[str]:
    """Return texts as they are aligned: normalised and, for characters, without spaces (code points)."""
    done = normalize_all(texts, metric.normalizer)
    return done if metric.unit == "word" else ["".join(text.split()) for text in done]


def count_edits(references: Sequence[str], hypotheses: Sequence[str], unit: Unit = "word") -> Counts:
    """Align prepared texts pair by pair; return (items, 4): substitutions, deletions, insertions, reference
    units.

    Raises InputError when the numbers of references and hypotheses differ.
    """
    return align(references, hypotheses, unit)[0]


def align(
    references: Sequence[str], hypotheses: Sequence[str], unit: Unit = "word"
) -> tuple[Counts, Confusions]:
    """Align prepared texts pair by pair; return the counts of `count_edits` and, for words, what was
    confused.
    """
    if len(references) != len(hypotheses):
        raise InputError(
            f"{len(references)} references and {len(hypotheses)} hypotheses: pair them by id first"
        )
    counts = np.zeros((len(references), 4), dtype=np.int64)
    confusions = Confusions()
    if not references:
        return counts, confusions
    import jiwer

    process = jiwer.process_words if unit == "word" else jiwer.process_characters
    output = process(list(references), list(hypotheses))
    column = {"substitute": 0, "delete": 1, "insert": 2}
    for row, chunks in enumerate(output.alignments):
        reference, hypothesis = output.references[row], output.hypotheses[row]
        counts[row, 3] = len(reference)
        for chunk in chunks:
            if chunk.type == "equal":
                continue
            wanted = reference[chunk.ref_start_idx : chunk.ref_end_idx]
            got = hypothesis[chunk.hyp_start_idx : chunk.hyp_end_idx]
            counts[row, column[chunk.type]] += max(len(wanted), len(got))
            if unit == "word":
                _add_confusions(confusions, chunk.type, wanted, got)
    return counts, confusions


def _add_confusions(confusions: Confusions, kind: str, wanted: list[str], got: list[str]) -> None:
    """Count the words of one aligned piece."""
    if kind == "substitute":
        confusions.substituted.update(zip(wanted, got, strict=True))
    elif kind == "delete":
        confusions.deleted.update(wanted)
    else:
        confusions.inserted.update(got)


def error_rate(counts: Counts) -> float | None:
    """Return (S + D + I) / N over all rows, or None when N is 0."""
    total = counts.sum(axis=0)
    return float(total[:3].sum() / total[3]) if total[3] else None


def resampled_rates(counts: Sequence[Counts], config: BootstrapConfig) -> NDArray[np.float64]:
    """Return rates (systems, resamples) over the same draws of utterances for each system; nan where N is 0.

    counts: one (items, 4) array per system, rows in the same order.
    """
    pairs = np.concatenate([np.stack([c[:, :3].sum(axis=1), c[:, 3]], axis=1) for c in counts], axis=1)
    items = len(pairs)
    if not items:
        return np.full((len(counts), config.resamples), np.nan)
    rng = np.random.default_rng(config.seed)
    sums = np.empty((config.resamples, pairs.shape[1]), dtype=np.float64)
    step = max(1, RESAMPLES_AT_ONCE // items)
    for start in range(0, config.resamples, step):
        stop = min(start + step, config.resamples)
        draws = rng.integers(0, items, size=(stop - start, items), dtype=np.int32)
        for column in range(pairs.shape[1]):
            sums[start:stop, column] = pairs[:, column][draws].sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = np.where(sums[:, 1::2] > 0, sums[:, 0::2] / sums[:, 1::2], np.nan)
    return np.ascontiguousarray(rates.T)


def _interval(values: NDArray[np.float64], confidence: float) -> tuple[float | None, float | None]:
    """Return the percentiles that hold `confidence` of the values, leaving nan out."""
    values = values[~np.isnan(values)]
    if not len(values):
        return None, None
    low, high = np.percentile(values, [50 * (1 - confidence), 50 * (1 + confidence)])
    return float(low), float(high)


def make_signature(metric: Metric, config: BootstrapConfig) -> str:
    """Return every option and version that can change a score."""
    spaces = "" if metric.unit == "word" else "|spaces:removed|unit:codepoint"
    normalizer = "" if metric.normalizer == "raw" else f"|whisper-normalizer:{version('whisper-normalizer')}"
    return (
        f"{metric.name.partition('/')[0]}|norm:{metric.normalizer}{spaces}|level:corpus|empty-ref:kept"
        f"|ci:bootstrap-utterance-{config.resamples}-{config.confidence:g}|seed:{config.seed}"
        f"|jiwer:{version('jiwer')}{normalizer}|numpy:{np.__version__}"
    )


def score_counts(counts: Counts, metric: Metric, config: BootstrapConfig) -> Score:
    """Return the corpus score of aligned items, with its interval."""
    low, high = _interval(resampled_rates([counts], config)[0], config.confidence)
    rate = error_rate(counts)
    totals = [int(value) for value in counts.sum(axis=0)]
    return Score(
        metric=metric.name,
        rate=rate,
        low=low if rate is not None else None,
        high=high if rate is not None else None,
        substitutions=totals[0],
        deletions=totals[1],
        insertions=totals[2],
        reference_units=totals[3],
        items=len(counts),
        empty_references=int((counts[:, 3] == 0).sum()),
        signature=make_signature(metric, config),
    )


def score_texts(
    references: Sequence[str],
    hypotheses: Sequence[str],
    metric: Metric | None = None,
    config: BootstrapConfig | None = None,
) -> Score:
    """Return the corpus score of hypotheses against references (WER, Whisper English, unless told)."""
    metric, config = metric or Metric(), config or BootstrapConfig()
    wanted, got = prepare_texts(references, metric), prepare_texts(hypotheses, metric)
    return score_counts(count_edits(wanted, got, metric.unit), metric, config)


def compare_counts(system: Counts, peer: Counts, metric: Metric, config: BootstrapConfig) -> Comparison:
    """Return the paired bootstrap of two systems over the same items (negative delta: the system makes fewer
    errors).

    p_value: twice the smaller share of draws on either side of zero, with one added to each count, at most 1.
    Raises InputError when the two were not scored on the same references.
    """
    if system.shape != peer.shape or not np.array_equal(system[:, 3], peer[:, 3]):
        raise InputError("the two systems were not scored on the same references: align them by id first")
    signature = f"paired-{make_signature(metric, config)}"
    ours, theirs = error_rate(system), error_rate(peer)
    if ours is None or theirs is None:
        return Comparison(None, None, None, None, signature)
    rates = resampled_rates([system, peer], config)
    deltas = rates[0] - rates[1]
    low, high = _interval(deltas, config.confidence)
    valid = deltas[~np.isnan(deltas)]
    tail = min(int((valid <= 0).sum()), int((valid >= 0).sum()))
    p_value = min(1.0, 2.0 * (tail + 1) / (len(valid) + 1))
    return Comparison(ours - theirs, low, high, p_value, signature)
