import dataclasses

import pytest

from speech_core.checkpoint import config_from_dict, config_to_dict
from speech_core.errors import ConfigError
from speech_synthesis.config import (
    ACOUSTIC_PRESETS,
    VOCODER_PRESETS,
    AcousticConfig,
    FrameConfig,
    VocoderConfig,
)


@pytest.mark.parametrize("config", [*ACOUSTIC_PRESETS.values(), *VOCODER_PRESETS.values()])
def test_presets_survive_json(config):
    assert config_from_dict(type(config), config_to_dict(config)) == config


def test_frames_are_80_a_second():
    assert FrameConfig().frame_rate_hz == 80
    assert FrameConfig().num_channels == 92


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (FrameConfig, {"hop_samples": 0}),
        (FrameConfig, {"num_bands": 80}),
        (FrameConfig, {"floor": 0.0}),
        (VocoderConfig, {"num_fft": 1024}),
        (VocoderConfig, {"num_corrections": 1}),
        (AcousticConfig, {"lookahead_frames": -1}),
        (AcousticConfig, {"kernel": 0}),
        (AcousticConfig, {"phones": ()}),
    ],
)
def test_impossible_sizes_are_refused(kind, changes):
    with pytest.raises(ConfigError):
        dataclasses.replace(kind(), **changes)
