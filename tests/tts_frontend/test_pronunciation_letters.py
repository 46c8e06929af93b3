"""The letter-to-sound model and its search."""

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from speech_core.checkpoint import save_component
from speech_core.errors import ConfigError
from tests.pronunciation_parts import LABELS, small_letters
from tts_frontend.languages.en.phones import PHONE_IDS
from tts_frontend.pronunciation_letters import (
    NUM_STATES,
    LetterInputs,
    LetterReader,
    LettersConfig,
    letter_ids,
    stress_state,
)

STYLES = LettersConfig(LABELS).styles


def random_inputs(count: int) -> LetterInputs:
    generator = torch.Generator().manual_seed(3)
    letters = torch.randint(0, 28, (count, 5), generator=generator)
    history = torch.randint(0, len(LABELS) + 1, (count, 2), generator=generator)
    state = torch.randint(0, NUM_STATES, (count,), generator=generator)
    return LetterInputs(letters, history, state, torch.zeros(count, dtype=torch.int64))


def test_batch_equals_single():
    model, inputs = small_letters().eval(), random_inputs(7)
    together = model(inputs)
    for row in range(7):
        alone = model(LetterInputs(*(part[row : row + 1] for part in inputs)))
        torch.testing.assert_close(alone[0], together[row])


def test_every_input_matters():
    model, inputs = small_letters().eval(), random_inputs(1)
    before = model(inputs)
    for name, value in (("letters", 2), ("history", 1), ("state", 1), ("style", 1)):
        changed = (getattr(inputs, name) + value) % (3 if name == "style" else 8)
        assert not torch.equal(model(inputs._replace(**{name: changed})), before), name


@pytest.mark.parametrize(
    ("word", "letters"), [("Cab", [3, 1, 2]), ("é", [5]), ("o\u2019n", [15, 27, 14]), ("語1-", []), ("", [])]
)
def test_letter_ids(word, letters):
    assert letter_ids(word) == letters


def test_stress_states_are_all_different():
    states = {stress_state(vowels, primary) for vowels in range(6) for primary in (False, True)}
    assert states == set(range(NUM_STATES))


@given(
    st.text(max_size=20) | st.text("abcdefghijklmnopqrstuvwxyz'", min_size=1, max_size=30),
    st.sampled_from([1, 3]),
)
def test_any_word_is_read_with_one_primary_stress(word, beam):
    phones = LetterReader(small_letters(), beam=beam).read(word)
    assert all(phone in PHONE_IDS for phone in phones)
    vowels = [phone for phone in phones if phone[-1] in "012"]
    assert sum(phone[-1] == "1" for phone in vowels) == min(1, len(vowels))
    assert letter_ids(word) or phones == ()


@torch.no_grad()
def test_a_wide_beam_finds_the_best_path():
    """Against all label sequences of a short word."""
    model = small_letters(4).eval()
    reader, ids = LetterReader(model, beam=len(LABELS) ** 2), letter_ids("ab")
    scores = {}
    for first in range(len(LABELS)):
        for second in range(len(LABELS)):
            total, vowels, primaries = 0.0, 0, 0
            padded = torch.tensor([0, 0, *ids, 0, 0])
            for place, label in enumerate((first, second)):
                history = torch.tensor([[0, 0 if place == 0 else first + 1]])
                state = torch.tensor([stress_state(vowels, primaries > 0)])
                window = padded[None, place : place + 5]
                inputs = LetterInputs(window, history, state, torch.tensor([STYLES.index("silver")]))
                total += float(model(inputs).log_softmax(-1)[0, label])
                phones = LABELS[label].split()
                vowels += sum(phone[-1] in "012" for phone in phones)
                primaries += sum(phone[-1] == "1" for phone in phones)
            if primaries == 1:
                scores[(first, second)] = total
    best = max(scores, key=lambda pair: scores[pair])
    assert reader.read("ab") == tuple(phone for label in best for phone in LABELS[label].split())


def test_a_capital_chooses_the_style_of_names():
    reader, words = LetterReader(small_letters(1), beam=1), ["bat", "kens", "ansk", "tonak", "basin"]
    assert [reader.read(word.capitalize()) for word in words] == [reader.read(word, "cmu") for word in words]
    assert [reader.read(word) for word in words] == [reader.read(word, "silver") for word in words]


def test_saved_model_reads_the_same(tmp_path):
    model = small_letters(2)
    save_component(tmp_path, model, model.config, {})
    reader, loaded = LetterReader(model), LetterReader.load(tmp_path)
    words = ["cab", "nascent", "testing", "o'neil"]
    assert [loaded.read(word) for word in words] == [reader.read(word) for word in words]


def test_impossible_settings_are_refused():
    with pytest.raises(ConfigError):
        LettersConfig(("",), window=0)
    with pytest.raises(ConfigError, match="beam"):
        LetterReader(small_letters(), beam=0)
    with pytest.raises(ConfigError, match="'british'"):
        LetterReader(small_letters()).read("bat", "british")
    assert dataclasses.is_dataclass(LettersConfig)
