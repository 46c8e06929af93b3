"""Augmentation does what its words say, is pure, and repeats with its seed."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recipes.data.augment import (
    AugmentConfig,
    Augmenter,
    SpecAugmentConfig,
    add_noise,
    change_speed,
    change_volume,
    decaying_noise_response,
    limit_band,
    load_augmenter,
    quantize,
    reverberate,
    spec_augment,
    warp_bands,
)
from recipes.data.waveforms import SAMPLE_RATE, active_rms
from speech_core.errors import ConfigError, InputError
from speech_encoder.config import FeatureConfig
from speech_encoder.features import log_mel, mel_edges


def tone(hz, seconds=1.0):
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)).astype(
        np.float32
    )


def strongest_hz(audio):
    return float(np.abs(np.fft.rfft(audio)).argmax() * SAMPLE_RATE / audio.size)


def level_db(audio):
    return 20 * np.log10(max(active_rms(audio[800:-800]), 1e-9))


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.25])
def test_speed_changes_length_and_pitch_together(factor):
    fast = change_speed(tone(400), factor)
    assert abs(fast.size - SAMPLE_RATE / factor) <= 2
    assert strongest_hz(fast) == pytest.approx(400 * factor, rel=0.01)


def test_volume_is_in_decibels_and_never_clips():
    assert level_db(change_volume(tone(400), -12.0)) == pytest.approx(level_db(tone(400)) - 12.0, abs=0.05)
    assert np.abs(change_volume(tone(400), 40.0)).max() <= 0.99 + 1e-6


@pytest.mark.parametrize("snr_db", [0.0, 15.0])
def test_noise_lies_as_far_below_the_speech_as_said(snr_db):
    audio, noise = tone(400), np.random.default_rng(0).normal(0, 0.5, 3000).astype(np.float32)
    added = add_noise(audio * 0.3, noise, snr_db, start=1000) - audio * 0.3
    assert level_db(audio * 0.3) - level_db(added) == pytest.approx(snr_db, abs=0.3)


def test_noise_of_nothing_changes_nothing():
    assert np.array_equal(add_noise(tone(400), np.zeros(10, np.float32), 0.0), tone(400))
    with pytest.raises(InputError, match="no samples"):
        add_noise(tone(400), np.zeros(0, np.float32), 0.0)


def test_a_room_of_one_reflection_at_any_delay_keeps_time_and_level(speech):
    response = np.zeros(1000, np.float32)
    response[300] = 0.5  # direct sound only: nothing may change
    assert np.abs(reverberate(speech, response) - speech).max() < 1e-4


def test_a_room_smears_but_keeps_length_and_level(speech):
    wet = reverberate(speech, decaying_noise_response(np.random.default_rng(0), 0.5))
    assert wet.size == speech.size
    assert active_rms(wet) == pytest.approx(active_rms(speech), rel=0.01)
    assert np.abs(wet - speech).max() > 0.01


def test_a_band_keeps_what_is_inside_and_removes_what_is_outside():
    low, middle, high = (level_db(limit_band(tone(hz), 300, 3400)) for hz in (60, 1000, 6000))
    assert middle == pytest.approx(level_db(tone(1000)), abs=0.2)
    assert low < middle - 30
    assert high < middle - 25
    with pytest.raises(InputError, match="band"):
        limit_band(tone(400), 4000, 300)


def test_quantized_sound_has_few_levels():
    assert np.unique(quantize(tone(401), 4)).size <= 17
    assert not quantize(np.zeros(10, np.float32), 8).any()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 0.6))
def test_an_augmenter_repeats_with_its_seed_and_leaves_its_input(seed, seconds):
    everything = AugmentConfig(1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    audio = tone(300, seconds)
    before = audio.copy()
    first, words = Augmenter(config=everything)(audio, np.random.default_rng(seed))
    again, same_words = Augmenter(config=everything)(audio, np.random.default_rng(seed))
    assert np.array_equal(first, again)
    assert words == same_words
    assert len(words) == 6
    assert np.array_equal(audio, before)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert np.abs(first).max() <= 1.0


def test_chances_of_zero_do_nothing():
    audio, words = Augmenter(config=AugmentConfig(0, 0, 0, 0, 0, 0))(tone(300), np.random.default_rng(0))
    assert np.array_equal(audio, tone(300))
    assert words == []
    with pytest.raises(ConfigError, match="chances"):
        AugmentConfig(noise=1.5)


def test_noises_are_loaded_but_never_music(noise_dir):
    augmenter = load_augmenter(noise_dir)
    assert set(augmenter.noises) == {"hum", "hiss"}
    assert set(augmenter.responses) == {"hall"}
    said = {augmenter.noise(tone(300), np.random.default_rng(seed))[1].split()[1] for seed in range(20)}
    assert said == {"hum", "hiss"}
    with pytest.raises(InputError, match="no noises"):
        load_augmenter(noise_dir / "music")


def masked(features):
    return features == 0.0


def random_features(batch, frames, mels=80):
    return torch.rand(batch, frames, mels, generator=torch.Generator().manual_seed(0)) + 1.0


def test_spec_augment_hides_whole_bands_and_spans_within_bounds():
    config = SpecAugmentConfig()
    lengths = torch.tensor([1000, 400])
    features = random_features(2, 1000)
    out = spec_augment(features, lengths, config, torch.Generator().manual_seed(1))
    assert torch.equal(out[~masked(out)], features[~masked(out)])
    for item in masked(out):
        mels, frames = item.all(0), item.all(1)
        assert torch.equal(item, mels[None, :] | frames[:, None])
        assert 0 < mels.sum() <= 2 * 27
    hidden = masked(out).all(2)
    assert 0 < hidden[0].sum() <= 4 * 40
    assert not hidden[1, 400:].any()  # spans lie within the item
    assert hidden[1].sum() <= 2 * 20  # 5 % of 400 frames, 2 masks for 4 seconds


def test_spec_augment_repeats_with_its_generator_and_differs_between_items():
    features, lengths = random_features(2, 500), torch.tensor([500, 500])
    first, again = (
        spec_augment(features, lengths, SpecAugmentConfig(), torch.Generator().manual_seed(3))
        for _ in range(2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(masked(first)[0], masked(first)[1])


def test_spec_augment_does_not_depend_on_padding():
    features, lengths = random_features(2, 300), torch.tensor([300, 120])
    padded = torch.cat([features, torch.ones(2, 100, 80)], dim=1)
    short = spec_augment(features, lengths, SpecAugmentConfig(), torch.Generator().manual_seed(5))
    long = spec_augment(padded, lengths, SpecAugmentConfig(), torch.Generator().manual_seed(5))
    assert torch.equal(short, long[:, :300])


def test_smaller_masks_hide_less():
    features, lengths = torch.ones(8, 500, 80), torch.full((8,), 500)
    hidden = [
        float((spec_augment(features, lengths, config, torch.Generator().manual_seed(7)) == 0).float().mean())
        for config in (SpecAugmentConfig.of_size(size) for size in (0.0, 0.3, 1.0))
    ]
    assert hidden[0] == 0.0
    assert 0.02 < hidden[1] < 0.5 * hidden[2]
    assert SpecAugmentConfig.of_size(1.0) == SpecAugmentConfig()
    with pytest.raises(ConfigError, match=r"in \[0, 1\]"):
        SpecAugmentConfig.of_size(1.5)


def test_spec_augment_switched_off_is_a_copy():
    features = random_features(1, 50)
    out = spec_augment(features, torch.tensor([50]), SpecAugmentConfig(num_mel_masks=0, max_time_masks=0))
    assert torch.equal(out, features)
    assert out is not features
    with pytest.raises(ConfigError):
        SpecAugmentConfig(max_time_share=2.0)


def test_a_warp_of_nothing_changes_nothing_and_a_bad_one_is_refused():
    features = torch.randn(3, 20, 80)
    torch.testing.assert_close(warp_bands(features, 0.0, FeatureConfig()), features)
    for size in (-0.1, 1.0):
        with pytest.raises(ConfigError, match="size of the warp"):
            warp_bands(features, size, FeatureConfig())


def test_a_warp_moves_a_tone_by_the_factor_drawn():
    config, tone_hz = FeatureConfig(), 1500.0
    audio = torch.sin(2 * torch.pi * tone_hz * torch.arange(16_000) / config.sample_rate)
    features = log_mel(audio, config)[None, 20:40].expand(8, -1, -1)
    factors = 1 + 0.2 * (2 * torch.rand(8, generator=torch.Generator().manual_seed(3)) - 1)
    warped = warp_bands(features, 0.2, config, torch.Generator().manual_seed(3))
    peaks_hz = mel_edges(config)[1:-1][warped.mean(1).argmax(-1)]
    torch.testing.assert_close(peaks_hz.float(), tone_hz / factors, rtol=0.04, atol=0)
    assert float(warped.std(0).max()) > 1.0  # every item by its own


def test_a_warp_keeps_what_does_not_depend_on_frequency():
    features = torch.randn(2, 9, 1).expand(2, 9, 80)
    torch.testing.assert_close(warp_bands(features, 0.3, FeatureConfig()), features)
