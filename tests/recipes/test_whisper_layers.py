"""Whisper's encoder in torch: equal to ctranslate2's, blind to padding, one state for four frames."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from recipes.data.whisper_layers import WhisperLayers, read_weights
from recipes.data.whisper_states import STATE_FRAMES
from speech_core.errors import ConfigError
from tests.whisper_model import WIDTH, write_whisper

ctranslate2 = pytest.importorskip("ctranslate2")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_whisper(tmp_path_factory.mktemp("whisper"))


def test_the_last_output_is_what_ctranslate2_gives(model):
    mels = torch.randn(1, 64, 80, generator=torch.Generator().manual_seed(0))
    layers = WhisperLayers(model)
    outputs = layers.outputs(mels, torch.tensor([64]))
    weights = read_weights(model)
    ours = functional.layer_norm(
        outputs[-1], (WIDTH,), weights["layer_norm/gamma"], weights["layer_norm/beta"]
    )
    window = np.ascontiguousarray(mels.transpose(1, 2).numpy())
    whisper = ctranslate2.models.Whisper(str(model), compute_type="float32")
    theirs = np.array(whisper.encode(ctranslate2.StorageView.from_array(window), to_cpu=True))
    assert len(outputs) == 2
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-4)


def test_padding_changes_nothing(model):
    layers = WhisperLayers(model)
    mels = torch.randn(1, 40, 80, generator=torch.Generator().manual_seed(1))
    quiet = torch.zeros(1, 40, 80)  # what the convolutions assume past the end
    alone = layers.outputs(mels, torch.tensor([40]))
    padded = layers.outputs(torch.cat([mels, quiet], 1), torch.tensor([40]))
    for one, other in zip(alone, padded, strict=True):
        torch.testing.assert_close(one, other[:, :20])


def test_a_stream_has_one_state_for_four_frames_and_is_not_told_the_position(model):
    layers = WhisperLayers(model)
    first = layers.streams(torch.full((1, 80, 80), 0.3), torch.tensor([80]))[0]
    assert first.shape == (1, 80 // STATE_FRAMES, WIDTH)
    torch.testing.assert_close(first[:, 1:-1], first[:, 1:2].expand(-1, 18, -1))  # the same sound throughout


def test_quantized_weights_are_refused(tmp_path):
    folder = write_whisper(tmp_path)
    weights = folder / "model.bin"
    data = bytearray(weights.read_bytes())
    place = data.index(b"encoder/conv1/weight\0") + len(b"encoder/conv1/weight\0") + 1 + 3 * 4
    assert data[place] == 0  # float32
    data[place] = 1
    weights.write_bytes(bytes(data))
    with pytest.raises(ConfigError, match="quantized"):
        read_weights(folder)


def test_another_kind_of_model_is_refused(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"\6\0\0\0\2\0A\0" + bytes(20))
    with pytest.raises(ConfigError, match="need a Whisper model"):
        read_weights(tmp_path)
