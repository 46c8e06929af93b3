"""A Conformer that begins with the layers of Whisper's encoder, so as not to learn again what they know.

A layer of Whisper is attention and feed-forward; a Conformer layer has these too, and a first feed-forward
and a convolution beside them, which begin with almost no effect. Three differences are made good. Whisper
has no norm after a layer: ours brings every encoding to unit deviation, so what a branch adds is divided by
the deviation it was made for. Whisper's GELU is a Swish of 1.702 times its input. Whisper's attention knows
no rotation: queries and keys are turned to the axes of their product, the strong ones in the pairs that
rotate slowly. What Whisper does by absolute positions has to be learned anew.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn

from recipes.data.whisper_layers import WhisperLayers
from speech_core.errors import ConfigError
from speech_encoder.conformer import ConformerLayer, SpeechEncoder

_SWISH = 1.702  # gelu(x) is close to swish(1.702 x) / 1.702


@torch.no_grad()
def inherit_layers(encoder: SpeechEncoder, teacher: WhisperLayers, deviations: list[float]) -> None:
    """Put the teacher's layers in place of the encoder's last ones.

    deviations: of the teacher's stream before each of its layers. Raises ConfigError where sizes differ.
    """
    count, config = len(teacher.layers), encoder.config
    first: Any = teacher.layers[0]
    sizes = (config.d_model, config.d_feedforward, config.num_heads)
    theirs = (first.embed_dim, first.fc1.out_features, first.self_attn.num_heads)
    if sizes != theirs or config.num_layers <= count:
        raise ConfigError(
            f"width, feed-forward and heads are {sizes} in {config.num_layers} layers: {count} layers of "
            f"{theirs} need the same, and at least one layer before them"
        )
    for ours, whisper, deviation in zip(encoder.layers[-count:], teacher.layers, deviations, strict=True):
        _inherit(cast(ConformerLayer, ours), whisper, deviation)


def _inherit(ours: ConformerLayer, whisper: Any, deviation: float) -> None:
    ours.attention_norm.load_state_dict(whisper.self_attn_layer_norm.state_dict())
    attention = whisper.self_attn
    query, key = _turned(attention.q_proj, attention.k_proj, ours.attention.num_heads)
    ours.attention.qkv.weight.copy_(torch.cat([query[:, :-1], key[:, :-1], attention.v_proj.weight]))
    ours.attention.qkv.bias.copy_(torch.cat([query[:, -1], key[:, -1], attention.v_proj.bias]))
    ours.attention.out.weight.copy_(attention.out_proj.weight / deviation)
    ours.attention.out.bias.copy_(attention.out_proj.bias / deviation)
    ours.second.norm.load_state_dict(whisper.final_layer_norm.state_dict())
    ours.second.up.weight.copy_(whisper.fc1.weight * _SWISH)
    ours.second.up.bias.copy_(whisper.fc1.bias * _SWISH)
    ours.second.down.weight.copy_(whisper.fc2.weight * 2 / _SWISH / deviation)  # half of it is added
    ours.second.down.bias.copy_(whisper.fc2.bias * 2 / deviation)


def _turned(query: nn.Linear, key: nn.Linear, num_heads: int) -> tuple[Tensor, Tensor]:
    """Queries and keys with the same products, strong axes last: (d_model, d_model + 1) each, bias last.

    Rotary pairs are axis i and i + half of a head, the slowest last: so the axes are dealt to both halves.
    """
    wide_query = torch.cat([query.weight, query.bias[:, None]], 1)
    wide_key = torch.cat([key.weight, torch.zeros(len(key.weight), 1)], 1)
    size = len(query.weight) // num_heads
    order = torch.cat([torch.arange(size - 1, 0, -2), torch.arange(size - 2, -1, -2)])
    parts: tuple[list[Tensor], list[Tensor]] = ([], [])
    for q, k in zip(torch.split(wide_query, size), torch.split(wide_key, size), strict=True):
        left, strengths, right = _axes_of_product(q, k)
        root = strengths.sqrt()[:, None]
        parts[0].append((left * root)[order])
        parts[1].append((right * root)[order])
    return torch.cat(parts[0]), torch.cat(parts[1])


def _axes_of_product(q: Tensor, k: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Singular vectors (size, inputs), values (size,), vectors (size, inputs) of q^T k, strongest first."""
    q_axes, q_rest = torch.linalg.qr(q.T.double())
    k_axes, k_rest = torch.linalg.qr(k.T.double())
    u, strengths, v = torch.linalg.svd(q_rest @ k_rest.T)
    return (q_axes @ u).T.float(), strengths.float(), (k_axes @ v.T).T.float()
