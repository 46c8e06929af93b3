"""Prefix search against trying every path, and the place of each class in the sound."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from recipes.train_language_model import count
from speech_adapter.beam_search import BeamOptions, align, beam_search
from speech_adapter.language_model import LanguageModel

WIDE = BeamOptions(width=500, margin=math.inf, weight=0.7, prior=0.4, bonus=0.3, least_log_prob=-math.inf)


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return count([[1, 2, 3], [1, 2], [2, 2, 1], [3, 1, 2]], [10, 20, 30], 3, 1)


def random_log_probs(seed: int, positions: int) -> np.ndarray:
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(positions, 4, generator=generator)).log_softmax(-1).numpy()


def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    merged = [number for number, _ in itertools.groupby(path)]
    return tuple(number for number in merged if number)


def written(model: LanguageModel, text: tuple[int, ...], options: BeamOptions) -> float:
    state, total = model.start(), 0.0
    for number in text:
        total += options.weight * float(model.log_probs(state)[number]) + options.bonus
        total -= options.prior * math.log(float(np.exp(model.log_probs(())[number])))
        state = model.advance(state, number)
    return total


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 5))
def test_a_wide_search_finds_the_best_of_all_texts(model: LanguageModel, seed: int, positions: int) -> None:
    log_probs = random_log_probs(seed, positions)
    heard: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(4), repeat=positions):
        chance = math.exp(sum(float(log_probs[place, number]) for place, number in enumerate(path)))
        heard[collapsed(path)] = heard.get(collapsed(path), 0.0) + chance
    best = max(heard, key=lambda text: math.log(heard[text]) + written(model, text, WIDE))
    found = beam_search(log_probs, model, WIDE)
    assert tuple(found[0].numbers) == best
    scores = [math.log(heard[tuple(one.numbers)]) + written(model, tuple(one.numbers), WIDE) for one in found]
    assert [one.score for one in found] == pytest.approx(scores, abs=0.05)  # a sure blank is taken as one
    assert found == sorted(found, key=lambda one: -one.score)


def test_language_decides_between_what_sounds_alike(model: LanguageModel) -> None:
    chances = np.array([[0.02, 0.94, 0.02, 0.02], [0.96, 0.02, 0.01, 0.01], [0.02, 0.02, 0.47, 0.49]])
    log_probs = np.log(chances).astype(np.float32)
    assert beam_search(log_probs, model, BeamOptions(weight=0.0, prior=0.0, bonus=0.0))[0].numbers == [1, 3]
    assert beam_search(log_probs, model, BeamOptions(weight=0.5, prior=0.0, bonus=0.5))[0].numbers == [1, 2]


def test_the_prior_makes_up_for_a_class_that_is_heard_for_being_frequent(model: LanguageModel) -> None:
    log_probs = np.log(np.array([[0.02, 0.2, 0.4, 0.38]])).astype(np.float32)
    frequent, rare = np.exp(model.log_frequencies[1:3])
    assert frequent > rare
    assert beam_search(log_probs, model, BeamOptions(weight=0.0, prior=0.0, bonus=0.0))[0].numbers == [2]
    assert beam_search(log_probs, model, BeamOptions(weight=0.0, prior=0.5, bonus=0.0))[0].numbers == [3]


def test_silence_and_nothing_give_nothing(model: LanguageModel) -> None:
    silence = np.tile(np.log([[0.9999, 3e-5, 3e-5, 4e-5]]), (40, 1)).astype(np.float32)
    assert beam_search(silence, model, BeamOptions())[0].numbers == []
    assert beam_search(silence[:0], model, BeamOptions())[0].numbers == []


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(1, 3), min_size=1, max_size=4), st.integers(0, 5))
def test_the_alignment_is_the_likeliest_path(seed: int, text: list[int], more: int) -> None:
    repeats = sum(one == other for one, other in itertools.pairwise(text))
    positions = len(text) + repeats + more
    log_probs = random_log_probs(seed, positions)
    spans = align(log_probs, text)
    path = [0] * positions
    for number, (first, last) in zip(text, spans, strict=True):
        path[first:last] = [number] * (last - first)
    assert collapsed(tuple(path)) == tuple(text)
    found = sum(float(log_probs[place, number]) for place, number in enumerate(path))
    whole = -float(
        functional.ctc_loss(
            torch.from_numpy(log_probs)[:, None], torch.tensor([text]), torch.tensor([positions]),
            torch.tensor([len(text)]), reduction="sum",
        )
    )  # fmt: skip
    assert found <= whole + 1e-4
    if positions <= 6:
        paths = itertools.product(range(4), repeat=positions)
        best = max(
            sum(float(log_probs[place, number]) for place, number in enumerate(one))
            for one in paths if collapsed(one) == tuple(text)
        )  # fmt: skip
        assert found == pytest.approx(best, abs=1e-4)


def test_a_text_too_long_for_its_sound_has_no_place() -> None:
    assert align(random_log_probs(0, 2), [1, 2, 3]) == []
    assert align(random_log_probs(0, 2), [1, 1]) == []
    assert align(random_log_probs(0, 0), [1]) == []
    assert align(random_log_probs(0, 3), []) == []
