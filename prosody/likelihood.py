"""Batches of texts with the prosody they were read with, and how likely a model finds it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from prosody.config import ProsodyConfig
from prosody.features import Inputs, batch_inputs, text_inputs
from prosody.items import ProsodyItem, ProsodySet
from prosody.model import Outputs
from prosody.targets import Targets, edges, normalise
from speech_core.errors import InputError

TERMS = ("duration", "f0", "power", "voiced")


@dataclass(frozen=True)
class ProsodyBatch:
    """Inputs and normalised targets: values, low, high (batch, phones, 3); voiced, valid (batch, phones)."""

    inputs: Inputs
    values: Tensor
    voiced: Tensor
    valid: Tensor
    low: Tensor
    high: Tensor
    seconds: float  # of speech
    seed: int = 0


def make_batch(items: Sequence[ProsodyItem], config: ProsodyConfig, seed: int = 0) -> ProsodyBatch:
    """Items padded to one batch. Raises InputError for a speaker the model does not know."""
    inputs = batch_inputs([text_inputs(item.groups, config) for item in items])
    unknown = sorted({item.speaker for item in items} - set(config.speakers))
    if unknown:
        raise InputError(
            f"the prosody model has no speaker {unknown[0]!r}: it has {', '.join(config.speakers)}"
        )
    speakers = torch.tensor([config.speakers.index(item.speaker) for item in items])
    inputs = inputs._replace(speakers=speakers)

    def pad(parts: list[Tensor]) -> Tensor:
        return torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)

    valid = pad([torch.ones(len(item.targets.voiced), dtype=torch.bool) for item in items])
    targets = Targets(
        pad([item.targets.values for item in items]), pad([item.targets.voiced for item in items])
    )
    low, high = edges(targets, speakers, config)
    values = normalise(targets, speakers, config)
    seconds = float(torch.where(valid, targets.values[..., 0].exp(), 0.0).sum())
    return ProsodyBatch(inputs, values, targets.voiced, valid, low, high, seconds, seed)


def fixed_batches(items: ProsodySet, config: ProsodyConfig, max_phones: int) -> list[ProsodyBatch]:
    """All items once, in batches of like length."""
    order: NDArray[np.int64] = np.argsort(items.num_phones, kind="stable")
    batches: list[list[int]] = [[]]
    for number in order.tolist():
        if (len(batches[-1]) + 1) * int(items.num_phones[number]) > max_phones and batches[-1]:
            batches.append([])
        batches[-1].append(number)
    return [make_batch([items[number] for number in batch], config) for batch in batches]


def nats(outputs: Outputs, batch: ProsodyBatch) -> dict[str, Tensor]:
    """Negative log-likelihood of each phone by term of TERMS, (batch, phones); 0 where it does not count."""
    mass = -outputs.mixture.log_mass(batch.low, batch.high)
    voiced = batch.voiced & batch.valid
    flags = functional.binary_cross_entropy_with_logits(
        outputs.voiced, batch.voiced.float(), reduction="none"
    )
    masks = (batch.valid, voiced, batch.valid)
    terms = {TERMS[k]: torch.where(mask, mass[..., k], 0.0) for k, mask in enumerate(masks)}
    return {**terms, "voiced": torch.where(batch.valid, flags, 0.0)}
