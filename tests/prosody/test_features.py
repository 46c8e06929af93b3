"""Phones and tokens as numbers, and the masks, cell by cell."""

from dataclasses import replace

import pytest
import torch

from prosody.features import (
    PhoneInputs,
    TokenInputs,
    group_tokens,
    history_mask,
    phone_fields,
    phone_mask,
    step_groups,
    text_inputs,
    token_mask,
)
from speech_core.errors import InputError
from speech_core.events import Phone, PhoneGroup
from tests.prosody.texts import PHONE_ONLY, TINY, make_groups, num_phones


def test_fields_of_phones():
    phones = [Phone("SIL"), Phone("HH", 0, 0, 3), Phone("OW1", 0, 30, 0, "?"), Phone("AH0", 1, 0, 99, "#")]
    numbers = {symbol: number for number, symbol in enumerate(TINY.phones)}
    assert phone_fields(phones, TINY).tolist() == [
        [0, 0, 0, 0, 0],
        [numbers["HH"], 0, 0, 3, 0],
        [numbers["OW1"], 2, 7, 0, 5],
        [numbers["AH0"], 1, 0, 7, 0],
    ]
    assert phone_fields([], TINY).shape == (0, 5)


def test_an_unknown_phone_is_refused():
    with pytest.raises(InputError, match="XX"):
        phone_fields([Phone("XX")], TINY)


def test_tokens_of_a_group_with_and_without_states():
    states = torch.randn(3, TINY.d_llama)
    tokens = group_tokens(PhoneGroup((), (), (5, 6, 7), states), 4, TINY)
    assert tokens.token_ids.tolist() == [[5, 6, 7]]
    assert tokens.groups.tolist() == [[4, 4, 4]]
    assert torch.equal(tokens.states[0], states)
    without = group_tokens(PhoneGroup((), (), (5, 6, 7)), 4, TINY)
    assert not without.known.any()
    assert not without.states.any()


def test_of_a_long_group_the_last_tokens_are_seen():
    config = replace(TINY, max_group_tokens=2)
    states = torch.randn(3, TINY.d_llama)
    tokens = group_tokens(PhoneGroup((), (), (5, 6, 7), states), 0, config)
    assert tokens.token_ids.tolist() == [[6, 7]]
    assert torch.equal(tokens.states[0], states[1:])


def test_states_of_another_width_or_count_are_refused():
    for shape in ((3, TINY.d_llama + 1), (2, TINY.d_llama)):
        with pytest.raises(InputError, match="shape"):
            group_tokens(PhoneGroup((), (), (5, 6, 7), torch.zeros(shape)), 0, TINY)


def test_a_text_as_a_batch_of_one():
    groups = make_groups(9)
    inputs = text_inputs(groups, TINY)
    assert inputs.phones.lengths.tolist() == [num_phones(groups)]
    assert inputs.phones.groups[0].tolist() == [n for n, group in enumerate(groups) for _ in group.phones]
    assert inputs.tokens is not None
    assert inputs.tokens.token_ids[0].tolist() == [i for group in groups for i in group.token_ids]
    assert text_inputs(groups, PHONE_ONLY).tokens is None
    empty = text_inputs([], TINY).tokens
    assert empty is not None
    assert empty.states.shape == (1, 0, TINY.d_llama)


def test_steps_past_the_end_stay_in_the_last_group():
    phones = PhoneInputs(
        torch.zeros(2, 4, 5, dtype=torch.int64),
        torch.tensor([[0, 0, 2, 3], [1, 4, 0, 0]]),
        torch.tensor([4, 2]),
    )
    assert step_groups(phones, 6).tolist() == [[0, 0, 2, 3, 3, 3], [1, 4, 4, 4, 4, 4]]


def test_a_step_sees_itself_and_the_left_context():
    mask = history_mask(16, TINY, torch.device("cpu"))[0, 0]
    for step in range(16):
        seen = mask[step].nonzero()[:, 0].tolist()
        assert seen == list(range(max(0, step - TINY.left_context_phones), step + 1))


def test_a_step_sees_the_phones_of_its_lookahead():
    config = replace(TINY, phone_lookahead=2, left_context_phones=4)
    lengths = torch.tensor([10, 7])
    phones = PhoneInputs(torch.zeros(2, 10, 5), torch.zeros(2, 10, dtype=torch.int64), lengths)
    mask = phone_mask(phones, 12, config)
    for row, length in enumerate(lengths.tolist()):
        for step in range(12):
            seen = mask[row, 0, step].nonzero()[:, 0].tolist()
            assert seen == list(range(max(0, step - 4), min(length, step + 3)))


@pytest.mark.parametrize("ahead", [0, 1])
def test_a_step_sees_the_tokens_of_its_group_and_those_before(ahead):
    config = replace(TINY, group_lookahead=ahead, left_context_groups=2)
    groups = torch.tensor([[0, 0, 1, 3, 4, 4, 5]])
    tokens = TokenInputs(groups, groups, groups, groups > 9, torch.tensor([6]))
    mask = token_mask(tokens, torch.tensor([[0, 3, 4]]), config)[0, 0]
    for step, current in enumerate((0, 3, 4)):
        seen = [g for g, there in zip(groups[0].tolist(), mask[step].tolist(), strict=True) if there]
        assert seen == [g for g in groups[0, :6].tolist() if current - 2 <= g <= current + ahead]
