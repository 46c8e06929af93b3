"""Sizes: the paper's preset has the paper's sizes; impossible values are refused."""

from dataclasses import replace

import pytest
import torch

from prosody.config import PRESETS, UNLIMITED, ProsodyConfig, full_context
from prosody.layers import Block
from prosody.model import ProsodyModel
from speech_core.checkpoint import config_from_dict, config_to_dict
from speech_core.errors import ConfigError


def parameters(module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_paper_preset_has_the_papers_block():
    """Self-attention 3.0M, phones 3.0M, Llama 8.6M, fully connected 1.5M; 16M a block."""
    config = PRESETS["paper"]
    assert (config.num_heads, config.d_feedforward, config.d_llama) == (6, 864, 4096)
    with torch.device("meta"):
        block = Block(config)
    sizes = [parameters(part) / 1e6 for part in (block.history, block.phones, block.tokens)]
    assert [round(size, 1) for size in sizes] == [3.0, 3.0, 8.6]
    assert round((parameters(block.up) + parameters(block.down)) / 1e6, 1) == 1.5
    assert round(parameters(block) / 1e6) == 16


def test_small_is_small():
    model = ProsodyModel(PRESETS["small"])
    assert parameters(model) < 4.5e6
    assert parameters(ProsodyModel(replace(PRESETS["small"], d_llama=0))) < parameters(model)


def test_a_streaming_configuration_becomes_one_of_full_context():
    config = PRESETS["small"]
    full = full_context(config)
    assert config.phone_lookahead < UNLIMITED
    assert full.phone_lookahead == full.left_context_groups == UNLIMITED
    assert parameters(ProsodyModel(full)) == parameters(ProsodyModel(config))


def test_the_configuration_survives_json():
    config = replace(PRESETS["tiny"], speakers=("a", "b"), means=(1.0,) * 6, deviations=(2.0,) * 6)
    assert config_from_dict(ProsodyConfig, config_to_dict(config)) == config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_layers": 0}, "positive"),
        ({"d_model": 25}, "multiple"),
        ({"d_model": 6}, "even"),
        ({"d_llama": -1}, "d_llama"),
        ({"dropout": 1.0}, "dropout"),
        ({"phone_lookahead": -1}, "lookahead"),
        ({"left_context_phones": 2}, "left context"),
        ({"max_group_tokens": 0}, "max_group_tokens"),
        ({"speakers": ()}, "empty"),
        ({"speakers": ("a", "b")}, "6 means"),
        ({"deviations": (1.0, 0.0, 1.0)}, "positive deviations"),
        ({"frame_s": 0.0}, "resolutions"),
    ],
)
def test_impossible_values_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        replace(PRESETS["tiny"], **change)
