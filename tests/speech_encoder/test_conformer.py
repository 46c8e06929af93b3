"""The Conformer: against a slow implementation; whole, padded and block by block it is the same model."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from speech_core.checkpoint import load_config, load_weights, save_component
from speech_core.masks import Chunking
from speech_encoder.config import ENCODER_PRESETS, EncoderConfig
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

TINY = ENCODER_PRESETS["tiny"]
CHUNKINGS = [Chunking(1, 0), Chunking(2, 1), Chunking(4, 8), Chunking(5, 3), Chunking(8, 0)]


def make_encoder(config: EncoderConfig = TINY) -> SpeechEncoder:
    """Random weights everywhere, so that no term is zero or one by its start value."""
    torch.manual_seed(0)
    encoder = SpeechEncoder(config).eval()
    for parameter in encoder.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    encoder.feature_mean = torch.randn(config.features.num_mels) - 5
    encoder.feature_std = torch.rand(config.features.num_mels) + 2
    return encoder.requires_grad_(False)


@pytest.fixture(scope="module")
def encoder() -> SpeechEncoder:
    return make_encoder()


def frames(count: int, batch: int = 0) -> Tensor:
    shape = (batch, count, 80) if batch else (count, 80)
    return 3 * torch.randn(shape) - 5


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_a_layer_equals_the_slow_implementation():
    encoder = make_encoder().double()
    x = torch.randn(9, TINY.d_model, dtype=torch.float64)
    everything = torch.ones(1, 9, dtype=torch.bool)
    out = encoder.layers[0](x[None], encoder._angles(0, 9), everything[:, None, None], everything, None)
    assert_same(out[0], references.conformer_layer(encoder.layers[0], x))


def test_the_encoder_is_normalisation_stacking_and_its_layers():
    encoder = make_encoder().double()
    features = frames(18).double()
    out, lengths = encoder(features[None], torch.tensor([18]))
    x = (features - encoder.feature_mean) / encoder.feature_std
    x = torch.cat([x, torch.zeros(2, 80)]).view(5, 320)  # the last stack is filled with zeros
    x = references.linear(encoder.stacking.project, x)
    for layer in encoder.layers:
        x = references.conformer_layer(layer, x)
    assert_same(out[0], x)
    assert lengths.tolist() == [5]


def test_layer_outputs_come_one_by_one_and_end_in_the_encodings(encoder):
    features, lengths = encoder.normalise(frames(50, 2)), torch.tensor([50, 37])
    called = []
    hook = encoder.layers[1].register_forward_hook(lambda *_: called.append(1))
    outputs = encoder.layer_outputs(features, lengths)
    stacked, first = next(outputs), next(outputs)
    assert not called
    (last,) = outputs
    hook.remove()
    assert_same(stacked, encoder.stacking(features, lengths)[0])
    assert_same(last, encoder.encode(features, lengths)[0])
    assert stacked.shape == first.shape == last.shape


@pytest.mark.parametrize("chunking", [None, *CHUNKINGS])
def test_batch_equals_single_and_padding_does_not_leak(encoder, chunking):
    items = [frames(count) for count in (37, 1, 16, 64, 0)]

    def forward(x, lengths):
        return encoder(x, lengths, chunking)

    batch_equals_single(forward, items)
    padding_does_not_leak(forward, items)


@pytest.mark.parametrize("chunking", CHUNKINGS)
def test_future_does_not_leak(encoder, chunking):
    block = chunking.size * TINY.stack
    future_does_not_leak(
        lambda x, lengths: encoder(x, lengths, chunking), frames(3 * block + 5, 2), block, chunking.size
    )


def test_without_blocks_the_future_is_seen(encoder):
    x = frames(40, 1)
    changed = x.clone()
    changed[:, -1] += 5
    lengths = torch.tensor([40])
    assert not torch.equal(encoder(x, lengths)[0][:, 0], encoder(changed, lengths)[0][:, 0])


@pytest.mark.parametrize("chunking", CHUNKINGS)
def test_streaming_equals_offline(encoder, chunking):
    block = chunking.size * TINY.stack
    for total in lengths_around(block):
        x = frames(total, 2)
        outputs, state = by_steps(stepper(encoder, chunking), encoder.init_state(2), x, block)
        offline, lengths = encoder(x, torch.full((2,), total), chunking)
        assert_same(outputs, offline)
        assert lengths.tolist() == [outputs.shape[1]] * 2
        assert state.position == outputs.shape[1]


def stepper(encoder: SpeechEncoder, chunking: Chunking):
    return lambda x, state: encoder.step(x, state, chunking.left_context)


def test_one_block_over_everything_is_the_whole(encoder):
    x, lengths = frames(50, 2), torch.tensor([50, 23])
    assert_same(encoder(x, lengths, Chunking(13, 0))[0][0], encoder(x, lengths)[0][0])


def test_an_empty_block_changes_nothing(encoder):
    _, state = encoder.step(frames(16, 2), encoder.init_state(2), 8)
    out, after = encoder.step(frames(0, 2), state, 8)
    assert out.shape == (2, 0, TINY.d_model)
    later = frames(16, 2)
    assert torch.equal(encoder.step(later, after, 8)[0], encoder.step(later, state, 8)[0])


def test_state_is_bounded(encoder):
    left_context, reach = 6, TINY.kernel // 2
    most = TINY.num_layers * TINY.d_model * (2 * left_context + reach)
    step = stepper(encoder, Chunking(4, left_context))
    state_is_bounded(step, encoder.init_state(1), lambda: frames(16, 1), most)


def test_state_can_be_forked(encoder):
    state_can_be_forked(stepper(encoder, Chunking(4, 8)), encoder.init_state(2), lambda: frames(16, 2))


def test_paper_has_a_billion_parameters():
    with torch.device("meta"):
        encoder = SpeechEncoder(ENCODER_PRESETS["paper"])
    assert parameters(encoder.layers) == pytest.approx(1.0016e9, rel=0.005)  # PAPER figures: layers ...
    assert parameters(encoder.stacking) == pytest.approx(0.49e6, rel=0.01)  # ... and input projection
    assert parameters(encoder) == parameters(encoder.layers) + parameters(encoder.stacking)
    assert all(parameter.is_meta for parameter in encoder.parameters())  # nothing was allocated


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_activation_checkpointing_gives_the_same_gradients(dropout):
    encoder = make_encoder(replace(TINY, dropout=dropout)).requires_grad_(True).train()
    x, lengths = frames(40, 2), torch.tensor([40, 21])

    def gradients(recompute: bool, chunking: Chunking | None) -> list[Tensor]:
        encoder.activation_checkpointing = recompute
        encoder.zero_grad()
        torch.manual_seed(3)
        encoder(x, lengths, chunking)[0].square().mean().backward()
        return [p.grad.clone() for p in encoder.parameters() if p.grad is not None]

    for chunking in (None, Chunking(4, 8)):
        plain, recomputed = gradients(False, chunking), gradients(True, chunking)
        assert len(plain) == len(list(encoder.parameters()))
        for a, b in zip(plain, recomputed, strict=True):
            assert_same(a, b)


@pytest.mark.parametrize("chunking", [None, Chunking(4, 8)])
def test_bfloat16_runs_and_stays_close(chunking):
    encoder = make_encoder().requires_grad_(True).train()
    x, lengths = frames(70, 3), torch.tensor([70, 33, 8])
    exact, _ = encoder(x, lengths, chunking)
    with torch.autocast("cpu", torch.bfloat16):
        rounded, _ = encoder(x, lengths, chunking)
        loss = rounded.float().square().mean()
    loss.backward()
    error = (rounded.float() - exact).detach()[0]
    assert 0 < float(error.square().mean()) < 0.01 * float(exact.detach()[0].square().mean())
    assert all(bool(torch.isfinite(p.grad).all()) for p in encoder.parameters() if p.grad is not None)


def test_streaming_equals_offline_in_bfloat16(encoder):
    x = frames(70, 2)
    with torch.autocast("cpu", torch.bfloat16):
        outputs, _ = by_steps(stepper(encoder, Chunking(4, 8)), encoder.init_state(2), x, 16)
        offline, _ = encoder(x, torch.full((2,), 70), Chunking(4, 8))
    assert_same(outputs.float(), offline.float(), tolerance=0.05)


def test_dropout_acts_in_training_only():
    encoder = make_encoder(replace(TINY, dropout=0.3))
    x, lengths = frames(30, 1), torch.tensor([30])
    assert torch.equal(encoder(x, lengths)[0], encoder(x, lengths)[0])
    encoder.train()
    assert not torch.equal(encoder(x, lengths)[0], encoder(x, lengths)[0])


def test_normalisation_travels_with_the_weights(encoder, tmp_path):
    save_component(tmp_path, encoder, encoder.config, {})
    other = SpeechEncoder(load_config(tmp_path, EncoderConfig)).eval()
    load_weights(tmp_path, other)
    x, lengths = frames(30, 1), torch.tensor([30])
    assert torch.equal(other(x, lengths)[0], encoder(x, lengths)[0])
    assert torch.equal(other.feature_mean, encoder.feature_mean)


def test_a_compiled_or_copied_encoder_shares_no_state(encoder):
    _, state = encoder.step(frames(16, 1), encoder.init_state(), 8)
    twin = copy.deepcopy(encoder)
    x = frames(16, 1)
    assert torch.equal(twin.step(x, state, 8)[0], encoder.step(x, state, 8)[0])
