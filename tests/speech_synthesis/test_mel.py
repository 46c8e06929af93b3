import math

import pytest
import torch

from speech_synthesis.config import FrameConfig
from speech_synthesis.mel import averaging, frame_log_power, interpolation, pack_frames, unpack_frames

CONFIG = FrameConfig()


def test_averaging_and_interpolation_keep_a_level():
    for bands in (CONFIG.num_mels, CONFIG.num_bands):
        torch.testing.assert_close(averaging(bands, CONFIG).sum(0), torch.ones(bands))
        torch.testing.assert_close(interpolation(bands, CONFIG).sum(0), torch.ones(CONFIG.num_bins))


@pytest.mark.parametrize("weights", [averaging, interpolation])
def test_weights_first_asked_for_in_inference_can_be_trained_through(weights):
    with torch.inference_mode():
        weights(7, CONFIG)
    kept = weights(7, CONFIG)
    level = torch.ones(kept.shape[0], requires_grad=True)
    (level @ kept).sum().backward()
    torch.testing.assert_close(level.grad, kept.sum(1))


def test_every_bin_counts_somewhere():
    assert float(averaging(CONFIG.num_mels, CONFIG).sum(1)[1:-20].min()) > 0


def smooth(*heights):
    """A density with a few gentle hills: (1, bins)."""
    place = torch.linspace(0, 1, CONFIG.num_bins)
    return sum(h * torch.cos(math.pi * (n + 1) * place) for n, h in enumerate(heights)).exp()[None] * 1e-8


def test_smooth_densities_come_back():
    harmonic, noise = smooth(1.0, 0.5), smooth(-2.0) * 0.05
    frames = pack_frames(harmonic, noise, torch.tensor([200.0]), CONFIG)
    log_harmonic, log_noise, f0_hz = unpack_frames(frames, CONFIG)
    assert f0_hz.tolist() == [200.0]
    inside = slice(10, -30)
    assert float((log_harmonic - harmonic.log())[:, inside].abs().max()) < 0.1
    assert float((log_noise - noise.log())[:, inside].abs().max()) < 0.3


def test_unvoiced_frames_are_all_noise():
    frames = pack_frames(smooth(1.0), smooth(0.0), torch.tensor([0.0]), CONFIG)
    assert torch.equal(frames[:, CONFIG.num_mels : -1], torch.zeros(1, CONFIG.num_bands))
    log_harmonic, log_noise, _ = unpack_frames(frames, CONFIG)
    assert bool((log_noise > log_harmonic + 5).all())


def test_silence_lies_at_the_floor():
    nothing = torch.zeros(1, CONFIG.num_bins)
    frames = pack_frames(nothing, nothing, torch.zeros(1), CONFIG)
    torch.testing.assert_close(frames[0, :80], torch.full((80,), math.log(CONFIG.floor)))


def test_frame_power_of_a_sine_is_half_its_square():
    time_s = torch.arange(24_000) / 24_000
    power = frame_log_power(0.5 * torch.sin(2 * math.pi * 440 * time_s), CONFIG)
    assert power.shape == (80,)
    torch.testing.assert_close(power[2:-2], torch.full((76,), math.log(0.125)), atol=0.02, rtol=0)


def test_frame_power_has_a_floor():
    assert frame_log_power(torch.zeros(900), CONFIG).tolist() == pytest.approx([math.log(1e-10)] * 3)
