"""Letters and phones find each other."""

import random

from recipes.data.letter_alignment import align, estimate

SOUNDS = {"b": ["B"], "a": ["AE1"], "t": ["T"], "x": ["K", "S"], "h": [], "o": ["OW0"]}


def words(count: int, seed: int = 0) -> list[tuple[str, tuple[str, ...]]]:
    """Words of a language in which each letter has its sound, x two and h none."""
    draw = random.Random(seed)
    spelled = ["".join(draw.choices("batxho", k=draw.randint(2, 6))) for _ in range(count)]
    return [(word, tuple(phone for letter in word for phone in SOUNDS[letter])) for word in spelled]


def test_the_sounds_of_a_regular_language_are_found():
    data = words(300)
    table = estimate(data, rounds=5)
    aligned = align(data, table)
    right = [
        parts == tuple(tuple(SOUNDS[letter]) for letter in word)
        for (word, _), parts in zip(data, aligned, strict=True)
    ]
    assert sum(right) > 0.97 * len(right)


def test_alignments_cut_the_phones_and_lose_none():
    data = words(60, seed=1)
    for (word, phones), parts in zip(data, align(data, estimate(data, rounds=1)), strict=True):
        assert parts is not None
        assert len(parts) == len(word)
        assert tuple(phone for part in parts for phone in part) == phones


def test_too_many_phones_for_the_letters_cannot_be_aligned():
    data = [*words(20), ("t", ("T", "T", "T")), ("語", ("T",))]
    assert align(data, estimate(data))[-2:] == [None, None]
