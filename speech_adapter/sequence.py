"""One sequence of the Llama's input made of text and speech, and batches of them with labels.

Speech enters as embeddings between two trained boundary embeddings (arXiv 2407.21783, section 8.2), text as
the Llama's own token embeddings. In training only the answer and its end-of-turn token are labelled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from speech_adapter.prompts import Piece, Speech
from speech_core.errors import InputError

NO_LABEL = -100  # the index that cross-entropy ignores


class InputSequence(NamedTuple):
    """One item: embeds (positions, d_llama); labels (positions,) int64, the token at a place or NO_LABEL."""

    embeds: Tensor
    labels: Tensor


class SequenceBatch(NamedTuple):
    """Items padded to one length.

    embeds (batch, positions, d_llama); mask (batch, positions) bool, True = valid; labels and position_ids
    (batch, positions) int64. A label is the token that stands at its own place: the state before it
    predicts it.
    """

    embeds: Tensor
    mask: Tensor
    labels: Tensor
    position_ids: Tensor


class AnswerPlaces(NamedTuple):
    """Where answers are predicted: row and position of a state, and the token it should predict; all (n,)."""

    rows: Tensor
    positions: Tensor
    targets: Tensor


def build_sequence(
    pieces: Sequence[Piece],
    embed: Callable[[Tensor], Tensor],
    boundaries: Tensor,
    answer_ids: Sequence[int] = (),
) -> InputSequence:
    """Join the pieces of a conversation, and an answer to learn, into embeddings and labels.

    embed: the Llama's token embeddings, (n,) int64 -> (n, d_llama). boundaries (2, d_llama): before and after
    each speech piece. answer_ids: the answer with its end-of-turn token; they alone are labelled.
    """
    parts: list[Tensor] = []
    for piece in pieces:
        if isinstance(piece, Speech):
            parts += [boundaries[:1], _checked_speech(piece, boundaries), boundaries[1:]]
        else:
            parts.append(embed(torch.tensor(piece, dtype=torch.int64)))
    answer = torch.tensor(list(answer_ids), dtype=torch.int64, device=boundaries.device)
    parts.append(embed(answer))
    embeds = torch.cat([part.to(boundaries) for part in parts])
    labels = answer.new_full((len(embeds),), NO_LABEL)
    labels[len(embeds) - len(answer) :] = answer
    return InputSequence(embeds, labels)


def _checked_speech(speech: Speech, boundaries: Tensor) -> Tensor:
    if speech.embeds.dim() != 2 or speech.embeds.shape[1] != boundaries.shape[1]:
        raise InputError(
            f"speech has shape {tuple(speech.embeds.shape)}, the boundaries are {boundaries.shape[1]} wide"
        )
    return speech.embeds


def pad_sequences(items: Sequence[InputSequence], side: str = "right") -> SequenceBatch:
    """A batch padded with zeros on the right (training) or on the left (generation)."""
    if side not in ("left", "right"):
        raise InputError(f"side is {side!r}: use left or right")
    if not items:
        raise InputError("there is no sequence to batch")
    longest = max(len(item.embeds) for item in items)

    def padding(item: InputSequence) -> tuple[int, int]:
        free = longest - len(item.embeds)
        return (free, 0) if side == "left" else (0, free)

    embeds = torch.stack([functional.pad(item.embeds, (0, 0, *padding(item))) for item in items])
    labels = torch.stack([functional.pad(item.labels, padding(item), value=NO_LABEL) for item in items])
    valid = [functional.pad(torch.ones_like(item.labels), padding(item)) for item in items]
    mask = torch.stack(valid).bool()
    return SequenceBatch(embeds, mask, labels, (mask.long().cumsum(1) - 1).clamp(min=0))


def answer_places(labels: Tensor) -> AnswerPlaces:
    """The states that predict labelled tokens, one position before each: logits are needed only there.

    labels (batch, positions); a label at position 0 has no state before it and is left out.
    """
    rows, before = (labels[:, 1:] != NO_LABEL).nonzero(as_tuple=True)
    return AnswerPlaces(rows, before, labels[rows, before + 1])


def batches_of_like_length(lengths: Sequence[int], limit: int) -> Iterator[list[int]]:
    """Indices in batches of like length, each at most `limit` when padded, or a single item."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda number: lengths[number]):
        if batch and lengths[index] * (len(batch) + 1) > limit:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
