"""CR-CTC (arXiv 2410.05101): two augmented views of the same items, and a loss for what they say differently.

Each view is told what the other makes of the sound, so that nothing is learned by heart that one view alone
shows: worth most where the data at hand have been heard several times.
"""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from recipes.batches.speech_batches import SpeechBatch
from speech_core.masks import length_mask


def twice(batch: SpeechBatch) -> SpeechBatch:
    """The items of a batch, and once more the same items behind them; what is random is drawn for each."""
    return replace(
        batch,
        features=batch.features.repeat(2, 1, 1),
        lengths=batch.lengths.repeat(2),
        texts=batch.texts * 2,
        items=batch.items * 2,
        extras=batch.extras * 2,
        records=batch.records * 2,
        teacher=None if batch.teacher is None else batch.teacher.repeat(2, 1, 1),
    )


def consistency_loss(scores: Tensor, lengths: Tensor) -> Tensor:
    """Mean of the divergences of each view from the other, which is held fixed, summed over positions.

    scores (2 * items, positions, classes) of the items and then of their second views, not normalised;
    lengths (2 * items,) -> a scalar. Padding adds nothing.
    """
    log_probs = scores.float().log_softmax(-1)
    others = log_probs.detach().roll(len(scores) // 2, dims=0)
    apart = functional.kl_div(log_probs, others, reduction="none", log_target=True).sum(-1)
    valid = length_mask(lengths, scores.shape[1]).to(apart.device)
    return torch.where(valid, apart, 0.0).sum() / 2
