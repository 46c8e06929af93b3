"""How far a streaming transcription or translation lags behind its source, by the definitions of SimulEval.

Average lagging (AL; Ma et al., arXiv 1810.08398) of one sentence, with delays d_i of the words it writes:

    AL = 1/tau * sum_{i=1..tau} (d_i - (i - 1) * source / target),   tau: the first i with d_i >= source

target is the number of words of the reference. The length-adaptive form (LAAL; Papi et al., arXiv 2206.05807)
takes the longer of reference and hypothesis, so that writing too much is no gain. Not computation-aware, d_i
is how much of the source was heard when word i was written; computation-aware, the time spent computing until
then comes on top ("elapsed"). A corpus has the mean over sentences that have words.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from llama_speech.evaluation.scores import BootstrapConfig
from speech_core.errors import InputError


@dataclass(frozen=True)
class Instance:
    """One sentence: when each word was written, in ms of sound (delays) and with computing (elapsed).

    source_ms: length of the source; target_words: of the reference, None without one.
    """

    id: str
    prediction: str
    delays_ms: tuple[float, ...]
    elapsed_ms: tuple[float, ...]
    source_ms: float
    target_words: int | None

    def __post_init__(self) -> None:
        if self.source_ms <= 0 or (self.target_words is not None and self.target_words < 0):
            raise InputError(f"{self.id}: the source must have a length, and a reference no negative one")
        for times in (self.delays_ms, self.elapsed_ms):
            if any(late < early for early, late in pairwise(times)):
                raise InputError(f"{self.id}: a word is written before the one in front of it")


@dataclass(frozen=True)
class Lag:
    """A corpus mean in ms with its interval; skipped: sentences without words, which have no lag."""

    mean_ms: float | None
    low_ms: float | None
    high_ms: float | None
    sentences: int
    skipped: int


def average_lagging(times_ms: Sequence[float], source_ms: float, target_words: int) -> float:
    """AL of one sentence in ms; target_words: of the reference (LAAL: of it or the words written, if more).

    A first word behind the end of the source lags by its time, as SimulEval has it. Raises InputError for no
    words or an empty target.
    """
    if not times_ms or target_words < 1:
        raise InputError("a sentence without words, written or wanted, has no lag")
    if times_ms[0] > source_ms:
        return times_ms[0]
    times = np.asarray(times_ms, dtype=np.float64)
    behind = np.flatnonzero(times >= source_ms)
    tau = int(behind[0]) + 1 if len(behind) else len(times)
    ideal = np.arange(tau) * source_ms / target_words
    return float((times[:tau] - ideal).mean())


def lag_of(one: Instance, length_adaptive: bool, computation_aware: bool) -> float | None:
    """Lag of a sentence by one of the four definitions; None when it has no words."""
    times = one.elapsed_ms if computation_aware else one.delays_ms
    target = len(times) if one.target_words is None else one.target_words
    if length_adaptive:
        target = max(target, len(times))
    return average_lagging(times, one.source_ms, target) if times and target else None


def corpus_lags(instances: Sequence[Instance], config: BootstrapConfig) -> dict[str, Lag]:
    """AL, LAAL, AL_CA and LAAL_CA of a corpus, with bootstrap intervals over sentences."""
    lags = {}
    for name, adaptive, aware in (
        ("AL", False, False),
        ("LAAL", True, False),
        ("AL_CA", False, True),
        ("LAAL_CA", True, True),
    ):
        found = [lag_of(one, adaptive, aware) for one in instances]
        values = np.array([value for value in found if value is not None])
        if not len(values):
            lags[name] = Lag(None, None, None, 0, len(instances))
            continue
        rng = np.random.default_rng(config.seed)
        draws = values[rng.integers(0, len(values), size=(config.resamples, len(values)))].mean(axis=1)
        low, high = np.percentile(draws, [50 * (1 - config.confidence), 50 * (1 + config.confidence)])
        skipped = len(instances) - len(values)
        lags[name] = Lag(float(values.mean()), float(low), float(high), len(values), skipped)
    return lags


def read_instances(path: Path) -> list[Instance]:
    """The sentences of SimulEval's instances.log, speech to text. Raises InputError with file and line."""
    found = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            reference = record.get("reference")
            delays = tuple(float(time) for time in record["delays"])
            found.append(
                Instance(
                    str(record.get("index", number)),
                    str(record.get("prediction") or ""),
                    delays,
                    tuple(float(time) for time in record.get("elapsed") or delays),
                    float(record["source_length"]),
                    None if reference is None else len(str(reference).split()),
                )
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise InputError(f"{path}:{number} is no line of SimulEval's instances.log: {reason}") from None
    return found
