"""Errors of pronunciations: phones and words, with and without stress."""

from collections.abc import Iterable, Sequence

import numpy as np

from tts_frontend.languages.en.phones import base_of

Phones = tuple[str, ...]
Figure = tuple[float, float | None, float | None]  # a value with its 95 % interval, if it has one

_RESAMPLINGS = 1000


def edit_distance(one: Sequence[str], other: Sequence[str]) -> int:
    """Fewest insertions, deletions and substitutions between two sequences."""
    row = list(range(len(other) + 1))
    for number, left in enumerate(one, start=1):
        above, row[0] = row[0], number
        for place, right in enumerate(other, start=1):
            above, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, above + (left != right))
    return row[-1]


def without_stress(phones: Iterable[str]) -> Phones:
    """The phones without their digits."""
    return tuple(base_of(phone) for phone in phones)


def nearest(found: Phones, references: Sequence[Phones]) -> Phones:
    """The reference that is closest to what was found; the first of equals."""
    return min(references, key=lambda reference: edit_distance(found, reference))


def score(readings: Sequence[tuple[Phones, Sequence[Phones]]]) -> dict[str, float]:
    """Phone error rate and word accuracy of (found, allowed readings), each with and without stress.

    The nearest allowed reading counts; phone errors are summed and divided by the phones of those.
    """
    pairs = [(found, nearest(found, allowed)) for found, allowed in readings]
    plain = [
        (without_stress(found), nearest(without_stress(found), [without_stress(one) for one in allowed]))
        for found, allowed in readings
    ]
    return {
        "phone_errors": _phone_errors(pairs),
        "phone_errors_without_stress": _phone_errors(plain),
        "word_accuracy": _accuracy(pairs),
        "word_accuracy_without_stress": _accuracy(plain),
    }


def interval(
    values: Sequence[float], weights: Sequence[float] | None = None, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of the (weighted) mean of some values, by drawing them again."""
    column = np.asarray(values, dtype=float)
    weight = np.ones(len(column)) if weights is None else np.asarray(weights, dtype=float)
    drawn = np.random.default_rng(seed).integers(0, len(column), (_RESAMPLINGS, len(column)))
    means = (column * weight)[drawn].sum(1) / weight[drawn].sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def record(data: str, system: str, metric: str, figure: Figure, signature: str) -> dict[str, object]:
    """One score as the card of a bundle wants it."""
    value, low, high = (None if number is None else round(number, 4) for number in figure)
    names = {"data": data, "system": system, "metric": metric}
    return {**names, "value": value, "low": low, "high": high, "signature": signature}


def _phone_errors(pairs: Sequence[tuple[Phones, Phones]]) -> float:
    total = sum(len(reference) for _, reference in pairs)
    return sum(edit_distance(found, reference) for found, reference in pairs) / max(total, 1)


def _accuracy(pairs: Sequence[tuple[Phones, Phones]]) -> float:
    return sum(found == reference for found, reference in pairs) / max(len(pairs), 1)
