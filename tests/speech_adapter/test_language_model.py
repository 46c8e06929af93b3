"""Probabilities of n-grams: they sum to one in any state, and a saved model loads equal."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipes.train_language_model import count
from speech_adapter.language_model import LanguageModel
from speech_core.errors import CheckpointError

TEXTS = [[1, 2, 3], [1, 2, 3, 4], [1, 2, 5], [4, 4, 4, 4], [2, 3, 1, 2, 3]]
TOKENS = [10, 20, 30, 40, 50, 60]  # class 6 never comes


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return count(TEXTS, TOKENS, 4, 1)


@given(st.lists(st.integers(1, 6), max_size=7))
def test_probabilities_sum_to_one_behind_any_text(model: LanguageModel, text: list[int]) -> None:
    state = model.start()
    for number in text:
        state = model.advance(state, number)
    chances = np.exp(model.log_probs(state))
    assert chances.sum() == pytest.approx(1.0, abs=1e-5)
    assert chances[0] == 0.0
    assert (chances[1:] > 0).all()


def test_what_was_read_is_foreseen(model: LanguageModel) -> None:
    state = model.advance(model.advance(model.start(), 1), 2)
    foreseen = model.log_probs(state)
    assert foreseen.argmax() == 3
    assert foreseen[3] > math.log(0.5)
    assert foreseen[5] > foreseen[6]  # seen once there, and never at all


def test_a_text_begins_as_texts_begin(model: LanguageModel) -> None:
    assert model.log_probs(model.start()).argmax() == 1
    assert model.log_probs(()).argmax() != 1  # 2 and 3 stand behind more different classes


def test_far_context_is_left_behind(model: LanguageModel) -> None:
    near = far = model.start()
    for number in (1, 2, 3):
        near = model.advance(near, number)
    for number in (6, 5, 6, 1, 2, 3):
        far = model.advance(far, number)
    np.testing.assert_allclose(
        model.log_probs(near[:3]), model.log_probs(far), rtol=1e-5
    )  # three classes are the longest context of four


def test_a_saved_model_loads_equal(model: LanguageModel, tmp_path: Path) -> None:
    model.save(tmp_path / "one")
    loaded = LanguageModel.load(tmp_path / "one")
    loaded.save(tmp_path / "two")
    again = LanguageModel.load(tmp_path / "two")
    assert again.token_ids == model.token_ids
    for text in TEXTS:
        state = loaded.start()
        for number in text:
            np.testing.assert_array_equal(loaded.log_probs(state), again.log_probs(state))
            np.testing.assert_allclose(
                np.exp(loaded.log_probs(state)), np.exp(model.log_probs(state)), atol=2e-3
            )
            state = loaded.advance(state, number)


def test_a_damaged_file_is_named(model: LanguageModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    (tmp_path / "ngrams.safetensors").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="no language model"):
        LanguageModel.load(tmp_path)
