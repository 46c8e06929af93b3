"""BEST-RQ: the mask covers what theory says, targets are of clean features, the quantizer never changes."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from speech_core.audio import load_audio
from speech_core.checkpoint import load_weights, save_component
from speech_encoder import best_rq as module
from speech_encoder.best_rq import BestRq, RandomProjectionQuantizer, random_crop, sample_mask
from speech_encoder.config import BEST_RQ_PRESETS, ENCODER_PRESETS, BestRqConfig, FeatureConfig
from speech_encoder.conformer import SpeechEncoder
from speech_encoder.features import log_mel
from speech_encoder.subsampling import stack_frames

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
PAPER, TINY = BEST_RQ_PRESETS["paper"], BEST_RQ_PRESETS["tiny"]
THEORY = 1 - 0.975**32  # masked share when spans may overlap


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make_model(config: BestRqConfig = TINY) -> BestRq:
    torch.manual_seed(0)
    return BestRq(SpeechEncoder(ENCODER_PRESETS["tiny"]), config)


def make_batch() -> tuple[Tensor, Tensor]:
    """Three items of 50, 131 and 200 frames, zeros after them."""
    lengths = torch.tensor([50, 131, 200])
    features = torch.randn(3, 200, 80, generator=seeded(1))
    return features * (torch.arange(200) < lengths[:, None])[:, :, None], lengths


# The mask


@pytest.mark.parametrize("stack", [4, 8])
def test_coverage_is_what_theory_says(stack):
    total = 120
    masked = sample_mask(torch.full((600,), total), total, PAPER, stack, seeded())
    shares = masked.float().mean(1)
    error = float(shares.std()) / math.sqrt(len(shares))
    assert error < 0.01
    assert abs(float(shares.mean()) - THEORY) < 4 * error
    for edge in (masked[:, :8], masked[:, -8:]):  # the ends are masked as often as the middle
        assert abs(float(edge.float().mean()) - THEORY) < 0.05


@pytest.mark.parametrize("stack", [4, 8])
def test_spans_are_32_frames_or_longer_where_they_overlap(stack):
    masked = sample_mask(torch.full((50,), 200), 200, PAPER, stack, seeded())
    for row in masked.tolist():
        runs = "".join("x" if m else " " for m in row).split(" ")[1:-1]  # runs that touch an end may be cut
        assert all(len(run) * stack >= 32 for run in runs if run)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=6), st.integers(0, 10_000), st.sampled_from([4, 8]))
@settings(max_examples=60)
def test_masks_lie_within_each_item_and_leave_none_out(lengths, seed, stack):
    total = max(*lengths, 1)
    masked = sample_mask(torch.tensor(lengths), total, PAPER, stack, seeded(seed))
    assert masked.shape == (len(lengths), total)
    for row, length in zip(masked, lengths, strict=True):
        assert not row[length:].any()
        assert bool(row.any()) == (length > 0)


def test_each_item_is_masked_in_its_own_way_also_at_its_end():
    masked = sample_mask(torch.tensor([100, 100, 400]), 400, PAPER, 4, seeded())
    assert not torch.equal(masked[0, :100], masked[1, :100])
    assert masked[2, 100:].float().mean() > 0.3  # not cut to the shortest item


# Crops


def test_long_items_are_cropped_to_a_minute_at_random():
    frames = torch.arange(7_000.0)[:, None].expand(2, 7_000, 2).clone()
    lengths = torch.tensor([7_000, 300])
    starts = set()
    for seed in range(20):
        cropped, shorter = random_crop(frames, lengths, PAPER.crop_frames, seeded(seed))
        assert cropped.shape == (2, 6_000, 2)
        assert shorter.tolist() == [6_000, 300]
        start = int(cropped[0, 0, 0])
        assert torch.equal(cropped[0], frames[0, start : start + 6_000])
        assert torch.equal(cropped[1], frames[1, :6_000])
        starts.add(start)
    assert len(starts) > 15
    assert max(starts) <= 1_000


def test_items_of_a_minute_are_left_alone():
    features, lengths = torch.randn(1, 6_000, 1), torch.tensor([6_000])
    cropped, same = random_crop(features, lengths, 6_000, seeded())
    assert cropped is features
    assert same is lengths


@given(st.integers(1, 40), st.integers(0, 1000))
def test_crops_never_leave_the_item(surplus, seed):
    features = torch.zeros(1, 10 + surplus, 1)
    cropped, lengths = random_crop(features, torch.tensor([10 + surplus]), 10, seeded(seed))
    assert cropped.shape[1] == 10
    assert lengths.tolist() == [10]


# The quantizer


def test_codes_are_the_nearest_by_cosine():
    quantizer = RandomProjectionQuantizer(12, replace(PAPER, num_codebooks=2, codebook_size=50))
    stacked = torch.randn(30, 12, generator=seeded())
    for book in range(2):
        projected = functional.normalize(stacked @ quantizer.projections[book], dim=-1)
        distances = (projected[:, None] - quantizer.codebooks[book][None]).norm(dim=-1)
        assert torch.equal(quantizer(stacked, book), distances.argmin(-1))
    assert torch.equal(
        quantizer(stacked, 0), quantizer(7 * stacked, 0)
    )  # loudness of the projection is ignored


def test_projections_and_codebooks_are_as_published():
    quantizer = RandomProjectionQuantizer(320, PAPER)
    assert quantizer.projections.shape == (16, 320, 16)
    assert quantizer.codebooks.shape == (16, 8192, 16)
    assert torch.allclose(quantizer.codebooks.norm(dim=-1), torch.ones(16, 8192), atol=1e-5)
    bound = math.sqrt(6 / (320 + 16))  # Xavier uniform
    assert 0.99 * bound < float(quantizer.projections.abs().max()) <= bound
    assert float(quantizer.projections.std()) == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert not torch.equal(quantizer.projections[0], quantizer.projections[1])
    assert torch.equal(quantizer.codebooks, RandomProjectionQuantizer(320, PAPER).codebooks)
    assert not torch.equal(quantizer.codebooks, RandomProjectionQuantizer(320, PAPER, seed=1).codebooks)


def buffer_bytes(quantizer: RandomProjectionQuantizer) -> list[bytes]:
    return [value.numpy().tobytes() for value in quantizer.state_dict().values()]


def test_the_quantizer_survives_training_and_disk_to_the_byte(tmp_path):
    model = make_model()
    before = buffer_bytes(model.quantizer)
    assert not list(model.quantizer.parameters())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    weights = model.encoder.stacking.project.weight.detach().clone()
    for seed in range(3):
        model(*make_batch(), seeded(seed)).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert not torch.equal(model.encoder.stacking.project.weight, weights)
    assert buffer_bytes(model.quantizer) == before
    save_component(tmp_path, model.quantizer, TINY, {})
    other = RandomProjectionQuantizer(320, TINY, seed=9)
    assert buffer_bytes(other) != before
    load_weights(tmp_path, other)
    assert buffer_bytes(other) == before


def test_targets_are_the_same_under_autocast():
    quantizer = RandomProjectionQuantizer(320, PAPER)
    stacked = torch.randn(100, 320, generator=seeded())
    with torch.autocast("cpu", torch.bfloat16):
        rounded = quantizer(stacked, 3)
    assert torch.equal(rounded, quantizer(stacked, 3))


def code_usage(stacked: Tensor) -> tuple[int, float]:
    """Fewest distinct codes and lowest entropy in nats over the books."""
    quantizer = RandomProjectionQuantizer(stacked.shape[1], PAPER)
    usage = [module._usage(quantizer(stacked, book), 8192) for book in range(16)]
    return min(int(used) for used, _ in usage), min(float(entropy) for _, entropy in usage)


@pytest.mark.parametrize("stack", [4, 8])
def test_codes_do_not_collapse_on_real_speech(stack):
    paths = sorted(SAMPLES.glob("*.flac"))
    features = torch.cat([log_mel(torch.from_numpy(load_audio(path)), FeatureConfig()) for path in paths])
    features = features[: len(features) // stack * stack]
    assert len(features) > 2_000
    normalised = (features - features.mean(0)) / features.std(0)
    used, entropy = code_usage(normalised.reshape(-1, 80 * stack))
    assert entropy > 3.5  # measured 3.8; e^3.5 = 33 codes used equally often would have it
    assert used > 100
    collapsed_used, collapsed_entropy = code_usage(features.reshape(-1, 80 * stack))
    assert collapsed_entropy < 2.5 < entropy  # without normalisation: the check would see a collapse
    assert collapsed_used < used


# Input and loss


def test_masked_frames_are_noise_and_the_others_clean():
    model = make_model()
    clean = 3 + torch.randn(4, 1200, 80, generator=seeded())
    masked = sample_mask(torch.full((4,), 300), 300, PAPER, 4, seeded(1))
    filled = model._fill(clean, masked, seeded(2))
    frames = masked.repeat_interleave(4, dim=1)
    assert torch.equal(filled[~frames], clean[~frames])
    noise = filled[frames]
    assert abs(float(noise.mean())) < 4 * 0.1 / math.sqrt(noise.numel())
    assert float(noise.std()) == pytest.approx(0.1, rel=0.01)


class Recorder:
    """Keeps what a function was given and gave."""

    def __init__(self, function):
        self.function, self.calls = function, []

    def __call__(self, *arguments):
        result = self.function(*arguments)
        self.calls.append((arguments, result))
        return result


def test_targets_are_codes_of_the_clean_features_at_masked_places(monkeypatch):
    model = make_model()
    model.encoder.feature_mean, model.encoder.feature_std = torch.full((80,), 0.3), torch.full((80,), 1.7)
    features, lengths = make_batch()
    clean, _ = stack_frames((features - 0.3) / 1.7, lengths, 4)
    for seed in range(3):
        masks, quantized = Recorder(sample_mask), Recorder(model.quantizer.forward)
        monkeypatch.setattr(module, "sample_mask", masks)
        monkeypatch.setattr(model.quantizer, "forward", quantized)
        model(features, lengths, seeded(seed))
        monkeypatch.undo()
        masked = masks.calls[0][1]
        assert sorted(book for (_, book), _ in quantized.calls) == [0, 1]
        for (stacked, book), targets in quantized.calls:
            assert torch.equal(stacked, clean[masked])
            everywhere = model.quantizer(clean.flatten(0, 1), book).view(masked.shape)
            assert torch.equal(targets, everywhere[masked])  # whatever the mask, a place has one target


def test_nothing_of_the_padding_gets_in():
    model = make_model()
    features, lengths = make_batch()
    clean = model(features, lengths, seeded(3))
    poisoned = features.clone()
    for row, length in zip(poisoned, lengths.tolist(), strict=True):
        row[length:] = float("nan")
    for a, b in zip(clean, model(poisoned, lengths, seeded(3)), strict=True):
        assert torch.equal(a, b)


def test_only_masked_places_count(monkeypatch):
    model = make_model()
    features, lengths = make_batch()
    hidden = torch.randn(3, 50, 32, generator=seeded(5), requires_grad=True)
    masks = Recorder(sample_mask)
    monkeypatch.setattr(module, "sample_mask", masks)
    monkeypatch.setattr(model.encoder, "encode", lambda normalised, lengths: (hidden, lengths))
    output = model(features, lengths, seeded(4))
    output.loss.backward()
    masked = masks.calls[0][1]
    assert hidden.grad is not None
    assert not hidden.grad[~masked].any()
    assert bool(hidden.grad[masked].abs().sum(-1).gt(0).all())
    with torch.no_grad():
        hidden[~masked] = 100.0
    assert torch.equal(model(features, lengths, seeded(4)).loss, output.loss)
    with torch.no_grad():
        hidden[masked] *= 2
    assert not torch.equal(model(features, lengths, seeded(4)).loss, output.loss)


def test_the_loss_is_the_mean_cross_entropy_over_masked_places_and_books():
    model = make_model().eval()
    features, lengths = make_batch()
    output = model(features, lengths, seeded(6))
    generator = seeded(6)
    stacked, shorter = stack_frames(features, lengths, 4)
    masked = sample_mask(shorter, 50, TINY, 4, generator)
    noise = torch.randn(features.shape, generator=generator) * 0.1
    filled = torch.where(masked.repeat_interleave(4, 1)[:, :, None], noise, features)
    hidden = model.encoder(filled, lengths)[0]
    losses, hits = [], torch.zeros(2)
    for item, place in masked.nonzero().tolist():
        for book in range(2):
            target = int(model.quantizer(stacked[item, place][None], book))
            log_probs = model.heads[book](hidden[item, place]).log_softmax(-1)
            losses.append(float(-log_probs[target].detach()))
            hits[book] += int(log_probs.argmax()) == target
    assert float(output.loss.detach()) == pytest.approx(sum(losses) / len(losses), rel=1e-5)
    assert torch.allclose(output.accuracy, hits / masked.sum())
    assert float(output.masked_share) == pytest.approx(int(masked.sum()) / int(shorter.sum()))


def test_chance_is_the_logarithm_of_the_codebook_size():
    model = make_model()
    for head in model.heads.parameters():
        head.data.zero_()
    assert float(model(*make_batch(), seeded()).loss.detach()) == pytest.approx(math.log(64), rel=1e-5)


def test_some_books_a_step_are_an_unbiased_estimate(monkeypatch):
    model = make_model(replace(TINY, num_codebooks=4))
    features, lengths = make_batch()
    whole = model(features, lengths, seeded(2))
    model.config = replace(model.config, codebooks_per_step=1)
    seen: dict[int, float] = {}
    for book in range(4):  # the same mask and noise, another choice of books
        order = torch.tensor([book, (book + 1) % 4, (book + 2) % 4, (book + 3) % 4])
        monkeypatch.setattr(torch, "randperm", lambda *_, order=order, **__: order)
        output = model(features, lengths, seeded(2))
        assert output.accuracy.isnan().tolist() == [other != book for other in range(4)]
        seen[book] = float(output.loss.detach())
    monkeypatch.undo()
    chosen = {int((~model(features, lengths, seeded(n)).accuracy.isnan()).nonzero()) for n in range(25)}
    assert chosen == {0, 1, 2, 3}
    assert sum(seen.values()) / 4 == pytest.approx(float(whole.loss.detach()), rel=1e-5)


def test_usage_counts_codes_and_entropy():
    used, entropy = module._usage(torch.tensor([5, 5, 1, 1]), 8)
    assert int(used) == 2
    assert float(entropy) == pytest.approx(math.log(2))
    assert float(module._usage(torch.tensor([3, 3]), 8)[1]) == 0.0
