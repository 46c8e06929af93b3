import math

import pytest
import torch

from speech_core.checkpoint import save_component
from speech_core.errors import InputError
from speech_synthesis.config import VOCODER_PRESETS
from speech_synthesis.mel import frame_log_power, unpack_frames
from speech_synthesis.vocoder import Vocoder, VocoderStream, load_vocoder, minimum_phase
from tests.streaming_checks import closed_after_flush, lengths_around, streaming_equals_offline
from tests.voice_parts import typical_frames

CONFIG = VOCODER_PRESETS["tiny"]
HOP = CONFIG.frames.hop_samples


@pytest.fixture
def vocoder():
    torch.manual_seed(0)
    vocoder = Vocoder(CONFIG).eval().requires_grad_(False)
    torch.nn.init.normal_(vocoder.output.weight, std=0.3)
    return vocoder


class Samples:
    """A vocoder stream whose chunks are tensors."""

    def __init__(self, vocoder):
        self.stream = VocoderStream(vocoder, seed=3)

    def _join(self, chunks):
        assert {chunk.sample_rate for chunk in chunks} <= {24_000}
        return torch.cat([chunk.samples for chunk in chunks]) if chunks else torch.zeros(0)

    def push(self, frames):
        return self._join(self.stream.push(frames))

    def flush(self):
        return self._join(self.stream.flush())


def frames_of(number, seed=0):
    """Frames whose pitch comes, moves and goes, and whose level moves."""
    draw = torch.Generator().manual_seed(seed)
    frames = typical_frames([0 if n % 11 < 3 else 150 + 8 * (n % 13) for n in range(number)], CONFIG.frames)
    frames[:, :80] += torch.randn(number, 80, generator=draw)
    return frames


@pytest.mark.parametrize("number", lengths_around(4))
def test_chunks_equal_the_whole(vocoder, number):
    frames = frames_of(number)
    whole = vocoder(frames, seed=3).clamp(-1, 1)
    assert whole.shape == (number * HOP,)
    streaming_equals_offline(lambda: Samples(vocoder), frames, whole)


def test_the_stream_closes(vocoder):
    closed_after_flush(lambda: Samples(vocoder), frames_of(5))


def test_no_frames_are_no_sound(vocoder):
    assert VocoderStream(vocoder).flush() == []


def test_a_sample_is_final_two_frames_later(vocoder):
    stream = Samples(vocoder)
    assert [stream.push(frame[None]).shape[0] // HOP for frame in frames_of(5)] == [0, 0, 1, 1, 1]


def test_later_frames_do_not_change_earlier_sound(vocoder):
    frames = frames_of(20)
    changed = frames.clone()
    changed[12:] = frames_of(8, seed=1)
    before, after = vocoder(frames), vocoder(changed)
    assert torch.equal(before[: 10 * HOP], after[: 10 * HOP])
    assert not torch.equal(before, after)


def measured_pitch_hz(sound):
    """Of a level tone, by its strongest autocorrelation."""
    spectrum = torch.fft.rfft(sound, 2 * sound.shape[0]).abs().square()
    correlation = torch.fft.irfft(spectrum)[: sound.shape[0]]
    lags = correlation[60:400]
    return 24_000 / (60 + int(lags.argmax()))


@pytest.mark.parametrize("f0_hz", [90.0, 200.0, 333.0])
def test_the_pitch_is_the_one_asked_for(f0_hz):
    vocoder = Vocoder(CONFIG).eval()
    sound = vocoder(typical_frames([f0_hz] * 80, CONFIG.frames)).detach()
    assert measured_pitch_hz(sound[6000:18_000]) == pytest.approx(f0_hz, rel=0.02)


@pytest.mark.parametrize("f0_hz", [0.0, 110.0, 250.0])
def test_the_power_is_that_of_the_densities(f0_hz):
    vocoder = Vocoder(CONFIG).eval()
    frames = typical_frames([f0_hz] * 80, CONFIG.frames)
    harmonic, noise, _ = unpack_frames(frames, vocoder.bins)
    expected = (harmonic.exp() * (f0_hz > 0) + noise.exp())[0].mean() * 12_000
    power = frame_log_power(vocoder(frames).detach(), CONFIG.frames)[10:-10].exp().mean()
    assert abs(float(power.log() - expected.log())) < 0.4


def test_a_level_tone_has_no_seams():
    """Between harmonics there is almost nothing: frames join without a click."""
    config = CONFIG.frames
    frames = typical_frames([200.0] * 80, config)
    frames[:, 80:92] = -20.0
    sound = Vocoder(CONFIG).eval()(frames).detach()[6000:18_000]
    spectrum = torch.fft.rfft(sound * torch.hann_window(12_000)).abs().square()
    near = (torch.arange(spectrum.shape[0]) * 2.0 + 100) % 200 - 100  # hertz from the nearest harmonic
    heard = slice(50, 2000)
    between = spectrum[heard][near[heard].abs() > 20].sum()
    assert 10 * math.log10(between / spectrum[heard].sum()) < -35


def test_noise_depends_on_the_seed_alone(vocoder):
    frames = frames_of(8)
    assert torch.equal(vocoder(frames, seed=1), vocoder(frames, seed=1))
    assert not torch.equal(vocoder(frames, seed=1), vocoder(frames, seed=2))


def test_minimum_phase_keeps_the_magnitude_and_answers_at_once():
    log_magnitude = torch.cos(torch.linspace(0, 6, 513))
    response = minimum_phase(log_magnitude)
    torch.testing.assert_close(response.abs().log(), log_magnitude, atol=1e-4, rtol=0)
    energy = torch.fft.irfft(response).square()
    assert float(energy[:64].sum() / energy.sum()) > 0.999


def test_gradients_reach_every_weight():
    vocoder = Vocoder(CONFIG)
    torch.nn.init.normal_(vocoder.output.weight, std=0.1)
    vocoder(frames_of(30)).square().mean().backward()
    for name, parameter in vocoder.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert float(parameter.grad.abs().sum()) > 0, name


def test_a_saved_vocoder_sounds_the_same(vocoder, tmp_path):
    save_component(tmp_path / "vocoder", vocoder, CONFIG, {})
    frames = frames_of(6)
    assert torch.equal(load_vocoder(tmp_path / "vocoder")(frames), vocoder(frames))


def test_other_channels_are_refused(vocoder):
    with pytest.raises(InputError, match="need"):
        VocoderStream(vocoder).push(torch.zeros(3, 80))
