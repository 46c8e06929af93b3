"""The adapter: against a slow implementation; whole, padded and block by block it is the same model."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from speech_adapter.adapter import SpeechAdapter
from speech_adapter.config import ADAPTER_PRESETS, AdapterConfig
from speech_core.errors import ConfigError
from speech_core.masks import Chunking
from speech_encoder.config import ENCODER_PRESETS
from speech_encoder.conformer import SpeechEncoder
from tests import references
from tests.streaming_checks import (
    assert_same,
    batch_equals_single,
    by_steps,
    future_does_not_leak,
    lengths_around,
    padding_does_not_leak,
    state_can_be_forked,
    state_is_bounded,
)

TINY = AdapterConfig(d_encoder=12, d_model=16, d_feedforward=20, num_heads=2, d_llama=10)
STRIDES = [1, 2, 3]
CHUNKINGS = {
    1: [Chunking(1, 0), Chunking(4, 3), Chunking(5, 10)],
    2: [Chunking(2, 0), Chunking(4, 6)],
    3: [Chunking(3, 3), Chunking(6, 0)],
}
CASES = [(stride, chunking) for stride in STRIDES for chunking in CHUNKINGS[stride]]


def make_adapter(stride: int) -> SpeechAdapter:
    torch.manual_seed(0)
    adapter = SpeechAdapter(replace(TINY, stride=stride))
    for parameter in adapter.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return adapter.requires_grad_(False)


def encodings(count: int, batch: int = 0) -> Tensor:
    return torch.randn(*([batch] if batch else []), count, TINY.d_encoder)


def parameters(*modules: torch.nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("total", [1, 2, 7, 10])
def test_equals_the_slow_implementation(stride, total):
    adapter = make_adapter(stride).double()
    x = encodings(total).double()
    out, lengths = adapter(x[None], torch.tensor([total]))
    assert_same(out[0], references.adapter(adapter, x, stride))
    assert lengths.tolist() == [-(-total // stride)]


@pytest.mark.parametrize(("stride", "chunking"), [*((stride, None) for stride in STRIDES), *CASES])
def test_batch_equals_single_and_padding_does_not_leak(stride, chunking):
    adapter = make_adapter(stride)
    items = [encodings(count) for count in (13, 1, 6, 0, 12)]

    def forward(x, lengths):
        return adapter(x, lengths, chunking)

    batch_equals_single(forward, items)
    padding_does_not_leak(forward, items)


@pytest.mark.parametrize(("stride", "chunking"), CASES)
def test_future_does_not_leak(stride, chunking):
    adapter = make_adapter(stride)

    def forward(x, lengths):
        return adapter(x, lengths, chunking)

    x = encodings(3 * chunking.size + 2, 2)
    future_does_not_leak(forward, x, chunking.size, chunking.size // stride)


@pytest.mark.parametrize(("stride", "chunking"), CASES)
def test_streaming_equals_offline(stride, chunking):
    adapter = make_adapter(stride)
    step = stepper(adapter, chunking)
    for total in lengths_around(chunking.size):
        x = encodings(total, 2)
        outputs, state = by_steps(step, adapter.init_state(2), x, chunking.size)
        offline, lengths = adapter(x, torch.full((2,), total), chunking)
        assert_same(outputs, offline)
        assert lengths.tolist() == [outputs.shape[1]] * 2
        assert state.position == outputs.shape[1]


def stepper(adapter: SpeechAdapter, chunking: Chunking):
    left_context = adapter.position_chunking(chunking).left_context
    return lambda x, state: adapter.step(x, state, left_context)


def test_state_is_bounded():
    adapter = make_adapter(2)
    most = 2 * 3 * TINY.d_model + TINY.d_encoder  # keys and values of 3 positions, one encoding
    step = stepper(adapter, Chunking(4, 6))
    state_is_bounded(step, adapter.init_state(), lambda: encodings(4, 1), most)


def test_state_can_be_forked():
    adapter = make_adapter(2)
    state_can_be_forked(stepper(adapter, Chunking(4, 6)), adapter.init_state(2), lambda: encodings(4, 2))


def test_an_empty_block_changes_nothing():
    adapter = make_adapter(2)
    _, state = adapter.step(encodings(4, 2), adapter.init_state(2), 3)
    out, after = adapter.step(encodings(0, 2), state, 3)
    assert out.shape == (2, 0, TINY.d_llama)
    later = encodings(4, 2)
    assert torch.equal(adapter.step(later, after, 3)[0], adapter.step(later, state, 3)[0])


@pytest.mark.parametrize("chunking", [Chunking(3, 4), Chunking(4, 3)])
def test_blocks_that_are_no_whole_positions_are_refused(chunking):
    adapter = make_adapter(2)
    with pytest.raises(ConfigError, match="multiples of 2"):
        adapter(encodings(8, 1), torch.tensor([8]), chunking)


@pytest.mark.parametrize(("preset", "millions"), [("paper_8b", 89.7), ("paper_70b", 102.2)])
def test_paper_presets_have_about_a_hundred_million_parameters(preset, millions):
    with torch.device("meta"):
        adapter = SpeechAdapter(ADAPTER_PRESETS[preset])
    assert parameters(adapter) / 1e6 == pytest.approx(millions, rel=0.005)
    assert adapter.boundaries.shape == (2, ADAPTER_PRESETS[preset].d_llama)


def test_small_has_about_twenty_million_parameters_with_its_encoder():
    with torch.device("meta"):
        modules = SpeechEncoder(ENCODER_PRESETS["small"]), SpeechAdapter(ADAPTER_PRESETS["small"])
    assert parameters(*modules) / 1e6 == pytest.approx(22.4, rel=0.01)


def test_matched_outputs_are_as_large_as_token_embeddings():
    torch.manual_seed(0)
    adapter = SpeechAdapter(ADAPTER_PRESETS["small"])
    table = 0.13 * torch.randn(500, 576)
    adapter.match_scale(table)
    out, _ = adapter(torch.randn(2, 40, 384), torch.tensor([40, 40]))
    assert float(out.detach().std()) == pytest.approx(0.13, rel=0.1)
    assert float(adapter.boundaries.detach().std()) == pytest.approx(0.13, rel=0.1)
    assert adapter.boundaries.requires_grad


def test_gradients_reach_every_weight_but_the_boundaries():
    adapter = make_adapter(2).requires_grad_(True)
    out, _ = adapter(encodings(9, 2), torch.tensor([9, 5]))
    out.square().sum().backward()
    without = [name for name, p in adapter.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == ["boundaries"]  # they are used by the sequence


def test_bfloat16_runs_and_stays_close():
    adapter = make_adapter(2)
    x, lengths = encodings(30, 2), torch.tensor([30, 17])
    exact, _ = adapter(x, lengths)
    with torch.autocast("cpu", torch.bfloat16):
        rounded, _ = adapter(x, lengths)
    error = (rounded.float() - exact)[0]
    assert 0 < float(error.square().mean()) < 0.01 * float(exact[0].square().mean())
