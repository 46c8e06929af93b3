"""Layers written a second time, slowly: formulas and loops over one item, to compare the real ones with.

They read the weights of the real modules by name and share no code with them.
"""

import cmath
import math
from typing import Any

import torch
from torch import Tensor, nn

BASE = 10_000.0  # of the rotary angles


def layer_norm(module: nn.LayerNorm, x: Tensor) -> Tensor:
    """(..., d_model) -> same."""
    mean = x.mean(-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + 1e-5) * module.weight + module.bias


def linear(module: nn.Linear, x: Tensor) -> Tensor:
    """(..., inputs) -> (..., outputs)."""
    return x @ module.weight.T + module.bias


def swish(x: Tensor) -> Tensor:
    """x times its logistic function."""
    return x / (1 + torch.exp(-x))


def turned(vector: list[float], position: int) -> list[complex]:
    """Pairs (i, i + half) as complex numbers, turned by position * base^(-2i / d_head)."""
    half = len(vector) // 2
    pairs = [complex(vector[i], vector[i + half]) for i in range(half)]
    return [p * cmath.exp(1j * position * BASE ** (-2 * i / len(vector))) for i, p in enumerate(pairs)]


def rotary_attention(module: Any, x: Tensor, mask: Tensor | None = None) -> Tensor:
    """One item (total, d_model), mask (total, total): loops over queries and heads."""
    width = x.shape[1]
    d_head = width // int(module.num_heads)
    q, k, v = linear(module.qkv, x).split(width, dim=-1)
    rows = []
    for query in range(len(x)):
        keys = [key for key in range(len(x)) if mask is None or mask[query, key]]
        heads = []
        for start in range(0, width, d_head):
            part = slice(start, start + d_head)
            own = turned(q[query, part].tolist(), query)
            others = [turned(k[key, part].tolist(), key) for key in keys]
            scores = [sum((a * b.conjugate()).real for a, b in zip(own, o, strict=True)) for o in others]
            weights = torch.tensor(scores, dtype=x.dtype).div(math.sqrt(d_head)).softmax(0)
            heads.append(weights @ v[keys][:, part])
        rows.append(torch.cat(heads))
    return linear(module.out, torch.stack(rows))


def convolution(module: nn.Conv1d, x: Tensor, stride: int = 1) -> Tensor:
    """Centred convolution with zeros outside: (total, inputs) -> (ceil(total / stride), outputs)."""
    taps = module.weight.shape[-1]
    rows = []
    for position in range(0, len(x), stride):
        row = module.bias.clone() if module.bias is not None else torch.zeros(len(module.weight))
        for tap in range(taps):
            source = position + tap - taps // 2
            if 0 <= source < len(x):
                weight = module.weight[:, :, tap]  # (outputs, inputs), or (channels, 1) when depthwise
                row = row + (weight[:, 0] * x[source] if module.groups > 1 else weight @ x[source])
        rows.append(row)
    return torch.stack(rows)


def conformer_layer(layer: Any, x: Tensor) -> Tensor:
    """One Conformer layer over one item (total, d_model), after arXiv 2005.08100, LayerNorm for BatchNorm."""

    def feedforward(module: Any, inputs: Tensor) -> Tensor:
        return linear(module.down, swish(linear(module.up, layer_norm(module.norm, inputs))))

    def convolved(module: Any, inputs: Tensor) -> Tensor:
        values, gates = linear(module.gate, layer_norm(module.norm, inputs)).chunk(2, dim=-1)
        mixed = convolution(module.depthwise, values / (1 + torch.exp(-gates)))
        return linear(module.out, swish(layer_norm(module.depthwise_norm, mixed)))

    x = x + 0.5 * feedforward(layer.first, x)
    x = x + rotary_attention(layer.attention, layer_norm(layer.attention_norm, x))
    x = x + convolved(layer.convolution, x)
    return layer_norm(layer.norm, x + 0.5 * feedforward(layer.second, x))


def adapter(module: Any, x: Tensor, stride: int) -> Tensor:
    """Convolution, pre-norm Transformer layer with GELU, norm, projection: (total, d_encoder), one item."""
    x = convolution(module.convolution, x, stride)
    x = x + rotary_attention(module.attention, layer_norm(module.attention_norm, x))
    inner = linear(module.up, layer_norm(module.feedforward_norm, x))
    x = x + linear(module.down, inner * 0.5 * (1 + torch.erf(inner / math.sqrt(2))))
    return linear(module.project, layer_norm(module.norm, x))
