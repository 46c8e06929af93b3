"""The shared checks themselves: they pass on sound parts and fail on broken ones."""

from typing import Any

import pytest
import torch
from torch import Tensor

from speech_core.errors import StreamClosedError
from tests.streaming_checks import (
    by_steps,
    chunkings,
    closed_after_flush,
    future_does_not_leak,
    padding_does_not_leak,
    state_can_be_forked,
    state_is_bounded,
    streaming_equals_offline,
)


class Pairs:
    """Joins two letters; an odd last one stays alone."""

    def __init__(self, forgets: bool = False) -> None:
        self.rest, self.closed, self.forgets = "", False, forgets

    def push(self, chunk: str) -> list[str]:
        if self.closed:
            raise StreamClosedError("push after flush")
        self.rest = chunk if self.forgets else self.rest + chunk
        whole = len(self.rest) // 2 * 2
        pairs = [self.rest[i : i + 2] for i in range(0, whole, 2)]
        self.rest = self.rest[whole:]
        return pairs

    def flush(self) -> list[str]:
        rest, self.rest, self.closed = self.rest, "", True
        return [rest] if rest else []


def test_a_sound_stream_passes_and_a_broken_one_fails():
    offline = ["ab", "cd", "ef", "g"]
    streaming_equals_offline(Pairs, "abcdefg", offline)
    closed_after_flush(Pairs, "abc")
    with pytest.raises(AssertionError):
        streaming_equals_offline(lambda: Pairs(forgets=True), "abcdefg", offline)


def test_chunkings_cover_the_whole_and_include_the_edge_cases():
    found = list(chunkings(20))
    assert len(found) == 53
    assert all(sum(sizes) == 20 and min(sizes) >= 0 for sizes in found)
    assert found[:2] == [[20], [1] * 20]
    assert any(0 in sizes for sizes in found)
    assert len({tuple(sizes) for sizes in found}) > 45


def running_sum(x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    y = x.cumsum(1) + state[:, None]
    return y, y[:, -1]


def test_steps_are_joined():
    x = torch.arange(14.0).view(2, 7)
    outputs, state = by_steps(running_sum, torch.zeros(2), x, 3)
    assert torch.equal(outputs, x.cumsum(1))
    assert torch.equal(state, x.sum(1))


def test_a_state_that_grows_or_is_written_to_is_found():
    def growing(x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return x, torch.cat([state, x], dim=1)

    def writing(x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state += 1
        return x, state

    def block() -> Tensor:
        return torch.randn(1, 3)

    state_is_bounded(running_sum, torch.zeros(1), block, 1)
    state_can_be_forked(running_sum, torch.zeros(1), block)
    with pytest.raises(AssertionError, match="grew"):
        state_is_bounded(growing, torch.zeros(1, 0), block, 10)
    with pytest.raises(AssertionError, match="wrote"):
        state_can_be_forked(writing, torch.zeros(1), block)


def test_leaks_of_padding_and_future_are_found():
    def centred(x: Tensor, lengths: Tensor) -> Any:
        return x - x.mean(1, keepdim=True), lengths  # sees everything

    def causal(x: Tensor, lengths: Tensor) -> Any:
        return x.cumsum(1), lengths

    items = [torch.randn(n, 2) for n in (3, 7)]
    padding_does_not_leak(causal, items)
    future_does_not_leak(causal, torch.randn(1, 9, 2), block=2, outputs=2)
    with pytest.raises(AssertionError):
        padding_does_not_leak(centred, items)
    with pytest.raises(AssertionError, match="leaks"):
        future_does_not_leak(centred, torch.randn(1, 9, 2), block=2, outputs=2)
