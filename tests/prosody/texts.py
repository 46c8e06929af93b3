"""Made-up texts for the tests of prosody: groups of phones with tokens and states."""

from dataclasses import replace

import torch

from prosody.config import PRESETS, ProsodyConfig, full_context
from prosody.model import ProsodyModel
from speech_core.events import Phone, PhoneGroup

TINY = PRESETS["tiny"]
PHONE_ONLY = replace(TINY, d_llama=0)
CONFIGS = {
    "tokens": TINY,
    "phones": PHONE_ONLY,
    "no_lookahead": replace(TINY, phone_lookahead=0),
    "group_ahead": replace(TINY, group_lookahead=1, left_context_groups=0, left_context_phones=3),
    "full": full_context(TINY),
    "full_phones": full_context(PHONE_ONLY),
}


def make_model(config: ProsodyConfig = TINY, seed: int = 0) -> ProsodyModel:
    """Random weights everywhere, so that no term is zero or one by its start value."""
    torch.manual_seed(seed)
    model = ProsodyModel(config).eval()
    for parameter in model.parameters():
        parameter.data += 0.15 * torch.randn_like(parameter)
    return model.requires_grad_(False)


def make_groups(count: int, seed: int = 0, d_llama: int = TINY.d_llama) -> list[PhoneGroup]:
    """Groups of 0 to 6 phones and 1 to 3 tokens; some are pauses, some have no phones at all."""
    generator = torch.Generator().manual_seed(seed)

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high, (), generator=generator))

    groups = []
    for number in range(count):
        kind = draw(0, 6)
        if kind == 0:
            phones: tuple[Phone, ...] = ()
        elif kind == 1:
            phones = (Phone("SIL"),)
        else:
            size = draw(1, 7)
            mark = ("", "", ",", ".", "?")[draw(0, 5)]
            phones = tuple(
                Phone(TINY.phones[draw(1, len(TINY.phones))], number, place, size - 1 - place, mark)
                for place in range(size)
            )
        tokens = tuple(draw(0, 200) for _ in range(draw(1, 4)))
        states = 3 * torch.randn(len(tokens), d_llama, generator=generator)
        groups.append(PhoneGroup(phones, (), tokens, states))
    return groups


def num_phones(groups: list[PhoneGroup]) -> int:
    return sum(len(group.phones) for group in groups)
