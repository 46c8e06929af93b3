"""Prosody while the text is still being written: groups of phones in, how each phone is said out.

A phone comes out when the phones of the lookahead are known, or the text has ended. What is given equals the
training view of the same model on its own choices, under any chunking.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from prosody.config import QUANTITIES, ProsodyConfig
from prosody.features import TokenInputs, group_tokens, phone_fields
from prosody.model import D_CHOSEN, NUM_DELAYS, Outputs, ProsodyModel, ProsodyState, choice_vector
from prosody.targets import denormalise_one, expected_values
from speech_core.checkpoint import load_config, load_weights, save_component
from speech_core.errors import InputError, StreamClosedError
from speech_core.events import Phone, PhoneGroup, ProsodyEvent

DECODINGS = ("mean", "mode", "sample")
_FARTHEST = 5.0  # deviations from the mean that a choice may lie away


@dataclass(frozen=True)
class ProsodyOptions:
    """How to speak. rate, pitch, energy: factors of speed, F0 and power (2 is twice as fast, high, powerful).

    decoding: mean (of durations themselves, not of their logarithms) or mode of each distribution, or a
    sample of it with `temperature` and `seed`; speaker and style: names of the model's, None for its first.
    """

    rate: float = 1.0
    pitch: float = 1.0
    energy: float = 1.0
    decoding: str = "mean"
    temperature: float = 0.6
    seed: int = 0
    speaker: str | None = None
    style: str | None = None

    def __post_init__(self) -> None:
        for name, low, high in (("rate", 0.25, 4.0), ("pitch", 0.25, 4.0), ("energy", 0.01, 100.0)):
            if not low <= getattr(self, name) <= high:
                raise InputError(f"{name} is {getattr(self, name)}: give a factor from {low} to {high}")
        if self.decoding not in DECODINGS:
            raise InputError(f"decoding is {self.decoding!r}: use {', '.join(DECODINGS)}")
        if not 0 < self.temperature <= 2 or self.seed < 0:
            raise InputError(
                f"temperature is {self.temperature}, seed {self.seed}: need 0 < t <= 2, seed >= 0"
            )


class PhoneInView(NamedTuple):
    """A phone that has come but is not out yet: its group, and its quantities so far (normalised)."""

    phone: Phone
    group: int
    values: tuple[float, ...] = ()
    voiced: bool = False


class StreamState(NamedTuple):
    """All that a stream remembers; a value: keeping it is a fork.

    phones: those not out yet, the first of them has number `first`; tokens: groups that have come but may not
    be seen yet; num_groups: groups that have come; chosen (1, 7): choices of the last step.
    """

    model: ProsodyState
    chosen: Tensor
    phones: tuple[PhoneInView, ...] = ()
    first: int = 0
    last_group: int = 0
    tokens: tuple[TokenInputs, ...] = ()
    num_groups: int = 0
    closed: bool = False


class ProsodyStream:
    """Stream[PhoneGroup, ProsodyEvent]: chooses duration, F0 and power of each phone as soon as may be."""

    def __init__(
        self, model: ProsodyModel, options: ProsodyOptions | None = None, state: StreamState | None = None
    ) -> None:
        """state: of another stream of this model, to go on from there; None begins a text."""
        self.model, self.options = model, options or ProsodyOptions()
        config = model.config
        device = model.head.weight.device
        self._speaker = torch.tensor(
            [_number_of(self.options.speaker, config.speakers, "speaker")], device=device
        )
        self._style = torch.tensor([_number_of(self.options.style, config.styles, "style")], device=device)
        start = StreamState(model.init_state(), torch.zeros(1, D_CHOSEN, device=device))
        self.state = start if state is None else state

    def push(self, chunk: PhoneGroup | Sequence[PhoneGroup]) -> list[ProsodyEvent]:
        """Phones now decided. Raises StreamClosedError after `flush`, InputError for unknown phones."""
        if self.state.closed:
            raise StreamClosedError("groups were pushed into a prosody stream that had been flushed")
        groups = (chunk,) if isinstance(chunk, PhoneGroup) else chunk
        return [event for group in groups for event in self._take(group)]

    def flush(self) -> list[ProsodyEvent]:
        """The rest; afterwards the stream is closed."""
        if self.state.closed:
            return []
        self.state = self.state._replace(closed=True)
        return self._advance()

    def _take(self, group: PhoneGroup) -> list[ProsodyEvent]:
        state, config = self.state, self.model.config
        phone_fields(group.phones, config)  # an unknown phone is refused before anything changes
        number = state.num_groups
        tokens = state.tokens
        if config.uses_tokens and group.token_ids:
            tokens = (*self._visible_later(tokens, number), group_tokens(group, number, config))
        phones = (*state.phones, *(PhoneInView(phone, number) for phone in group.phones))
        self.state = state._replace(phones=phones, tokens=tokens, num_groups=number + 1)
        return self._advance()

    def _visible_later(self, tokens: tuple[TokenInputs, ...], number: int) -> tuple[TokenInputs, ...]:
        """The waiting tokens without those of old groups that no phone followed: nothing will see them."""
        state, config = self.state, self.model.config
        newest = state.phones[-1].group if state.phones else state.last_group
        return tuple(
            one
            for one in tokens
            if int(one.groups[0, 0]) <= newest + config.group_lookahead
            or int(one.groups[0, 0]) >= number - config.left_context_groups
        )

    @torch.inference_mode()
    def _advance(self) -> list[ProsodyEvent]:
        """Take every step whose inputs are known."""
        events = []
        while self._is_ready():
            self._step()
            if len(self.state.phones) and len(self.state.phones[0].values) == len(QUANTITIES):
                events.append(self._event(self.state.phones[0]))
                state = self.state
                self.state = state._replace(phones=state.phones[1:], first=state.first + 1)
        return events

    def _is_ready(self) -> bool:
        """Whether all that the next step may see has come."""
        state, config = self.state, self.model.config
        step, received = state.model.step, state.first + len(state.phones)
        if state.closed:
            return received > 0 and step < received + NUM_DELAYS
        if step + config.phone_lookahead >= received:
            return False
        return state.phones[step - state.first].group + config.group_lookahead < state.num_groups

    def _step(self) -> None:
        state, config = self.state, self.model.config
        place = state.model.step - state.first
        group = state.phones[place].group if place < len(state.phones) else state.last_group
        model = self._enter(state, group)
        outputs, model = self.model.step(state.chosen, group, model)
        values, voiced = self._choose(outputs, state.model.step)
        phones = list(state.phones)
        known = [False] * len(QUANTITIES)
        for quantity in range(len(QUANTITIES)):
            at = place - quantity
            if 0 <= at < len(phones):
                known[quantity] = True
                one = phones[at]
                says = _is_voiced(one.phone, voiced, config) if quantity == 1 else one.voiced
                phones[at] = one._replace(values=(*one.values, float(values[0, quantity])), voiced=says)
        if known[1]:
            voiced = phones[place - 1].voiced
        values = values * torch.tensor([1.0, float(voiced), 1.0])
        chosen = choice_vector(values, torch.tensor([voiced]), torch.tensor([known]))
        self.state = state._replace(
            model=model,
            chosen=chosen.to(state.chosen),
            phones=tuple(phones),
            last_group=group,
            tokens=tuple(t for t in state.tokens if int(t.groups[0, 0]) > group + config.group_lookahead),
        )

    def _enter(self, state: StreamState, group: int) -> ProsodyState:
        """The model's state with the phones and tokens in view that this step may see."""
        config, model = self.model.config, state.model
        device = self._speaker.device
        end = min(model.step + 1 + config.phone_lookahead, state.first + len(state.phones))
        new = [one.phone for one in state.phones[model.num_phones - state.first : end - state.first]]
        if model.num_phones < end:
            fields = phone_fields(new, config)[None].to(device)
            model = self.model.enter_phones(fields, model, self._speaker, self._style)
        for tokens in state.tokens:
            if int(tokens.groups[0, 0]) <= group + config.group_lookahead:
                model = self.model.enter_tokens(TokenInputs(*(part.to(device) for part in tokens)), model)
        return model

    def _choose(self, outputs: Outputs, step: int) -> tuple[Tensor, bool]:
        """Normalised values (1, 3) of a step's distributions, and whether its F0 counts."""
        options = self.options
        if options.decoding == "sample":
            generator = torch.Generator().manual_seed((options.seed * 1_000_003 + step) % 2**63)
            draws = torch.rand(2 * len(QUANTITIES) + 1, generator=generator).to(outputs.voiced.device)
            values = outputs.mixture.sample(draws[:-1].view(1, -1, 2), options.temperature)
            voiced = bool(draws[-1] < torch.sigmoid(outputs.voiced[0] / options.temperature))
        else:
            if options.decoding == "mean":
                values = expected_values(outputs.mixture, self._speaker, self.model.config)
            else:
                values = outputs.mixture.mode()
            voiced = bool(outputs.voiced[0] > 0)
        return values.clamp(-_FARTHEST, _FARTHEST).cpu(), voiced

    def _event(self, one: PhoneInView) -> ProsodyEvent:
        log_duration, log_f0, log_power = denormalise_one(one.values, int(self._speaker), self.model.config)
        options = self.options
        return ProsodyEvent(
            one.phone,
            log_duration - math.log(options.rate),
            log_f0 + math.log(options.pitch) if one.voiced else None,
            log_power + math.log(options.energy),
        )


def _is_voiced(phone: Phone, chosen: bool, config: ProsodyConfig) -> bool:
    """What was chosen, but a pause has no F0 and a vowel always one: whispered, it is heard as a fault."""
    return phone.symbol != config.phones[0] and (chosen or phone.symbol[-1].isdigit())


def _number_of(name: str | None, names: Sequence[str], what: str) -> int:
    if name is None:
        return 0
    if name not in names:
        raise InputError(f"the prosody model has no {what} {name!r}: use one of {', '.join(names)}")
    return names.index(name)


def load_prosody(folder: Path) -> ProsodyModel:
    """The model saved in `folder`, ready to be used. Raises CheckpointError if it is missing or damaged."""
    model = ProsodyModel(load_config(folder, ProsodyConfig))
    load_weights(folder, model)
    return model.eval().requires_grad_(False)


def save_prosody(
    folder: Path, model: ProsodyModel, training: dict[str, Any], storage: str = "float32"
) -> None:
    """Write the model as a component."""
    save_component(folder, model, model.config, training, storage)
