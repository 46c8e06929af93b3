"""Losses of supervised training, and the labels they need."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

# The phones flite names (lower-case ARPAbet without stress, and the pause).
PHONES = (
    "pau", "aa", "ae", "ah", "ao", "aw", "ax", "ay", "b", "ch", "d",
    "dh", "eh", "er", "ey", "f", "g", "hh", "ih", "iy", "jh", "k",
    "l", "m", "n", "ng", "ow", "oy", "p", "r", "s", "sh", "t",
    "th", "uh", "uw", "v", "w", "y", "z", "zh",
)  # fmt: skip
NO_LABEL = -100  # the index that cross-entropy ignores


def ctc_loss(log_probs: Tensor, lengths: Tensor, classes: list[list[int]]) -> Tensor:
    """CTC loss summed over items, per target class; items too short for their text count as zero.

    log_probs (batch, positions, classes) with the blank first, lengths (batch,), classes of each item.
    """
    flat = torch.tensor([number for item in classes for number in item], dtype=torch.int64)
    counts = torch.tensor([len(item) for item in classes], dtype=torch.int64)
    device = log_probs.device
    total = functional.ctc_loss(
        *(log_probs.transpose(0, 1), flat.to(device), lengths.to(device), counts.to(device)),
        reduction="sum",
        zero_infinity=True,
    )
    return total / max(len(flat), 1)


def phone_labels(extras: list[dict[str, Any]], lengths: Tensor, encoding_s: float) -> Tensor:
    """The phone in the middle of every encoding: (batch, most encodings) int64, NO_LABEL where none is known.

    extras: of each item, with `phones` [[name, end in seconds], ...] or without; lengths (batch,) in
    encodings.
    """
    rows = torch.full((len(extras), int(lengths.max())), NO_LABEL)
    numbers = {name: number for number, name in enumerate(PHONES)}
    for row, extra, length in zip(rows, extras, lengths.tolist(), strict=True):
        phones = extra.get("phones")
        if phones:
            names = torch.tensor([numbers.get(name, NO_LABEL) for name, _ in phones])
            ends = torch.tensor([float(end) for _, end in phones])
            middles = (torch.arange(length) + 0.5) * encoding_s
            row[:length] = names[torch.searchsorted(ends, middles).clamp(max=len(names) - 1)]
    return rows.to(lengths.device)
