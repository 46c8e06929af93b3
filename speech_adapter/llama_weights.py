"""Sizes and weights of a Llama folder, read without transformers: config.json and safetensors."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from speech_core.errors import CheckpointError, ConfigError


@dataclass(frozen=True)
class LlamaSizes:
    """What a forward pass of a Llama needs to know beside the weights."""

    vocab_size: int
    d_model: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    d_head: int
    norm_epsilon: float
    max_positions: int
    rope: Mapping[str, Any] = field(default_factory=dict)  # rope_theta, rope_type and its parameters

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LlamaSizes:
        """Sizes from a config.json; raises ConfigError if it is no plain Llama."""
        if config.get("model_type") != "llama":
            raise ConfigError(f"model_type is {config.get('model_type')!r}, not 'llama'")
        for extra in ("attention_bias", "mlp_bias"):
            if config.get(extra):
                raise ConfigError(f"{extra} is set: only the transformers engine runs this Llama")
        if config.get("hidden_act", "silu") != "silu":
            raise ConfigError(
                f"hidden_act is {config['hidden_act']!r}: only the transformers engine runs this Llama"
            )
        num_heads = int(config["num_attention_heads"])
        return cls(
            vocab_size=int(config["vocab_size"]),
            d_model=int(config["hidden_size"]),
            num_layers=int(config["num_hidden_layers"]),
            num_heads=num_heads,
            num_kv_heads=int(config.get("num_key_value_heads") or num_heads),
            d_head=int(config.get("head_dim") or config["hidden_size"] // num_heads),
            norm_epsilon=float(config["rms_norm_eps"]),
            max_positions=int(config["max_position_embeddings"]),
            rope=_rope_settings(config),
        )


def _rope_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Rotary settings in one form: `rope_parameters` of new files, or `rope_theta` and `rope_scaling`."""
    rope = dict(config.get("rope_parameters") or config.get("rope_scaling") or {})
    rope.setdefault("rope_theta", config.get("rope_theta", 10_000.0))
    rope.setdefault("rope_type", rope.get("type", "default"))
    return rope


def rotary_frequencies(sizes: LlamaSizes) -> Tensor:
    """Radians per position of each pair of a head, (d_head / 2,) float32.

    Raises ConfigError for a scaling other than `default`, `linear` and `llama3`.
    """
    base, kind = float(sizes.rope["rope_theta"]), sizes.rope["rope_type"]
    exponents = torch.arange(0, sizes.d_head, 2, dtype=torch.int64).float() / sizes.d_head
    frequencies = 1.0 / base**exponents
    if kind == "default":
        return frequencies
    if kind == "linear":
        return frequencies / float(sizes.rope["factor"])
    if kind == "llama3":
        return _llama3_frequencies(frequencies, sizes.rope)
    raise ConfigError(f"rope_type is {kind!r}: only the transformers engine runs this Llama")


def _llama3_frequencies(frequencies: Tensor, rope: Mapping[str, Any]) -> Tensor:
    """Slow rotations slowed further by `factor`, fast ones kept, a linear blend between (Llama 3.1)."""
    turns = rope["original_max_position_embeddings"] * frequencies / (2 * math.pi)  # in the original context
    low, high = float(rope["low_freq_factor"]), float(rope["high_freq_factor"])
    keep: Tensor = ((turns - low) / (high - low)).clamp(0, 1)
    return keep * frequencies + (1 - keep) * frequencies / float(rope["factor"])


class WeightFiles(Mapping[str, Tensor]):
    """Tensors of a Llama folder by name, each read from disk when it is asked for and not kept."""

    def __init__(self, folder: Path) -> None:
        """Raises CheckpointError if model.safetensors, or a part that its index names, is missing."""
        from safetensors import safe_open

        index = folder / "model.safetensors.index.json"
        names = {"model.safetensors"}
        if index.is_file():
            names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        self._files: dict[str, Any] = {}
        for name in sorted(names):
            if not (folder / name).is_file():
                raise CheckpointError(f"{folder} has no {name}: give a folder of a Llama in safetensors")
            file = safe_open(folder / name, framework="pt")
            self._files.update(dict.fromkeys(file.keys(), file))  # type: ignore[no-untyped-call]

    def __getitem__(self, name: str) -> Tensor:
        tensor: Tensor = self._files[name].get_tensor(name)
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def read_sizes(folder: Path) -> LlamaSizes:
    """Sizes of a folder; raises CheckpointError if it has no config.json."""
    path = folder / "config.json"
    if not path.is_file():
        raise CheckpointError(f"{folder} has no config.json: give a folder of a Llama")
    return LlamaSizes.from_config(json.loads(path.read_text(encoding="utf-8")))
