"""A Conformer layer that inherits one of Whisper does what that does, but for positions."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from recipes.data.whisper_layers import WhisperLayers
from recipes.inherited_layers import inherit_layers
from speech_core.errors import ConfigError
from speech_core.masks import attention_mask, length_mask
from speech_encoder.config import EncoderConfig
from speech_encoder.conformer import SpeechEncoder
from tests.whisper_model import WIDTH, write_whisper

pytest.importorskip("ctranslate2")
CONFIG = EncoderConfig(num_layers=2, d_model=WIDTH, d_feedforward=4 * WIDTH, num_heads=2, dropout=0.0)
DEVIATION = 3.0


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return WhisperLayers(write_whisper(tmp_path_factory.mktemp("whisper")))


def without_own_parts(encoder: SpeechEncoder) -> SpeechEncoder:
    """First feed-forward and convolution give nothing."""
    for name, parameter in encoder.named_parameters():
        if ".first.down." in name or ".convolution.out." in name:
            torch.nn.init.zeros_(parameter)
    return encoder


def test_the_layer_gives_what_whispers_gives(teacher):
    encoder = without_own_parts(SpeechEncoder(CONFIG))
    inherit_layers(encoder, teacher, [DEVIATION])
    x = functional.layer_norm(torch.randn(2, 9, WIDTH, generator=torch.Generator().manual_seed(0)), (WIDTH,))
    lengths = torch.tensor([9, 6])
    unturned = torch.stack([torch.ones(9, WIDTH // 4), torch.zeros(9, WIDTH // 4)])
    mask, valid = attention_mask(lengths, 9), length_mask(lengths, 9)
    ours = encoder.layers[1](x, unturned, mask, valid, None)
    theirs = teacher.layers[0](x * DEVIATION, valid[:, None, None, :])
    wanted = functional.layer_norm(theirs, (WIDTH,))
    torch.testing.assert_close(ours[valid], wanted[valid], atol=0.03, rtol=0)  # Swish for GELU
    assert not torch.allclose(ours[valid], x[valid], atol=0.3)


def test_layers_before_the_inherited_ones_stay_as_they_were(teacher):
    encoder = SpeechEncoder(CONFIG)
    before = {name: value.clone() for name, value in encoder.layers[0].state_dict().items()}
    inherit_layers(encoder, teacher, [DEVIATION])
    assert all(torch.equal(before[name], value) for name, value in encoder.layers[0].state_dict().items())


@pytest.mark.parametrize(
    "change", [{"d_feedforward": 16}, {"num_heads": 1}, {"num_layers": 1}, {"d_model": 16}]
)
def test_other_sizes_are_refused(teacher, change):
    with pytest.raises(ConfigError, match="need the same"):
        inherit_layers(SpeechEncoder(replace(CONFIG, **change)), teacher, [DEVIATION])
