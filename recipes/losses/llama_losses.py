"""The loss of answers learned through a frozen Llama: their tokens, or what the Llama foresees from text.

Where the words of the speech are known, the Llama itself says what should follow them: its next-token
distribution at every place of the answer, given the transcript in the place of the speech. That is far more
than the one token of the answer, and the same thing where it is certain.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from recipes.loop.metrics_log import Metrics
from speech_adapter.llama import FrozenLlama
from speech_adapter.sequence import InputSequence, answer_places, pad_sequences


def answer_loss(
    llama: FrozenLlama,
    heard: Sequence[InputSequence],
    written: Sequence[InputSequence | None],
    share: float,
) -> tuple[Tensor, Metrics]:
    """Mean loss per token of the answers, and the share of tokens foreseen.

    heard: items with speech; written: the same items with their words in its place, and the same answers, or
    None. Where there is one, `share` of the loss is the divergence from what the Llama foresees there (nats),
    the rest, and the whole elsewhere, the cross-entropy of the answer.
    """
    logits, rows, targets = _answer_logits(llama, heard)
    losses = functional.cross_entropy(logits, targets, reduction="none")
    foreseen = float((logits.detach().argmax(-1) == targets).float().mean())
    figures: Metrics = {"foreseen": foreseen, "answer_loss": float(losses.detach().mean())}
    if share:
        figures["divergence"] = math.nan  # not measured, unless a text is known
    known = [row for row, item in enumerate(written) if item is not None]
    if share and known:
        with torch.no_grad():
            wanted, _, _ = _answer_logits(llama, [item for item in written if item is not None])
        chosen = torch.isin(rows, torch.tensor(known, device=rows.device))
        divergence = functional.kl_div(
            logits[chosen].log_softmax(-1), wanted.log_softmax(-1), reduction="none", log_target=True
        ).sum(-1)
        losses = losses.masked_scatter(chosen, (1 - share) * losses[chosen] + share * divergence)
        figures["divergence"] = float(divergence.detach().mean())
    return losses.mean(), figures


def _answer_logits(llama: FrozenLlama, items: Sequence[InputSequence]) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (tokens, vocabulary) float32 where answers are foreseen, the item of each, and its token."""
    batch = pad_sequences(items)
    places = answer_places(batch.labels)
    hidden = llama.hidden_states(batch.embeds, batch.mask, batch.position_ids)
    return llama.logits(hidden[places.rows, places.positions]).float(), places.rows, places.targets
