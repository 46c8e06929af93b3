"""What the prosody model is given: phones as numbers, tokens of each group, and which may be seen when.

Phones and tokens share the numbers of their groups; a group's place is the position of its tokens, so that
attention sees how many groups away a token stands. Source: arXiv 2407.21783, section 8.2 (phone-rate and
token-rate inputs), 8.3 ("dynamic alignment": causal masks that encode the lookahead).
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from prosody.config import PUNCTUATION, ProsodyConfig
from speech_core.errors import InputError
from speech_core.events import Phone, PhoneGroup
from speech_core.masks import length_mask

FIELDS = ("phone", "stress", "place", "remaining", "punctuation")
NUM_STRESSES = 4  # none (consonants and pauses), then 0, 1, 2 of vowels


class PhoneInputs(NamedTuple):
    """Phones of a batch: fields (batch, phones, 5), groups (batch, phones), lengths (batch,); int64."""

    fields: Tensor
    groups: Tensor
    lengths: Tensor


class TokenInputs(NamedTuple):
    """Llama tokens of a batch, ordered by group.

    token_ids, groups (batch, tokens) int64; states (batch, tokens, d_llama); known (batch, tokens): True
    where the state was given; lengths (batch,).
    """

    token_ids: Tensor
    groups: Tensor
    states: Tensor
    known: Tensor
    lengths: Tensor


class Inputs(NamedTuple):
    """All of a batch. speakers, styles (batch,) int64; tokens None for a model without them."""

    phones: PhoneInputs
    speakers: Tensor
    styles: Tensor
    tokens: TokenInputs | None = None


def phone_fields(phones: Sequence[Phone], config: ProsodyConfig) -> Tensor:
    """Numbers of each phone, (phones, 5) int64. Raises InputError for a phone the model does not know."""
    numbers = _numbers(config.phones)
    return torch.tensor(
        [_fields(phone, numbers, config.max_place) for phone in phones], dtype=torch.int64
    ).view(-1, len(FIELDS))


@functools.lru_cache(maxsize=8)
def _numbers(phones: tuple[str, ...]) -> dict[str, int]:
    return {symbol: number for number, symbol in enumerate(phones)}


def _fields(phone: Phone, numbers: dict[str, int], max_place: int) -> tuple[int, ...]:
    if phone.symbol not in numbers:
        raise InputError(f"the prosody model has no phone {phone.symbol!r}: use the phones of its language")
    stress = 1 + int(phone.symbol[-1]) if phone.symbol[-1] in "012" else 0
    place, remaining = min(phone.place, max_place - 1), min(phone.remaining, max_place - 1)
    punctuation = PUNCTUATION.index(phone.punctuation) if phone.punctuation in PUNCTUATION else 0
    return numbers[phone.symbol], stress, place, remaining, punctuation


def group_tokens(group: PhoneGroup, number: int, config: ProsodyConfig) -> TokenInputs:
    """Tokens of one group as a batch of one; without states they are zero and marked unknown.

    Raises InputError when the states have another width, or another count, than the tokens.
    """
    ids = torch.tensor(group.token_ids, dtype=torch.int64)[-config.max_group_tokens :]
    states, known = torch.zeros(len(ids), config.d_llama), torch.zeros(len(ids), dtype=torch.bool)
    if group.embeddings is not None and len(group.token_ids):
        wanted = (len(group.token_ids), config.d_llama)
        if tuple(group.embeddings.shape) != wanted:
            raise InputError(f"states of a group have shape {tuple(group.embeddings.shape)}, not {wanted}")
        states, known = group.embeddings[-config.max_group_tokens :].float(), torch.ones_like(known)
    groups = torch.full_like(ids, number)
    return TokenInputs(ids[None], groups[None], states[None], known[None], torch.tensor([len(ids)]))


def text_inputs(groups: Sequence[PhoneGroup], config: ProsodyConfig) -> Inputs:
    """A whole text, as a batch of one."""
    phones = [phone for group in groups for phone in group.phones]
    numbers = [number for number, group in enumerate(groups) for _ in group.phones]
    inputs = PhoneInputs(
        phone_fields(phones, config)[None],
        torch.tensor([numbers], dtype=torch.int64),
        torch.tensor([len(phones)]),
    )
    zero = torch.zeros(1, dtype=torch.int64)
    if not config.uses_tokens:
        return Inputs(inputs, zero, zero)
    parts = [group_tokens(group, number, config) for number, group in enumerate(groups)]
    return Inputs(inputs, zero, zero, _joined([*parts, group_tokens(PhoneGroup(()), 0, config)]))


def _joined(parts: Sequence[TokenInputs]) -> TokenInputs:
    token_ids = torch.cat([part.token_ids for part in parts], dim=1)
    return TokenInputs(
        token_ids,
        torch.cat([part.groups for part in parts], dim=1),
        torch.cat([part.states for part in parts], dim=1),
        torch.cat([part.known for part in parts], dim=1),
        torch.tensor([token_ids.shape[1]]),
    )


def batch_inputs(items: Sequence[Inputs]) -> Inputs:
    """Several batches of one as one batch, padded; all with tokens or all without."""
    tokens = [item.tokens for item in items if item.tokens is not None]
    phones = [item.phones for item in items]
    return Inputs(
        PhoneInputs(
            _padded([part.fields for part in phones]),
            _padded([part.groups for part in phones]),
            torch.cat([part.lengths for part in phones]),
        ),
        torch.cat([item.speakers for item in items]),
        torch.cat([item.styles for item in items]),
        TokenInputs(
            _padded([part.token_ids for part in tokens]),
            _padded([part.groups for part in tokens]),
            _padded([part.states for part in tokens]),
            _padded([part.known for part in tokens]),
            torch.cat([part.lengths for part in tokens]),
        )
        if tokens
        else None,
    )


def _padded(parts: Sequence[Tensor]) -> Tensor:
    """(1, items, ...) each -> (batch, most items, ...), zeros after the end."""
    return torch.nn.utils.rnn.pad_sequence([part[0] for part in parts], batch_first=True)


def step_groups(phones: PhoneInputs, num_steps: int) -> Tensor:
    """Group of the current phone of each step, (batch, num_steps); steps past the last phone stay with it."""
    if phones.groups.shape[1] == 0:
        return phones.groups.new_zeros(len(phones.groups), num_steps)
    last = (phones.lengths - 1).clamp(min=0)[:, None]
    steps = torch.arange(num_steps, device=phones.groups.device)[None]
    return phones.groups.gather(1, torch.minimum(steps, last))


def history_mask(num_steps: int, config: ProsodyConfig, device: torch.device) -> Tensor:
    """Steps that a step sees: itself and `left_context_phones` before, (1, 1, steps, steps)."""
    ago = torch.arange(num_steps, device=device)
    ago = ago[:, None] - ago[None, :]
    return ((ago >= 0) & (ago <= config.left_context_phones))[None, None]


def phone_mask(phones: PhoneInputs, num_steps: int, config: ProsodyConfig) -> Tensor:
    """Phones that a step sees, about its current one: (batch, 1, steps, phones)."""
    device = phones.fields.device
    steps = torch.arange(num_steps, device=device)[:, None]
    places = torch.arange(phones.fields.shape[1], device=device)[None, :]
    near = (places <= steps + config.phone_lookahead) & (places >= steps - config.left_context_phones)
    valid = length_mask(phones.lengths, phones.fields.shape[1])
    return near[None, None] & valid[:, None, None, :]


def token_mask(tokens: TokenInputs, current: Tensor, config: ProsodyConfig) -> Tensor:
    """Tokens that a step sees, by the group of its phone (batch, steps): (batch, 1, steps, tokens)."""
    ahead = tokens.groups[:, None, :] - current[:, :, None]
    near = (ahead <= config.group_lookahead) & (ahead >= -config.left_context_groups)
    valid = length_mask(tokens.lengths, tokens.groups.shape[1])
    return (near & valid[:, None, :])[:, None]
