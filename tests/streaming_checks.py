"""The properties every streaming part must have, by the names of the design; each raises AssertionError.

A part in time is a stream (`push`, `flush`) or a module (`forward`, `init_state`, `step`). The first two
checks are for streams, the others for modules. What is streamed may be a tensor, an array, a list, a string.
Lengths to try are around a block: `lengths_around`.
"""

import copy
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from speech_core.errors import StreamClosedError

RANDOM_SPLITS = 50
TOLERANCE = 1e-5  # of float32; ids and text must be equal

Forward = Callable[
    [Tensor, Tensor], tuple[Tensor, Tensor]
]  # (batch, time, ...), lengths -> the same, shorter
Step = Callable[[Tensor, Any], tuple[Tensor, Any]]  # (batch, time, ...), state -> outputs, new state


def lengths_around(block: int) -> list[int]:
    """Nothing, one, around one block, and long with a block begun at the end."""
    return sorted({0, 1, block - 1, block, block + 1, 5 * block + (block + 1) // 2})


def chunkings(total: int, seed: int = 0, random_splits: int = RANDOM_SPLITS) -> Iterator[list[int]]:
    """Chunk sizes that sum to `total`: all at once, one by one, with empty chunks, and random ones."""
    yield [total]
    yield [1] * total
    yield [0, total // 2, 0, 0, total - total // 2, 0]
    draw = random.Random(seed)
    for _ in range(random_splits):
        cuts = sorted(draw.randint(0, total) for _ in range(draw.randint(1, 12)))
        yield [end - start for start, end in pairwise([0, *cuts, total])]


def split(items: Any, sizes: Sequence[int]) -> Iterator[Any]:
    """`items` in chunks of those sizes."""
    start = 0
    for size in sizes:
        yield items[start : start + size]
        start += size


def join(outputs: Sequence[Any]) -> Any:
    """Outputs of a stream one after the other; the opposite of `split`."""
    if isinstance(outputs[0], Tensor):
        return torch.cat(list(outputs))
    if isinstance(outputs[0], np.ndarray):
        return np.concatenate(outputs)
    return sum(outputs[1:], start=outputs[0])


def run(stream: Any, chunks: Sequence[Any]) -> list[Any]:
    """All outputs of a stream over some chunks and its flush."""
    return [*(output for chunk in chunks for output in stream.push(chunk)), *stream.flush()]


def assert_same(actual: Any, expected: Any, tolerance: float = TOLERANCE) -> None:
    """Floating point values close, everything else equal; shapes always equal."""
    if isinstance(actual, np.ndarray) and actual.dtype.kind == "f":
        actual, expected = torch.from_numpy(actual), torch.from_numpy(np.asarray(expected))
    if isinstance(actual, Tensor):
        torch.testing.assert_close(actual, expected, atol=tolerance, rtol=tolerance)
        return
    assert is_equal(actual, expected), f"{actual!r} is not {expected!r}"


def is_equal(left: Any, right: Any) -> bool:
    """Exactly the same values."""
    if isinstance(left, Tensor):
        return torch.equal(left, right)
    return np.array_equal(left, right) if isinstance(left, np.ndarray) else bool(left == right)


def streaming_equals_offline(
    make_stream: Callable[[], Any], items: Any, offline: Any, tolerance: float = TOLERANCE
) -> None:
    """Under any chunking the joined outputs equal `offline`, and no output given changes later."""
    for seed, sizes in enumerate(chunkings(len(items))):
        stream = make_stream()
        given = [stream.push(chunk) for chunk in split(items, sizes)]
        kept = copy.deepcopy(given)
        given.append(stream.flush())
        assert_same(join(given), offline, tolerance)
        assert all(is_equal(a, b) for a, b in zip(kept, given, strict=False)), f"changed later ({seed})"


def closed_after_flush(make_stream: Callable[[], Any], items: Any) -> None:
    """An empty chunk gives nothing; after `flush` a push raises and a second flush gives nothing."""
    stream = make_stream()
    assert len(stream.push(items[:0])) == 0, "an empty chunk gave output"
    stream.push(items)
    stream.flush()
    assert len(stream.flush()) == 0, "a second flush gave output"
    with pytest.raises(StreamClosedError):
        stream.push(items)


def pad(items: Sequence[Tensor], fill: float = 0.0, surplus: int = 0) -> tuple[Tensor, Tensor]:
    """Items of several lengths as one batch, and their lengths; what is past them is `fill`."""
    lengths = torch.tensor([len(item) for item in items])
    batch = items[0].new_full((len(items), int(lengths.max()) + surplus, *items[0].shape[1:]), fill)
    for row, item in zip(batch, items, strict=True):
        row[: len(item)] = item
    return batch, lengths


def batch_equals_single(forward: Forward, items: Sequence[Tensor], tolerance: float = TOLERANCE) -> None:
    """Each item of a batch comes out as it does alone."""
    together, lengths = forward(*pad(items))
    for number, item in enumerate(items):
        alone, length = forward(*pad([item]))
        assert length.tolist() == [lengths[number]], f"item {number} has another length in the batch"
        assert_same(together[number, : int(length)], alone[0, : int(length)], tolerance)


def padding_does_not_leak(forward: Forward, items: Sequence[Tensor], poison: float = float("nan")) -> None:
    """What lies in the padding, and how much of it there is, changes no valid output."""
    clean, lengths = forward(*pad(items))
    for fill, surplus in ((poison, 0), (-3e4, 0), (poison, 13)):
        poisoned, same = forward(*pad(items, fill, surplus))
        assert same.tolist() == lengths.tolist()
        for number, length in enumerate(lengths.tolist()):
            assert_same(poisoned[number, :length], clean[number, :length])


def future_does_not_leak(forward: Forward, x: Tensor, block: int, outputs: int, poison: float = 3e4) -> None:
    """Outputs of a block do not depend on later blocks; block: inputs of one, outputs: outputs of one."""
    lengths = torch.full((len(x),), x.shape[1])
    clean, _ = forward(x, lengths)
    starts = range(block, x.shape[1], block)
    assert len(starts) > 1, "more than two blocks are needed"
    for number, start in enumerate(starts, start=1):
        changed = x.clone()
        changed[:, start:] = poison
        after, _ = forward(changed, lengths)
        assert torch.equal(after[:, : number * outputs], clean[:, : number * outputs]), (
            f"block {number} leaks"
        )
        assert not torch.equal(after, clean), "the outputs do not depend on the inputs at all"


def by_steps(step: Step, state: Any, x: Tensor, block: int) -> tuple[Tensor, Any]:
    """`x` (batch, time, ...) through `step` block by block: outputs joined, and the last state."""
    outputs = []
    for start in range(0, max(x.shape[1], 1), block):
        y, state = step(x[:, start : start + block], state)
        outputs.append(y)
    return torch.cat(outputs, dim=1), state


def tensors_of(state: Any) -> list[Tensor]:
    """All tensors of a nested state."""
    if isinstance(state, Tensor):
        return [state]
    return [tensor for part in state for tensor in tensors_of(part)] if isinstance(state, tuple) else []


def state_is_bounded(step: Step, state: Any, make_block: Callable[[], Tensor], most_values: int) -> None:
    """However long the input, the state holds at most so many values, and does not grow once it is full."""
    sizes = []
    for _ in range(24):
        _, state = step(make_block(), state)
        sizes.append(sum(tensor.numel() for tensor in tensors_of(state)))
    assert max(sizes) <= most_values, f"the state grew to {max(sizes)} values"
    assert sizes[-1] == sizes[-8], f"the state still grows: {sizes}"


def state_can_be_forked(step: Step, state: Any, make_block: Callable[[], Tensor]) -> None:
    """Two continuations of one state do not disturb each other, and neither writes to it."""
    _, state = step(make_block(), state)
    kept = [tensor.detach().clone() for tensor in tensors_of(state)]
    left, right = make_block(), make_block()
    before, after_left = step(left, state)
    step(right, after_left)
    step(right, state)
    again, _ = step(left, state)
    assert torch.equal(before, again), "a continuation changed the outcome of another"
    same = [torch.equal(a, b) for a, b in zip(kept, tensors_of(state), strict=True)]
    assert all(same), "a step wrote to the state it was given"
