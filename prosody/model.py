"""The prosody model: a decoder-only Transformer over phones with two cross-attentions and delayed outputs.

Step t chooses the duration of phone t, the F0 of phone t - 1 and the power of phone t - 2, and is given what
the step before chose: so each quantity is conditioned on those already chosen (delayed pattern, Kharitonov et
al., arXiv 2109.03264). Source: arXiv 2407.21783, sections 8.2 and 8.3. `forward` is the training view, with
masks that encode the lookahead; `enter_phones`, `enter_tokens` and `step` are the same model step by step.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from prosody.config import PUNCTUATION, QUANTITIES, ProsodyConfig
from prosody.distributions import Mixture
from prosody.features import (
    NUM_STRESSES,
    Inputs,
    TokenInputs,
    history_mask,
    phone_mask,
    step_groups,
    token_mask,
)
from prosody.layers import Block, Memory, Views, angles_at
from speech_core.attention import AttentionState
from speech_core.masks import length_mask

NUM_DELAYS = len(QUANTITIES) - 1  # steps after the last phone
D_CHOSEN = 2 * len(QUANTITIES) + 1  # three values, whether voiced, and whether each value is known


class Outputs(NamedTuple):
    """mixture (..., 3, components) of the quantities; voiced (...) logit that the phone is voiced."""

    mixture: Mixture
    voiced: Tensor


class ProsodyState(NamedTuple):
    """What is kept between steps; histories and memories have one entry for each layer.

    embedded (batch, phones, d_model): the last phones entered, from `step` - 2 on; token_groups
    (batch, tokens); num_phones: phones entered so far; step: the next step.
    """

    histories: tuple[AttentionState, ...]
    memories: tuple[Memory, ...]
    embedded: Tensor
    token_groups: Tensor
    num_phones: int
    step: int


class PhoneEmbedding(nn.Module):
    """Phone, stress, place in the word from both ends, punctuation; speaker and style; summed."""

    def __init__(self, config: ProsodyConfig) -> None:
        super().__init__()
        counts = (len(config.phones), NUM_STRESSES, config.max_place, config.max_place, len(PUNCTUATION))
        self.fields = nn.ModuleList(nn.Embedding(count, config.d_model) for count in counts)
        self.speaker = nn.Embedding(len(config.speakers), config.d_model)
        self.style = nn.Embedding(len(config.styles), config.d_model)

    def forward(self, fields: Tensor, speakers: Tensor, styles: Tensor) -> Tensor:
        """fields (batch, phones, 5), speakers and styles (batch,) -> (batch, phones, d_model)."""
        x: Tensor = (self.speaker(speakers) + self.style(styles))[:, None]
        for number, table in enumerate(self.fields):
            x = x + table(fields[..., number])
        return x


class TokenEmbedding(nn.Module):
    """States of the Llama, normalised, or a learned vector where none came, plus a token embedding."""

    def __init__(self, config: ProsodyConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.d_llama)
        self.unknown = nn.Parameter(torch.zeros(config.d_llama))
        self.token = nn.Embedding(config.token_buckets, config.d_token)
        self.project = nn.Linear(config.d_token, config.d_llama)

    def forward(self, tokens: TokenInputs) -> Tensor:
        """(batch, tokens, d_llama)."""
        states = torch.where(tokens.known[..., None], self.norm(tokens.states.float()), self.unknown)
        out: Tensor = states + self.project(self.token(tokens.token_ids % self.token.num_embeddings))
        return out


class ProsodyModel(nn.Module):
    """Phones (and the Llama's tokens and states) to distributions of duration, F0 and power."""

    def __init__(self, config: ProsodyConfig) -> None:
        super().__init__()
        self.config = config
        self.phones = PhoneEmbedding(config)
        self.tokens = TokenEmbedding(config) if config.uses_tokens else None
        self.current = nn.Linear((1 + NUM_DELAYS) * config.d_model, config.d_model)
        self.chosen = nn.Linear(D_CHOSEN, config.d_model)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(config.d_model)
        self.head = nn.Linear(config.d_model, len(QUANTITIES) * 3 * config.num_mixtures + 1)
        self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        """Xavier weights, no biases, small outputs of the residual branches; centres of a mixture apart."""
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        branches = 4 * self.config.num_layers
        for name, parameter in self.named_parameters():
            if name.startswith("layers") and name.endswith(("out.weight", "down.weight")):
                parameter.mul_(branches**-0.5)
        count = self.config.num_mixtures
        start = torch.zeros(len(QUANTITIES), 3, count)
        start[:, 1] = torch.linspace(-1, 1, count)
        start[:, 2] = -1.0
        self.head.bias[:-1] = start.flatten()

    def forward(self, inputs: Inputs, values: Tensor, voiced: Tensor) -> Outputs:
        """Distributions of each phone's quantities, given the true ones of those chosen before.

        values (batch, phones, 3) normalised; voiced (batch, phones) bool -> mixture (batch, phones, 3,
        components), voiced (batch, phones). What stands at padding is undefined.
        """
        phones = inputs.phones
        total = phones.fields.shape[1]
        steps = total + NUM_DELAYS
        valid = length_mask(phones.lengths, total)
        embedded = self.phones(phones.fields, inputs.speakers, inputs.styles) * valid[..., None]
        x = self._step_inputs(_delayed(embedded), delayed_choices(values, voiced, valid))
        places = torch.arange(steps, device=x.device)[None]
        current = step_groups(phones, steps)
        tokens, token_angles = None, None
        if inputs.tokens is not None and self.tokens is not None:
            tokens = self.tokens(inputs.tokens)
            token_angles = angles_at(inputs.tokens.groups, self.config)
        step_angles = angles_at(places, self.config)
        views = Views(
            step_angles,
            None if tokens is None else angles_at(current, self.config),
            history_mask(steps, self.config, x.device),
            phone_mask(phones, steps, self.config),
            None if inputs.tokens is None else token_mask(inputs.tokens, current, self.config),
        )
        for layer in self.layers:
            memory = layer.remember(embedded, step_angles[..., :total, :], tokens, token_angles)  # type: ignore[operator]
            x = layer(x, memory, views)
        return _aligned(self._outputs(x), total)

    def _step_inputs(self, embedded: Tensor, chosen: Tensor) -> Tensor:
        """embedded (batch, steps, 3 * d_model): of phones t, t - 1, t - 2; chosen (batch, steps, 7)."""
        out: Tensor = self.dropout(self.current(embedded) + self.chosen(chosen))
        return out

    def _outputs(self, x: Tensor) -> Outputs:
        """(batch, steps, d_model) -> distributions of each step, not yet aligned with phones."""
        outputs = self.head(self.norm(x)).float()
        mixture = outputs[..., :-1].unflatten(-1, (len(QUANTITIES), -1))
        return Outputs(Mixture.from_outputs(mixture), outputs[..., -1])

    def init_state(self, batch: int = 1) -> ProsodyState:
        """The state before the first phone."""
        config, weight = self.config, self.head.weight
        heads = weight.new_zeros(batch, config.num_heads, 0, config.d_head)
        empty = AttentionState(heads, heads)
        memory = Memory(empty, empty if config.uses_tokens else None)
        return ProsodyState(
            (empty,) * config.num_layers,
            (memory,) * config.num_layers,
            weight.new_zeros(batch, 0, config.d_model),
            torch.zeros(batch, 0, dtype=torch.int64, device=weight.device),
            0,
            0,
        )

    def enter_phones(
        self, fields: Tensor, state: ProsodyState, speakers: Tensor, styles: Tensor
    ) -> ProsodyState:
        """The state with further phones (batch, phones, 5) in view."""
        embedded = self.phones(fields, speakers, styles)
        places = torch.arange(state.num_phones, state.num_phones + fields.shape[1], device=fields.device)
        angles = angles_at(places[None], self.config)
        memories = tuple(
            memory._replace(phones=_joined(memory.phones, layer.phones.remember(embedded, angles)))  # type: ignore[operator, union-attr]
            for layer, memory in zip(self.layers, state.memories, strict=True)
        )
        return state._replace(
            memories=memories,
            embedded=torch.cat([state.embedded, embedded], dim=1),
            num_phones=state.num_phones + fields.shape[1],
        )

    def enter_tokens(self, tokens: TokenInputs, state: ProsodyState) -> ProsodyState:
        """The state with the tokens of a further group in view; all of them count, none is padding."""
        if self.tokens is None or tokens.token_ids.shape[1] == 0:
            return state
        vectors = self.tokens(tokens)
        angles = angles_at(tokens.groups, self.config)
        memories = []
        for layer, memory in zip(self.layers, state.memories, strict=True):
            assert memory.tokens is not None
            entered = layer.tokens.remember(vectors, angles)  # type: ignore[operator, union-attr]
            memories.append(memory._replace(tokens=_joined(memory.tokens, entered)))
        groups = torch.cat([state.token_groups, tokens.groups], dim=1)
        return state._replace(memories=tuple(memories), token_groups=groups)

    def step(self, chosen: Tensor, group: int, state: ProsodyState) -> tuple[Outputs, ProsodyState]:
        """Distributions of step `state.step`: duration of that phone, F0 of one before, power of two before.

        chosen (batch, 7): what the step before chose (`choice_vector`); group: of the current phone (the last
        one past the end). All phones and tokens it may see must have entered, and no others.
        """
        state = self._forget(state, group)
        batch = len(chosen)
        x = self._step_inputs(self._current(state), chosen[:, None])
        steps = torch.full((batch, 1), state.step, device=x.device)
        groups = torch.full((batch, 1), group, device=x.device)
        group_angles = angles_at(groups, self.config) if self.config.uses_tokens else None
        views = Views(angles_at(steps, self.config), group_angles, None, None, None)
        histories = []
        for layer, history, memory in zip(self.layers, state.histories, state.memories, strict=True):
            x, history = layer.step(x, (history, memory), views, self.config.left_context_phones)  # type: ignore[operator]
            histories.append(history)
        outputs = self._outputs(x[:, 0])
        return outputs, state._replace(histories=tuple(histories), step=state.step + 1)

    def _current(self, state: ProsodyState) -> Tensor:
        """Embeddings of phones t, t - 1 and t - 2, zeros where there is none: (batch, 1, 3 * d_model)."""
        first = state.num_phones - state.embedded.shape[1]
        places = [state.step - delay - first for delay in range(1 + NUM_DELAYS)]
        nothing = state.embedded.new_zeros(len(state.embedded), self.config.d_model)
        inside = [0 <= place < state.embedded.shape[1] for place in places]
        rows = [
            state.embedded[:, place] if there else nothing
            for place, there in zip(places, inside, strict=True)
        ]
        return torch.cat(rows, dim=-1)[:, None]

    def _forget(self, state: ProsodyState, group: int) -> ProsodyState:
        """The state without what step and group no longer see."""
        config = self.config
        kept = state.memories[0].phones.keys.shape[2]
        drop = max(0, state.step - config.left_context_phones - (state.num_phones - kept))
        gone = int((state.token_groups[0] < group - config.left_context_groups).sum())
        old = max(0, state.step - NUM_DELAYS - (state.num_phones - state.embedded.shape[1]))
        if not (drop or gone or old):
            return state
        memories = tuple(
            Memory(
                _without_first(memory.phones, drop),
                None if memory.tokens is None else _without_first(memory.tokens, gone),
            )
            for memory in state.memories
        )
        return state._replace(
            memories=memories, embedded=state.embedded[:, old:], token_groups=state.token_groups[:, gone:]
        )


def _joined(old: AttentionState, new: AttentionState) -> AttentionState:
    return AttentionState(torch.cat([old.keys, new.keys], 2), torch.cat([old.values, new.values], 2))


def _without_first(memory: AttentionState, count: int) -> AttentionState:
    return AttentionState(memory.keys[:, :, count:], memory.values[:, :, count:])


def _delayed(embedded: Tensor) -> Tensor:
    """(batch, phones, d_model) -> (batch, phones + 2, 3 * d_model): phones t, t - 1, t - 2 at step t."""
    shifts = [functional.pad(embedded, (0, 0, delay, NUM_DELAYS - delay)) for delay in range(1 + NUM_DELAYS)]
    return torch.cat(shifts, dim=-1)


def choice_vector(values: Tensor, voiced: Tensor, known: Tensor) -> Tensor:
    """What one step chose, for the next: values (..., 3), voiced (...), known (..., 3) -> (..., 7)."""
    voiced = voiced & known[..., 1]
    return torch.cat([values * known, (voiced[..., None]).float(), known.float()], dim=-1)


def delayed_choices(values: Tensor, voiced: Tensor, valid: Tensor) -> Tensor:
    """What each step is told: the choices of the step before, (batch, phones + 2, 7).

    values (batch, phones, 3), voiced and valid (batch, phones).
    """

    def delayed(x: Tensor, by: int) -> Tensor:
        return functional.pad(x, (1 + by, NUM_DELAYS - by))[:, : x.shape[1] + NUM_DELAYS]

    values = torch.where(valid[..., None], values, 0.0)
    shifted = torch.stack([delayed(values[..., k], k) for k in range(len(QUANTITIES))], dim=-1)
    known = torch.stack([delayed(valid, k) for k in range(len(QUANTITIES))], dim=-1)
    return choice_vector(shifted, delayed(voiced & valid, 1), known)


def _aligned(outputs: Outputs, total: int) -> Outputs:
    """Outputs of steps as outputs of phones: quantity k of phone i was chosen at step i + k."""
    parts = [
        torch.stack([part[:, k : k + total, k] for k in range(len(QUANTITIES))], dim=2)
        for part in outputs.mixture
    ]
    return Outputs(Mixture(*parts), outputs.voiced[:, 1 : 1 + total])
