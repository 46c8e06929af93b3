"""Sizes: the presets carry the published figures, derived values follow, impossible values are refused."""

from dataclasses import replace

import pytest

from speech_core.errors import ConfigError
from speech_encoder.config import (
    BEST_RQ_PRESETS,
    ENCODER_PRESETS,
    BestRqConfig,
    EncoderConfig,
    FeatureConfig,
)


def test_presets_are_named_alike():
    assert set(ENCODER_PRESETS) == set(BEST_RQ_PRESETS) == {"tiny", "mini", "small", "paper"}


def test_the_paper_preset_carries_the_published_sizes():
    encoder, masking = ENCODER_PRESETS["paper"], BEST_RQ_PRESETS["paper"]
    assert (encoder.num_layers, encoder.d_model, encoder.d_feedforward) == (24, 1536, 4096)
    assert (encoder.num_heads, encoder.kernel, encoder.stack) == (24, 7, 4)
    assert (encoder.features.num_mels, encoder.features.hop_samples) == (80, 160)
    assert encoder.encoding_s == pytest.approx(0.040)
    assert (masking.span_frames, masking.start_probability, masking.crop_frames) == (32, 0.025, 6000)
    assert (masking.num_codebooks, masking.codebook_size, masking.d_code) == (16, 8192, 16)


def test_derived_values_follow_from_the_fields():
    features = FeatureConfig()
    assert features.frame_rate_hz == 100.0
    assert features.edge_samples == 176
    assert masked_span_s() == pytest.approx(0.32)
    assert EncoderConfig(stack=8).encoding_s == pytest.approx(0.080)


def masked_span_s() -> float:
    return BestRqConfig().span_frames / FeatureConfig().frame_rate_hz


@pytest.mark.parametrize(
    ("good", "wrong"),
    [
        (FeatureConfig(), {"hop_samples": 0}),
        (FeatureConfig(), {"hop_samples": 401}),
        (FeatureConfig(), {"window_samples": 600}),
        (FeatureConfig(), {"hop_samples": 161}),
        (FeatureConfig(), {"high_hz": 8_001.0}),
        (FeatureConfig(), {"low_hz": 8_000.0}),
        (FeatureConfig(), {"low_hz": -1.0}),
        (FeatureConfig(), {"num_mels": 0}),
        (FeatureConfig(), {"floor": 0.0}),
        (EncoderConfig(), {"num_heads": 7}),
        (EncoderConfig(), {"num_heads": 512}),  # heads of 3
        (EncoderConfig(), {"kernel": 6}),
        (EncoderConfig(), {"kernel": -1}),
        (EncoderConfig(), {"dropout": 1.0}),
        (EncoderConfig(), {"stack": 0}),
        (EncoderConfig(), {"num_layers": 0}),
        (BestRqConfig(), {"start_probability": 0.0}),
        (BestRqConfig(), {"start_probability": 1.0}),
        (BestRqConfig(), {"codebooks_per_step": 17}),
        (BestRqConfig(), {"codebooks_per_step": -1}),
        (BestRqConfig(), {"span_frames": 0}),
        (BestRqConfig(), {"crop_frames": 0}),
        (BestRqConfig(), {"noise_std": -0.1}),
    ],
)
def test_impossible_values_are_refused_with_one_line(good, wrong):
    with pytest.raises(ConfigError) as caught:
        replace(good, **wrong)
    assert "\n" not in str(caught.value)
