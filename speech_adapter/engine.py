"""The one interface to the Llama at run time, and its reference implementation on transformers.

An engine runs token ids or embeddings of a batch of sessions and returns logits, a cache, and if asked the
hidden states of the middle layer. A cache is a value (kv_cache.py): running it further does not change it, so
keeping it is a fork.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from speech_adapter.kv_cache import KeyValueCache, join_sessions, select_sessions, truncate_sessions
from speech_adapter.llama import FrozenLlama, NewPositions, run_with_cache
from speech_core.errors import InputError


@dataclass(frozen=True)
class RunOptions:
    """What a run returns beside the cache."""

    num_logits: int = 1  # logits of the last so many positions of each session; 0 = none
    choices: bool = False  # the best token of those positions and its log-probability, in place of logits
    hidden: bool = False  # also the output of the middle layer


class Choices(NamedTuple):
    """The token a Llama finds most likely next, and its natural log-probability; both (batch, num_logits)."""

    token_ids: Tensor
    log_probs: Tensor


@dataclass(frozen=True)
class EngineOutput:
    """Result of one run. What stands at padding is undefined.

    logits: (batch, num_logits, vocab) float32, or (batch, 0, vocab) if choices were asked for.
    hidden: (batch, positions, d_model) output of layer `middle_layer`, before the final norm, or None.
    """

    logits: Tensor
    cache: KeyValueCache
    choices: Choices | None = None
    hidden: Tensor | None = None


LAST_LOGITS = RunOptions()
_ROWS_OF_LOGITS = 64


class LlamaEngine(Protocol):
    """A Llama that runs batches of sessions."""

    @property
    def d_model(self) -> int:
        """Width of embeddings and hidden states."""

    @property
    def vocab_size(self) -> int:
        """Number of token ids."""

    @property
    def middle_layer(self) -> int:
        """Number of the layer whose output is returned as `hidden`, counted from 1: round(num_layers / 2)."""

    @property
    def max_positions(self) -> int:
        """Longest session the model was trained for."""

    def embed(self, token_ids: Tensor) -> Tensor:
        """Token embeddings, (...) int64 -> (..., d_model)."""

    def run(
        self,
        inputs: Tensor,
        mask: Tensor | None = None,
        cache: KeyValueCache | None = None,
        options: RunOptions = LAST_LOGITS,
        parents: Tensor | None = None,
    ) -> EngineOutput:
        """Append positions to a batch of sessions (to empty ones without a cache: the prefill).

        inputs: token ids (batch, positions) int64, or embeddings (batch, positions, d_model).
        mask: (batch, positions) bool, False = padding, which belongs on the left; None = no padding.
        parents: (batch, positions) int64, the earlier one of the new positions that each comes behind,
        -1 for the end of the cache: many continuations in one run, with what they share run once (tree
        attention: Miao et al., "SpecInfer", arXiv 2305.09781). The cache of such a run is of no use.
        """

    def select(self, cache: KeyValueCache, rows: Sequence[int]) -> KeyValueCache:
        """Sessions of the given rows, in that order; a row may come more than once, or not at all."""

    def truncate(self, cache: KeyValueCache, lengths: Tensor) -> KeyValueCache:
        """Each session cut to its first `lengths[row]` positions."""

    def join(self, caches: Sequence[KeyValueCache]) -> KeyValueCache:
        """All sessions of several caches as one batch."""


def middle_layer(num_layers: int) -> int:
    """The layer whose output the speaking half receives: 16 of 32 (arXiv 2407.21783, 8.1), 15 of 30."""
    return max(1, round(num_layers / 2))


def best_choices(states: Tensor, head: Callable[[Tensor], Tensor]) -> Choices:
    """Choices at states (batch, positions, d_model); a few rows at a time, so that logits stay small.

    head: states (rows, d_model) -> logits (rows, vocab).
    """
    ids, log_probs = [], []
    for rows in torch.split(states.flatten(0, 1), _ROWS_OF_LOGITS):
        logits = head(rows).float()
        best, index = logits.max(-1)
        ids.append(index)
        log_probs.append(best - logits.logsumexp(-1))
    shape = states.shape[:2]
    if not ids:
        return Choices(states.new_zeros(shape, dtype=torch.int64), states.new_zeros(shape))
    return Choices(torch.cat(ids).view(shape), torch.cat(log_probs).view(shape))


def checked_mask(inputs: Tensor, mask: Tensor | None, cache: KeyValueCache | None, d_model: int) -> Tensor:
    """The mask of a run, (batch, positions) bool; raises InputError if shapes do not fit each other."""
    is_ids = inputs.dim() == 2 and not inputs.is_floating_point()
    is_embeddings = inputs.dim() == 3 and inputs.is_floating_point() and inputs.shape[2] == d_model
    if not (is_ids or is_embeddings) or inputs.shape[1] == 0:
        raise InputError(
            f"inputs have shape {tuple(inputs.shape)} and dtype {inputs.dtype}: give ids (batch, positions) "
            f"or embeddings (batch, positions, {d_model}), at least one position"
        )
    if cache is not None and cache.batch_size != inputs.shape[0]:
        raise InputError(f"inputs of {inputs.shape[0]} sessions do not fit a cache of {cache.batch_size}")
    if mask is None:
        return torch.ones(inputs.shape[:2], dtype=torch.bool, device=inputs.device)
    if mask.shape != inputs.shape[:2] or mask.dtype != torch.bool:
        raise InputError(
            f"mask has shape {tuple(mask.shape)} and dtype {mask.dtype}: give bool like the inputs"
        )
    return mask


def ancestors(mask: Tensor, parents: Tensor | None) -> Tensor:
    """Which of the new positions each one sees beside the cache, itself among them: (batch, new, new) bool.

    mask (batch, new) bool. Raises InputError if a parent is not an earlier position.
    """
    batch, new = mask.shape
    own = torch.eye(new, dtype=torch.bool, device=mask.device)
    if parents is None:
        return torch.ones_like(own).tril() & mask[:, None] | own
    order = torch.arange(new, device=parents.device)
    if parents.shape != mask.shape or bool(((parents < -1) | (parents >= order)).any()):
        raise InputError("parents must be earlier positions or -1, one for each input")
    seen = torch.zeros(batch, new + 1, new, dtype=torch.bool, device=mask.device)  # last: nothing
    rows = torch.arange(batch, device=mask.device)
    for place in range(new):
        seen[:, place] = seen[rows, parents[:, place]] | own[place]
    return seen[:, :new] & mask[:, None] | own


def position_ids(seen: Tensor, mask: Tensor, cache: KeyValueCache | None) -> Tensor:
    """Place of each new position in its session, (batch, positions) int64; padding counts nothing.

    seen: as `ancestors` gives it.
    """
    places = (seen & mask[:, None]).sum(2) - 1
    if cache is not None:
        places = places + cache.lengths[:, None]
    return places.clamp(min=0)


class TransformersEngine:
    """The reference: a transformers LlamaForCausalLM of any size, on any device, with any quantization."""

    def __init__(self, llama: FrozenLlama) -> None:
        self.llama = llama
        self.d_model = llama.d_model
        self.vocab_size = int(llama.model.config.vocab_size)
        self.middle_layer = middle_layer(llama.num_layers)
        self.max_positions = int(llama.model.config.max_position_embeddings)

    def embed(self, token_ids: Tensor) -> Tensor:
        """Token embeddings, (...) int64 -> (..., d_model)."""
        return self.llama.embed(token_ids)

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
        inputs = inputs.to(self.llama.device)
        mask = checked_mask(inputs, mask, cache, self.d_model).to(inputs.device)
        embeds = inputs if inputs.is_floating_point() else self.embed(inputs)
        seen = ancestors(mask, None if parents is None else parents.to(mask.device))
        places = position_ids(seen, mask, cache)
        new = NewPositions(mask, places, None if parents is None else seen)
        hidden_layer = self.middle_layer if options.hidden else None
        states, hidden, new_cache = run_with_cache(self.llama.model, embeds, new, cache, hidden_layer)
        last = states[:, states.shape[1] - options.num_logits :]
        choices = best_choices(last, self.llama.logits) if options.choices else None
        logits = self.llama.logits(last[:, :0] if options.choices else last).float()
        return EngineOutput(logits, new_cache, choices, hidden)

    def select(self, cache: KeyValueCache, rows: Sequence[int]) -> KeyValueCache:
        """See LlamaEngine."""
        return select_sessions(cache, rows)

    def truncate(self, cache: KeyValueCache, lengths: Tensor) -> KeyValueCache:
        """See LlamaEngine."""
        return truncate_sessions(cache, lengths)

    def join(self, caches: Sequence[KeyValueCache]) -> KeyValueCache:
        """See LlamaEngine."""
        return join_sessions(caches)
