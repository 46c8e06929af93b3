"""BLEU and chrF of translations, with intervals, significance and sacrebleu's signatures.

Beside scores.py the only file that imports a scoring library. BLEU is corpus level on raw, cased text with
the tokenizer 13a, and characters for targets without spaces between words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llama_speech.evaluation.scores import BootstrapConfig
from speech_core.errors import InputError

CHARACTER_TARGETS = ("zh", "ja", "th", "ko")


@dataclass(frozen=True)
class TextScore:
    """One corpus score from 0 to 100; low and high are of its bootstrap interval."""

    metric: str
    score: float
    low: float
    high: float
    items: int
    signature: str


@dataclass(frozen=True)
class TextComparison:
    """Paired bootstrap of two systems: system minus peer, and its p-value."""

    metric: str
    delta: float
    p_value: float
    signature: str


def bleu_tokenizer(target: str) -> str:
    """sacrebleu's tokenizer for a target language (code)."""
    return "char" if target in CHARACTER_TARGETS else "13a"


def make_metrics(target: str) -> dict[str, Any]:
    """BLEU and chrF for a target language, by name."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    return {"BLEU": BLEU(tokenize=bleu_tokenizer(target)), "chrF": CHRF()}


def score_translations(
    references: Sequence[str], hypotheses: Sequence[str], target: str, config: BootstrapConfig
) -> dict[str, TextScore]:
    """Corpus BLEU and chrF. Raises InputError when nothing is there or the numbers differ."""
    if len(references) != len(hypotheses) or not references:
        raise InputError(f"{len(references)} references, {len(hypotheses)} translations: pair them by id")
    scores = {}
    for name, metric in make_metrics(target).items():
        score = float(metric.corpus_score(list(hypotheses), [list(references)]).score)
        resampled = _resampled(metric, references, hypotheses, config)
        low, high = np.percentile(resampled, [50 * (1 - config.confidence), 50 * (1 + config.confidence)])
        signature = _signature(metric, config)
        scores[name] = TextScore(name, score, float(low), float(high), len(references), signature)
    return scores


def compare_translations(
    references: Sequence[str],
    systems: Mapping[str, Sequence[str]],
    target: str,
    config: BootstrapConfig,
) -> dict[str, list[TextComparison]]:
    """The first system against each other one by paired bootstrap: peer -> comparisons.

    p_value: twice the smaller share of draws on either side of zero, one added to each count, at most 1.
    """
    names = list(systems)
    found: dict[str, list[TextComparison]] = {name: [] for name in names[1:]}
    for name, metric in make_metrics(target).items():
        scores = [metric.corpus_score(list(systems[one]), [list(references)]).score for one in names]
        draws = [_resampled(metric, references, systems[one], config) for one in names]
        for place in range(1, len(names)):
            deltas = draws[0] - draws[place]
            tail = min(int((deltas <= 0).sum()), int((deltas >= 0).sum()))
            p_value = min(1.0, 2.0 * (tail + 1) / (len(deltas) + 1))
            delta = float(scores[0] - scores[place])
            signature = f"paired-{_signature(metric, config)}"
            found[names[place]].append(TextComparison(name, delta, p_value, signature))
    return found


def _resampled(
    metric: Any, references: Sequence[str], hypotheses: Sequence[str], config: BootstrapConfig
) -> NDArray[np.float64]:
    """Corpus scores of resampled items, (resamples,): the same draws for every system.

    From sacrebleu's statistics of each sentence, which it sums in the same way; its own bootstrap fails on
    scores of different number types and draws from a fixed seed.
    """
    statistics = np.array(metric._extract_corpus_statistics(list(hypotheses), [list(references)]))
    rng = np.random.default_rng(config.seed)
    items = len(statistics)
    sums = (statistics[rng.integers(0, items, items)].sum(axis=0) for _ in range(config.resamples))
    return np.array([float(metric._compute_score_from_stats(total.tolist()).score) for total in sums])


def _signature(metric: Any, config: BootstrapConfig) -> str:
    interval = f"ci:bootstrap-item-{config.resamples}-{config.confidence:g}|seed:{config.seed}"
    return f"{metric.get_signature()}|{interval}|numpy:{np.__version__}"


def sentence_chrf(reference: str, hypothesis: str) -> float:
    """chrF of one sentence, 0 to 100: for lists of items, never for averages."""
    from sacrebleu.metrics.chrf import CHRF

    return float(CHRF().sentence_score(hypothesis, [reference]).score)
