"""The Llama on a CPU: a lean forward pass in plain torch, equal to transformers within a tolerance.

What makes it faster: weights packed once for the processor's matrix kernels, in bfloat16 where the processor
multiplies those faster; projections that share an input joined into one; norm weights folded into the
projection behind them; rotary pairs as complex numbers; a cache written in place; logits only where they are
asked for. Norms, rotations, attention and the sum over layers stay float32, so that with float32 weights only
the order of sums differs from the reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from speech_adapter.engine import (
    LAST_LOGITS,
    EngineOutput,
    RunOptions,
    ancestors,
    best_choices,
    checked_mask,
    middle_layer,
    position_ids,
)
from speech_adapter.kv_cache import (
    KeyValueCache,
    join_sessions,
    reserve,
    select_sessions,
    truncate_sessions,
)
from speech_adapter.llama_weights import LlamaSizes, WeightFiles, read_sizes, rotary_frequencies
from speech_core.packed_linear import Linear, choose_dtype, pack


@dataclass(frozen=True)
class _Layer:
    """Packed projections of one decoder layer."""

    query_key_value: Linear
    attended: Linear
    gate_up: Linear
    down: Linear


class FastEngine:
    """LlamaEngine for a CPU. Weights in float32 or bfloat16, all else in float32."""

    def __init__(self, sizes: LlamaSizes, weights: Mapping[str, Tensor], dtype: str = "auto") -> None:
        """weights: tensors by the names of LlamaForCausalLM; dtype: float32, bfloat16, auto (the faster)."""
        chosen = choose_dtype(dtype)
        self.dtype = chosen
        self.sizes = sizes
        self.d_model, self.vocab_size = sizes.d_model, sizes.vocab_size
        self.middle_layer = middle_layer(sizes.num_layers)
        self.max_positions = sizes.max_positions
        self._embeddings = weights["model.embed_tokens.weight"].clone()  # not a view that keeps a file open
        self._frequencies = rotary_frequencies(sizes)
        head = weights.get("lm_head.weight", self._embeddings)  # first, since it takes most memory on the way
        self._head = pack(head.float() * weights["model.norm.weight"].float(), chosen)
        self._layers = [_pack_layer(sizes, weights, layer, chosen) for layer in range(sizes.num_layers)]

    @classmethod
    def from_folder(cls, folder: Path, dtype: str = "auto") -> FastEngine:
        """Engine of a Llama folder; raises ConfigError for kinds of Llama it does not know."""
        return cls(read_sizes(folder), WeightFiles(folder), dtype)

    def embed(self, token_ids: Tensor) -> Tensor:
        """Token embeddings, (...) int64 -> (..., d_model) float32."""
        return functional.embedding(token_ids, self._embeddings).float()

    @torch.inference_mode()
    def run(
        self,
        inputs: Tensor,
        mask: Tensor | None = None,
        cache: KeyValueCache | None = None,
        options: RunOptions = LAST_LOGITS,
        parents: Tensor | None = None,
    ) -> EngineOutput:
        """See LlamaEngine."""
        mask = checked_mask(inputs, mask, cache, self.d_model)
        x = inputs.float() if inputs.is_floating_point() else self.embed(inputs)
        seen = ancestors(mask, parents)
        rotation = self._rotation(position_ids(seen, mask, cache))
        old_mask = mask[:, :0] if cache is None else cache.mask
        new_cache = reserve(self._empty_cache(len(x)) if cache is None else cache, x.shape[1])
        visible = _visible(old_mask, seen, self.sizes.num_heads // self.sizes.num_kv_heads)
        hidden = None
        for number, layer in enumerate(self._layers, start=1):
            x = self._attend(layer, x, rotation, visible, (new_cache, number - 1))
            x = _feed_forward(layer, x, self.sizes.norm_epsilon)
            if options.hidden and number == self.middle_layer:
                hidden = x
        new_cache = replace(new_cache, mask=torch.cat([old_mask, mask], dim=1))
        last = _normalise(x[:, x.shape[1] - options.num_logits :], self.sizes.norm_epsilon)
        choices = best_choices(last, self._head) if options.choices else None
        logits = self._head(last[:, :0] if options.choices else last).float()
        return EngineOutput(logits, new_cache, choices, hidden)

    def _attend(
        self,
        layer: _Layer,
        x: Tensor,
        rotation: Tensor,
        visible: Tensor | None,
        place: tuple[KeyValueCache, int],
    ) -> Tensor:
        """x plus attention. The heads that share a key are laid out as further queries of that key."""
        sizes, (cache, number) = self.sizes, place
        batch, new, start = x.shape[0], x.shape[1], cache.slots
        group = sizes.num_heads // sizes.num_kv_heads
        joined = layer.query_key_value(_normalise(x, sizes.norm_epsilon)).float()
        joined = joined.view(batch, new, sizes.num_heads + 2 * sizes.num_kv_heads, sizes.d_head).transpose(
            1, 2
        )
        rotated = sizes.num_heads + sizes.num_kv_heads
        turned = _rotate(joined[:, :rotated], rotation)
        keys, values = cache.keys[number], cache.values[number]
        keys[:, :, start : start + new] = turned[:, sizes.num_heads :]
        values[:, :, start : start + new] = joined[:, rotated:]
        queries = turned[:, : sizes.num_heads].reshape(batch, sizes.num_kv_heads, group * new, sizes.d_head)
        attended = functional.scaled_dot_product_attention(
            queries, keys[:, :, : start + new], values[:, :, : start + new], attn_mask=visible
        )
        attended = attended.view(batch, sizes.num_heads, new, sizes.d_head).transpose(1, 2).flatten(2)
        return x + layer.attended(attended)

    def _rotation(self, places: Tensor) -> Tensor:
        """Unit complex numbers that turn each pair, (batch, 1, positions, d_head / 2)."""
        angles = places[:, None, :, None].float() * self._frequencies
        return torch.polar(torch.ones_like(angles), angles)

    def _empty_cache(self, batch: int) -> KeyValueCache:
        shape = (batch, self.sizes.num_kv_heads, 0, self.sizes.d_head)
        empty = tuple(torch.zeros(shape) for _ in range(self.sizes.num_layers))
        return KeyValueCache(empty, empty, torch.zeros(batch, 0, dtype=torch.bool))

    def select(self, cache: KeyValueCache, rows: Sequence[int]) -> KeyValueCache:
        """See LlamaEngine."""
        return select_sessions(cache, rows)

    def truncate(self, cache: KeyValueCache, lengths: Tensor) -> KeyValueCache:
        """See LlamaEngine."""
        return truncate_sessions(cache, lengths)

    def join(self, caches: Sequence[KeyValueCache]) -> KeyValueCache:
        """See LlamaEngine."""
        return join_sessions(caches)


def _feed_forward(layer: _Layer, x: Tensor, epsilon: float) -> Tensor:
    gate, up = layer.gate_up(_normalise(x, epsilon)).chunk(2, dim=-1)
    return x + layer.down(functional.silu(gate) * up)


def _normalise(x: Tensor, epsilon: float) -> Tensor:
    """RMS norm without its weight, which is part of the projection that follows."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + epsilon)


def _rotate(heads: Tensor, rotation: Tensor) -> Tensor:
    """heads (batch, heads, positions, d_head) with neighbouring pairs, turned by `rotation`."""
    pairs = torch.view_as_complex(heads.reshape(*heads.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * rotation).flatten(-2)


def _visible(old_mask: Tensor, seen: Tensor, group: int) -> Tensor | None:
    """Which slots each query sees, (batch, 1, group * positions, slots) bool; None if all see all.

    old_mask (batch, slots of the cache); seen (batch, positions, positions): each position sees itself, so
    that padding stays finite.
    """
    if seen.shape[1] == 1 and bool(old_mask.all()):
        return None
    slots = torch.cat([old_mask[:, None].expand(-1, seen.shape[1], -1), seen], dim=2)
    return slots.repeat(1, group, 1)[:, None]


def _pack_layer(sizes: LlamaSizes, weights: Mapping[str, Tensor], number: int, dtype: torch.dtype) -> _Layer:
    name = f"model.layers.{number}."

    def weight(part: str) -> Tensor:
        return weights[f"{name}{part}.weight"].float()

    def rotary(part: str) -> Tensor:
        return _pairs_to_neighbours(weight(f"self_attn.{part}"), sizes.d_head)

    joined = torch.cat([rotary("q_proj"), rotary("k_proj"), weight("self_attn.v_proj")])
    gate_up = torch.cat([weight("mlp.gate_proj"), weight("mlp.up_proj")])
    return _Layer(
        pack(joined * weight("input_layernorm"), dtype),
        pack(weight("self_attn.o_proj"), dtype),
        pack(gate_up * weight("post_attention_layernorm"), dtype),
        pack(weight("mlp.down_proj"), dtype),
    )


def _pairs_to_neighbours(weight: Tensor, d_head: int) -> Tensor:
    """Reorder output rows so that the two of a rotary pair, half a head apart, become neighbours."""
    rows = weight.view(-1, 2, d_head // 2, weight.shape[1])
    return rows.transpose(1, 2).reshape(weight.shape)
