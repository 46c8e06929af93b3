"""Which phones each letter of a word stands for, found by expectation maximisation over a whole dictionary.

A letter gives no phone, one, or two; letters and phones keep their order. Stress does not count. The method
is the many-to-many alignment of letters and phones of Jiampojamarn, Kondrak and Sherif (NAACL 2007), with one
letter on the left side.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tts_frontend.languages.en.phones import CONSONANTS, VOWELS, base_of
from tts_frontend.pronunciation_letters import LETTERS, letter_ids

Phones = tuple[str, ...]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_BASES = {base: number for number, base in enumerate((*CONSONANTS, *VOWELS), start=1)}
_IMPOSSIBLE = -1e30
_BATCH = 8192


@dataclass(frozen=True)
class Table:
    """Natural logarithms of probabilities.

    none (letters,), one (letters, phones), two (letters, phones, phones).
    """

    none: Floats
    one: Floats
    two: Floats


@dataclass(frozen=True)
class _Batch:
    """Words padded with 0: letters (n, most letters), phones (n, most phones), and their lengths."""

    letters: Ints
    phones: Ints
    num_letters: Ints
    num_phones: Ints


def first_table() -> Table:
    """Before anything is known: one phone a letter is likelier than none, and that than two."""
    letters, phones = len(LETTERS) + 1, len(_BASES) + 1
    return Table(
        np.full(letters, np.log(0.2)),
        np.full((letters, phones), np.log(0.78 / phones)),
        np.full((letters, phones, phones), np.log(0.02 / phones**2)),
    )


def estimate(words: Sequence[tuple[str, Phones]], rounds: int = 5) -> Table:
    """Probabilities that make the dictionary likely."""
    table = first_table()
    batches = list(_batches(words))
    for _ in range(rounds):
        counts = [np.full(part.shape, 1e-3 / part.size) for part in (table.none, table.one, table.two)]
        for batch in batches:
            _count(batch, table, counts)
        total = counts[0] + counts[1].sum(1) + counts[2].sum((1, 2))
        table = Table(
            np.log(counts[0] / total),
            np.log(counts[1] / total[:, None]),
            np.log(counts[2] / total[:, None, None]),
        )
    return table


def align(words: Sequence[tuple[str, Phones]], table: Table) -> list[tuple[Phones, ...] | None]:
    """The phones of each letter of each word, or None where a word has too many phones for its letters."""
    found: list[tuple[Phones, ...] | None] = []
    start = 0
    for batch in _batches(words):
        for number, sizes in enumerate(_best_sizes(batch, table)):
            found.append(_cut(words[start + number][1], sizes) if sizes else None)
        start += len(batch.letters)
    return found


def _cut(phones: Phones, sizes: Sequence[int]) -> tuple[Phones, ...]:
    ends = np.cumsum(sizes).tolist()
    return tuple(phones[end - size : end] for end, size in zip(ends, sizes, strict=True))


def _batches(words: Sequence[tuple[str, Phones]]) -> Iterator[_Batch]:
    for start in range(0, len(words), _BATCH):
        part = words[start : start + _BATCH]
        letters = [letter_ids(word) for word, _ in part]
        phones = [[_BASES[base_of(phone)] for phone in found] for _, found in part]
        yield _Batch(_padded(letters), _padded(phones), _lengths(letters), _lengths(phones))


def _lengths(rows: list[list[int]]) -> Ints:
    return np.array([len(row) for row in rows], dtype=np.int64)


def _padded(rows: list[list[int]]) -> Ints:
    padded = np.zeros((len(rows), max(map(len, rows), default=0)), dtype=np.int64)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = row
    return padded


def _steps(batch: _Batch, table: Table, place: int) -> tuple[Floats, Floats, Floats]:
    """Scores of the letter at `place` giving none, one or two phones ending behind each: (n, phones + 1)."""
    letters = batch.letters[:, place]
    none = np.repeat(table.none[letters][:, None], batch.phones.shape[1] + 1, axis=1)
    one, two = np.full_like(none, _IMPOSSIBLE), np.full_like(none, _IMPOSSIBLE)
    one[:, 1:] = table.one[letters[:, None], batch.phones]
    two[:, 2:] = table.two[letters[:, None], batch.phones[:, :-1], batch.phones[:, 1:]]
    return none, one, two


def _shift(scores: Floats, by: int) -> Floats:
    """scores[j - by] at j."""
    shifted = np.full_like(scores, _IMPOSSIBLE)
    shifted[:, by:] = scores[:, : scores.shape[1] - by]
    return shifted


def _forward(batch: _Batch, table: Table) -> list[Floats]:
    """Log-probability of the first letters giving the first phones: one (n, phones + 1) a letter count."""
    start = np.full((len(batch.letters), batch.phones.shape[1] + 1), _IMPOSSIBLE)
    start[:, 0] = 0.0
    alphas = [start]
    for place in range(batch.letters.shape[1]):
        none, one, two = _steps(batch, table, place)
        last = alphas[-1]
        alphas.append(np.logaddexp(np.logaddexp(last + none, _shift(last, 1) + one), _shift(last, 2) + two))
    return alphas


def _count(batch: _Batch, table: Table, counts: list[Floats]) -> None:
    """Add the expected use of every table entry."""
    rows = np.arange(len(batch.letters))
    alphas = _forward(batch, table)
    total = np.array(
        [alphas[n][row, m] for row, n, m in zip(rows, batch.num_letters, batch.num_phones, strict=True)]
    )
    possible = (total > _IMPOSSIBLE / 2) & (batch.num_letters > 0)
    total = np.where(possible, total, 0.0)[:, None]
    beta = np.full_like(alphas[0], _IMPOSSIBLE)
    for place in reversed(range(batch.letters.shape[1])):
        ending = (batch.num_letters == place + 1) & possible
        beta[ending] = _IMPOSSIBLE
        beta[ending, batch.num_phones[ending]] = 0.0
        steps = _steps(batch, table, place)
        shares = [
            np.exp(np.minimum(_shift(alphas[place], size) + step + beta - total, 0.0)) * possible[:, None]
            for size, step in enumerate(steps)
        ]
        _add(batch, place, shares, counts)
        beta = np.logaddexp(
            np.logaddexp(beta + steps[0], _shift_back(beta + steps[1], 1)), _shift_back(beta + steps[2], 2)
        )


def _add(batch: _Batch, place: int, shares: list[Floats], counts: list[Floats]) -> None:
    letters = batch.letters[:, place]
    np.add.at(counts[0], letters, shares[0].sum(1))
    np.add.at(counts[1], (letters[:, None], batch.phones), shares[1][:, 1:])
    np.add.at(counts[2], (letters[:, None], batch.phones[:, :-1], batch.phones[:, 1:]), shares[2][:, 2:])


def _shift_back(scores: Floats, by: int) -> Floats:
    """scores[j + by] at j."""
    shifted = np.full_like(scores, _IMPOSSIBLE)
    shifted[:, : scores.shape[1] - by] = scores[:, by:]
    return shifted


def _best_sizes(batch: _Batch, table: Table) -> Iterator[list[int]]:
    """How many phones each letter gives in the best alignment; [] where there is none."""
    best = np.full((len(batch.letters), batch.phones.shape[1] + 1), _IMPOSSIBLE)
    best[:, 0] = 0.0
    finals, choices = best.copy(), []
    for place in range(batch.letters.shape[1]):
        options = np.stack(
            [_shift(best, size) + step for size, step in enumerate(_steps(batch, table, place))]
        )
        choices.append(options.argmax(0))
        best = options.max(0)
        ended = batch.num_letters == place + 1
        finals[ended] = best[ended]
    for row, (letters, phones) in enumerate(zip(batch.num_letters, batch.num_phones, strict=True)):
        sizes, at = [], int(phones)
        if finals[row, at] > _IMPOSSIBLE / 2 and letters:
            for place in reversed(range(int(letters))):
                sizes.append(int(choices[place][row, at]))
                at -= sizes[-1]
        yield sizes[::-1]
