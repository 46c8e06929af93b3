"""Whisper's encoder layer by layer, in torch: a teacher that shows what each layer makes of the sound.

The weights are those of a model for faster-whisper (CTranslate2's `model.bin`), the layers are transformers'.
Source of the encoder: Radford et al., arXiv 2212.04356.
"""

import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from recipes.data.whisper_states import STATE_FRAMES
from speech_core.errors import ConfigError
from speech_core.masks import length_mask

_DTYPES: dict[int, Any] = {0: np.float32, 2: np.int16, 3: np.int32, 4: np.float16}  # 1: quantized
_PREFIX = "encoder/"
_USUAL_POSITIONS = 800  # 16 s, over which positions are averaged


def read_weights(model: Path) -> dict[str, Tensor]:
    """Encoder weights of a folder with `model.bin`, float32, by CTranslate2's names without `encoder/`.

    Raises ConfigError where the file is another format, or its weights are quantized.
    """
    with (model / "model.bin").open("rb") as data:
        version, spec = _number(data, "I"), _name(data)
        if version != 6 or spec != "WhisperSpec":
            raise ConfigError(
                f"{model}: need a Whisper model of CTranslate2's format 6, this is {spec} {version}"
            )
        _number(data, "I")
        weights = _encoder_weights(data, _number(data, "I"))
        for _ in range(_number(data, "I")):  # equal weights are stored once
            alias, name = _name(data), _name(data)
            if alias.startswith(_PREFIX):
                weights[alias.removeprefix(_PREFIX)] = weights[name.removeprefix(_PREFIX)]
        return weights


def _encoder_weights(data: BinaryIO, count: int) -> dict[str, Tensor]:
    found = {}
    for _ in range(count):
        name = _name(data)
        shape = [_number(data, "I") for _ in range(_number(data, "B"))]
        dtype, size = _number(data, "B"), _number(data, "I")
        raw = data.read(size)
        if name.startswith(_PREFIX):
            if dtype not in _DTYPES:
                raise ConfigError(f"{name} is quantized: use a model in float16 or float32")
            array = np.frombuffer(raw, _DTYPES[dtype]).reshape(shape).astype(np.float32)
            found[name.removeprefix(_PREFIX)] = torch.from_numpy(array)
    return found


def _number(data: BinaryIO, kind: str) -> int:
    return int(struct.unpack("<" + kind, data.read(struct.calcsize("<" + kind)))[0])


def _name(data: BinaryIO) -> str:
    return data.read(_number(data, "H"))[:-1].decode("ascii")  # ends in a zero


class WhisperLayers(nn.Module):
    """Whisper's encoder, frozen; gives the residual stream before its first and after each of its layers."""

    positions: Tensor

    def __init__(self, model: Path) -> None:
        super().__init__()
        from transformers.models.whisper.configuration_whisper import WhisperConfig
        from transformers.models.whisper.modeling_whisper import WhisperEncoderLayer

        weights = read_weights(model)
        d_model, num_mels, _ = weights["conv1/weight"].shape
        num_layers = sum(name.endswith("ffn/linear_0/weight") for name in weights)
        d_feedforward = len(weights["layer_0/ffn/linear_0/weight"])
        config = WhisperConfig(
            d_model=d_model,
            num_mel_bins=num_mels,
            encoder_attention_heads=int(weights["num_heads"]),
            encoder_ffn_dim=d_feedforward,
            dropout=0.0,
            attn_implementation="sdpa",
        )
        self.convolutions = nn.ModuleList(
            [nn.Conv1d(num_mels, d_model, 3, padding=1), nn.Conv1d(d_model, d_model, 3, 2, padding=1)]
        )
        self.layers = nn.ModuleList(WhisperEncoderLayer(config) for _ in range(num_layers))
        self.register_buffer("positions", weights["position_encodings/encodings"])
        for number, convolution in enumerate(self.convolutions, start=1):
            convolution.load_state_dict(
                _part(weights, f"conv{number}/", {"weight": "weight", "bias": "bias"})
            )
        for number, layer in enumerate(self.layers):
            layer.load_state_dict(_layer_weights(weights, f"layer_{number}/"))
        self.requires_grad_(False)

    @torch.no_grad()
    def outputs(self, mels: Tensor, lengths: Tensor) -> list[Tensor]:
        """The residual stream before the first and after each layer: (batch, frames / 2, d_model) each.

        mels: Whisper's log-mel (batch, frames, mels), an even number of frames, at most 3,000; lengths
        (batch,) in frames. No frame past its length is attended to.
        """
        x = mels.transpose(1, 2)
        for convolution in self.convolutions:
            x = functional.gelu(convolution(x))
        x = x.transpose(1, 2)
        x = x + self.positions[: x.shape[1]]
        keys = length_mask(-(-lengths // 2), x.shape[1])[:, None, None, :]
        found = [x]
        for layer in self.layers:
            found.append(layer(found[-1], keys))
        return found

    def streams(self, mels: Tensor, lengths: Tensor) -> list[Tensor]:
        """`outputs` at one state for STATE_FRAMES frames, which must divide their number; without position.

        What only tells the position is taken out, as far as it is still what was put in: the mean over
        positions stands in its place. -> (batch, frames / STATE_FRAMES, d_model) each
        """
        outputs = self.outputs(mels, lengths)
        told = self.positions[: outputs[0].shape[1]] - self.positions[:_USUAL_POSITIONS].mean(0)
        return [_pooled(x - told) for x in outputs]


def _pooled(stream: Tensor) -> Tensor:
    batch, _, d_model = stream.shape
    return stream.float().view(batch, -1, STATE_FRAMES // 2, d_model).mean(2)


def _part(weights: dict[str, Tensor], prefix: str, names: dict[str, str]) -> dict[str, Tensor]:
    return {ours: weights[prefix + theirs] for ours, theirs in names.items()}


def _layer_weights(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """A layer's weights by transformers' names."""
    affine = {"weight": "gamma", "bias": "beta"}
    found: dict[str, Tensor] = {}
    for ours, theirs, names in (
        ("self_attn_layer_norm.", "self_attention/layer_norm/", affine),
        ("self_attn.out_proj.", "self_attention/linear_1/", None),
        ("final_layer_norm.", "ffn/layer_norm/", affine),
        ("fc1.", "ffn/linear_0/", None),
        ("fc2.", "ffn/linear_1/", None),
    ):
        part = _part(weights, prefix + theirs, names or {"weight": "weight", "bias": "bias"})
        found |= {ours + name: value for name, value in part.items()}
    matrices = weights[prefix + "self_attention/linear_0/weight"].chunk(3)
    biases = weights[prefix + "self_attention/linear_0/bias"].chunk(3)
    for name, matrix, bias in zip("qkv", matrices, biases, strict=True):
        found[f"self_attn.{name}_proj.weight"] = matrix
        if name != "k":  # keys have no bias in Whisper
            found[f"self_attn.{name}_proj.bias"] = bias
    return found
