"""Frame stacking: neighbours side by side, zeros past each length, nothing of the padding."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from speech_core.errors import InputError
from speech_encoder.subsampling import FrameStacking, stack_frames
from tests.streaming_checks import batch_equals_single, padding_does_not_leak


@given(st.lists(st.integers(0, 20), min_size=1, max_size=4), st.integers(1, 8))
def test_equals_a_loop_over_groups(lengths, factor):
    mels, frames = 3, max(lengths)
    features = torch.randn(len(lengths), frames, mels, generator=torch.Generator().manual_seed(0))
    stacked, shorter = stack_frames(features, torch.tensor(lengths), factor)
    assert stacked.shape == (len(lengths), -(-frames // factor), mels * factor)
    for item, length in enumerate(lengths):
        groups = [range(start, start + factor) for start in range(0, length, factor)]
        assert int(shorter[item]) == len(groups)
        for number, group in enumerate(groups):
            rows = [features[item, t] if t < length else torch.zeros(mels) for t in group]
            assert torch.equal(stacked[item, number], torch.cat(rows))
        assert not stacked[item, len(groups) :].any()


@pytest.mark.parametrize("factor", [0, -1])
def test_a_factor_below_one_is_refused(factor):
    with pytest.raises(InputError, match=f"factor is {factor}"):
        stack_frames(torch.zeros(1, 4, 2), torch.tensor([4]), factor)


def test_the_projection_sees_no_padding():
    torch.manual_seed(0)
    stacking = FrameStacking(num_mels=5, factor=4, d_model=6)
    items = [torch.randn(n, 5) for n in (9, 1, 4, 0)]
    batch_equals_single(stacking, items)
    padding_does_not_leak(stacking, items)
    out, lengths = stacking(torch.randn(1, 9, 5), torch.tensor([9]))
    assert out.shape == (1, 3, 6)
    assert lengths.tolist() == [3]
