"""Rotary attention: against a slow implementation by complex numbers, and block by block."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from speech_core.attention import RotaryAttention, attend, rotary_angles, rotate
from speech_core.masks import Chunking, attention_mask, block_mask
from tests import references
from tests.streaming_checks import (
    assert_same,
    by_steps,
    lengths_around,
    state_can_be_forked,
    state_is_bounded,
)

D_MODEL, HEADS, BASE = 16, 2, 10_000.0
D_HEAD = D_MODEL // HEADS


@pytest.fixture
def attention():
    torch.manual_seed(0)
    return RotaryAttention(D_MODEL, HEADS).double()


def angles(start: int, total: int) -> Tensor:
    return rotary_angles(start, total, D_HEAD, BASE)


@pytest.mark.parametrize("chunking", [None, Chunking(3, 2), Chunking(1, 0), Chunking(20, 0)])
def test_equals_a_plain_formula(attention, chunking):
    x = torch.randn(7, D_MODEL, dtype=torch.float64)
    mask = torch.ones(7, 7, dtype=torch.bool) if chunking is None else block_mask(7, chunking)
    assert_same(
        attention(x[None], angles(0, 7), mask[None, None])[0], references.rotary_attention(attention, x, mask)
    )


@given(st.integers(0, 2000), st.integers(0, 2000), st.integers(0, 3000))
@settings(max_examples=40)
def test_scores_depend_on_the_difference_of_positions_only(query, key, shift):
    generator = torch.Generator().manual_seed(1)
    q, k = (torch.randn(1, 1, 1, 64, generator=generator) for _ in range(2))

    def score(m: int, n: int) -> float:
        left, right = rotate(q, rotary_angles(m, 1, 64, BASE)), rotate(k, rotary_angles(n, 1, 64, BASE))
        return float((left * right).sum())

    assert score(query, key) == pytest.approx(score(query + shift, key + shift), abs=2e-4)


def test_rotation_keeps_length_and_position_zero_changes_nothing():
    x = torch.randn(2, 3, 5, D_HEAD)
    assert_same(rotate(x, angles(40, 5)).norm(dim=-1), x.norm(dim=-1))
    assert torch.equal(rotate(x[:, :, :1], angles(0, 1)), x[:, :, :1])
    assert not torch.allclose(rotate(x, angles(1, 5)), x)


def test_angles_continue_where_a_block_ended_however_far():
    assert torch.equal(angles(0, 9)[:, 4:], angles(4, 5))
    far = 1_000_003
    assert float(angles(far, 1)[0, 0, 0]) == pytest.approx(
        math.cos(far), abs=1e-6
    )  # float32 angles would not


@pytest.mark.parametrize("chunking", [Chunking(4, 4), Chunking(4, 0), Chunking(3, 7), Chunking(1, 2)])
def test_streaming_equals_offline(attention, chunking):
    for total in lengths_around(chunking.size):
        x = torch.randn(2, total, D_MODEL, dtype=torch.float64)
        mask = attention_mask(torch.full((2,), total), total, chunking)
        outputs, state = by_steps(stepper(attention, chunking), (0, fresh(attention)), x, chunking.size)
        assert_same(outputs, attention(x, angles(0, total), mask))
        assert state[1].keys.shape[2] == min(total, chunking.left_context)


def fresh(attention: RotaryAttention):
    return attention.init_state(2, torch.device("cpu"), torch.float64)


def stepper(attention: RotaryAttention, chunking: Chunking):
    """`step` with the position kept beside the state."""

    def step(x, state):
        position, own = state
        y, own = attention.step(x, angles(position, x.shape[1]), own, chunking.left_context)
        return y, (position + x.shape[1], own)

    return step


def test_state_is_bounded(attention):
    def block() -> Tensor:
        return torch.randn(2, 3, D_MODEL, dtype=torch.float64)

    step = stepper(attention, Chunking(3, 5))
    state_is_bounded(step, (0, fresh(attention)), block, most_values=2 * 2 * 5 * D_MODEL)


def test_state_can_be_forked(attention):
    def block() -> Tensor:
        return torch.randn(2, 3, D_MODEL, dtype=torch.float64)

    state_can_be_forked(stepper(attention, Chunking(3, 5)), (0, fresh(attention)), block)


def test_an_empty_block_changes_nothing(attention):
    step = stepper(attention, Chunking(3, 5))
    _, state = step(torch.randn(2, 3, D_MODEL, dtype=torch.float64), (0, fresh(attention)))
    y, after = step(torch.zeros(2, 0, D_MODEL, dtype=torch.float64), state)
    assert y.shape == (2, 0, D_MODEL)
    assert after[0] == 3
    assert torch.equal(after[1].keys, state[1].keys)
    assert torch.equal(after[1].values, state[1].values)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_16_bits_on_a_cpu_attend_as_32_do(dtype):
    query, key, value = (torch.randn(2, 3, total, 8).to(dtype) for total in (5, 7, 7))
    mask = torch.rand(2, 1, 5, 7) < 0.5
    mask[..., 2] = True
    exact = attend(query.float(), key.float(), value.float(), mask)
    own = attend(query, key, value, mask)
    assert own.dtype == dtype
    torch.testing.assert_close(own.float(), exact, atol=0.03, rtol=0.03)
    mask[:, :, :, 5] = False
    poisoned = value.clone()
    poisoned[:, :, 5] = 1e4
    assert torch.equal(attend(query, key, poisoned, mask), attend(query, key, value, mask))
