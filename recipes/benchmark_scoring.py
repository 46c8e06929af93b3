"""How fast scoring is by itself: word errors of many utterance pairs, normalised, aligned and resampled."""

import random
import time
from collections.abc import Sequence
from typing import Any

from llama_speech.evaluation.scores import BootstrapConfig, Metric, count_edits, prepare_texts, score_counts
from llama_speech.evaluation.transcripts import cpu_time_s

TEXT = (
    "the of and to in a is that it was for on are as with his they at be this have from or one had by word "
    "but not what all were we when your can said there use an each which she do how their if will up other "
    "about out many then them these so some her would make like him into time has look two more write go see "
    "number no way could people my than first water been call who oil its now find Mr. Dr. won't it's colour "
    "twenty-one 1984 $5 3rd organise"
)
LENGTHS = (4, 24)  # words of an utterance, from and to
ERROR_SHARE = 0.15


def make_pairs(number: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """References, all different, and hypotheses with one word in seven replaced, dropped or doubled."""
    rng, words = random.Random(seed), TEXT.split()
    references = [f"{_sentence(words, rng)} {place}." for place in range(number)]
    return references, [_broken(text, words, rng) for text in references]


def _sentence(vocabulary: list[str], rng: random.Random) -> str:
    words = rng.choices(vocabulary, k=rng.randint(*LENGTHS))
    return " ".join([words[0].capitalize(), *words[1:]])


def _broken(text: str, vocabulary: list[str], rng: random.Random) -> str:
    words: list[str] = []
    for word in text.split():
        if rng.random() >= ERROR_SHARE:
            words.append(word)
        else:
            words += rng.choice(([], [word, word], [rng.choice(vocabulary)]))
    return " ".join(words)


def scoring_rows(pairs: int) -> list[dict[str, Any]]:
    """One row: seconds of each stage of scoring so many pairs, and the score itself."""
    references, hypotheses = make_pairs(pairs)
    metric, times_s = Metric(), list[float]()
    start, cpu_start = time.perf_counter(), cpu_time_s()
    wanted, got = prepare_texts(references, metric), prepare_texts(hypotheses, metric)
    times_s.append(time.perf_counter() - start)
    counts = count_edits(wanted, got, metric.unit)
    times_s.append(time.perf_counter() - start - sum(times_s))
    score = score_counts(counts, metric, BootstrapConfig())
    times_s.append(time.perf_counter() - start - sum(times_s))
    names = ("normalise_s", "align_s", "bootstrap_s")
    stages = dict(zip(names, times_s, strict=True))
    return [
        {
            "pairs": pairs,
            "words": score.reference_units,
            "wall_s": sum(times_s),
            "cpu_s": cpu_time_s() - cpu_start,
            "pairs_per_s": pairs / sum(times_s),
            **stages,
            "rate": score.rate,
            "signature": score.signature,
        }
    ]


def scoring_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The rows for people."""
    return [
        f"scoring  {row['pairs']} pairs ({row['words']} words) in {row['wall_s']:.1f} s, "
        f"CPU {row['cpu_s']:.1f}: normalised in {row['normalise_s']:.1f}, "
        f"aligned in {row['align_s']:.1f}, resampled in {row['bootstrap_s']:.1f}"
        for row in rows
    ]
