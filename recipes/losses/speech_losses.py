"""Losses of supervised training, and the labels they need."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from speech_core.masks import length_mask

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


class _CtcOfScores(torch.autograd.Function):
    """Summed loss of items; its gradient, the share of a class less its share in all paths of the text."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, lengths: Tensor, numbers: Tensor, own: list[list[int]]) -> Tensor:
        wide = scores.float()
        total = wide.logsumexp(-1, keepdim=True)
        with torch.enable_grad():
            chosen = (wide.detach().gather(2, numbers) - total).requires_grad_()
            flat = torch.tensor([number for item in own for number in item], device=scores.device)
            counts = torch.tensor([len(item) for item in own], device=scores.device)
            losses = functional.ctc_loss(
                *(chosen.transpose(0, 1), flat.to(torch.int64), lengths, counts),
                reduction="none",
                zero_infinity=True,
            )
        # torch gives exp(chosen) less the share in paths
        (given,) = torch.autograd.grad(losses, chosen, torch.ones_like(losses))
        learns = length_mask(lengths, scores.shape[1]) & (losses > 0)[:, None]
        shares = (wide - total).exp_().scatter_add_(2, numbers, given - chosen.detach().exp())
        ctx.save_for_backward((shares * learns[:, :, None]).to(scores.dtype))
        return losses.detach().sum()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * gradients[0].to(gradient.dtype), None, None, None


def ctc_loss_of_scores(scores: Tensor, lengths: Tensor, classes: list[list[int]]) -> Tensor:
    """`ctc_loss` of `scores.log_softmax(-1)`, at a fraction of the time where classes are many.

    CTC asks only for the classes of an item's own text, so each item is scored over those.
    """
    most = max((len(item) for item in classes), default=0)
    chosen = torch.zeros(len(classes), 1 + most, dtype=torch.int64)  # column 0 is the blank
    own: list[list[int]] = []
    for row, item in zip(chosen, classes, strict=True):
        row[1 : 1 + len(item)] = torch.tensor(item, dtype=torch.int64)
        own.append([item.index(number) + 1 for number in item])  # a class that comes twice is one class
    numbers = chosen.to(scores.device)[:, None].expand(-1, scores.shape[1], -1)
    total: Tensor = _CtcOfScores.apply(scores, lengths, numbers, own)  # type: ignore[no-untyped-call]
    return total / max(sum(len(item) for item in classes), 1)


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
