"""Phones with their prosody spread over frames: what the acoustic model reads.

Each frame knows its phone, the ones before and after, how far into the phone it is, a curve of pitch whose
mean over each voiced phone is the requested one, and a line through the requested powers that bends in the
middle of every phone. A phone's frames need the next phone.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from speech_core.events import ProsodyEvent
from speech_synthesis.config import AcousticConfig
from tts_frontend.languages.en.phones import SILENCE

NUM_NUMBERS = 11  # of a frame, see `spread`


class SpokenPhone(NamedTuple):
    """One phone as the acoustic model takes it. log_f0: of the last voiced phone where it has none itself."""

    number: int  # in the inventory
    frames: int
    log_f0: float
    is_voiced: bool
    log_power: float
    is_first: bool  # of its word
    is_last: bool


class FrameInputs(NamedTuple):
    """Frames of one or more utterances: phones (..., 3) ids, numbers (..., NUM_NUMBERS), f0 and power (...).

    f0, power: lines through the requested values, natural logarithms, which the outputs are added to.
    """

    phones: Tensor
    numbers: Tensor
    f0: Tensor
    power: Tensor


class PhoneReader:
    """Prosody events to phones of whole frames: rounding never adds up, pitch is carried over gaps."""

    def __init__(self, config: AcousticConfig) -> None:
        self._numbers = {symbol: number for number, symbol in enumerate(config.phones)}
        self._rate_hz = config.frames.frame_rate_hz
        self._log_f0 = config.mean_log_f0
        self._behind = 0.0  # frames asked for and not yet given

    def read(self, event: ProsodyEvent) -> SpokenPhone:
        """The event as a phone. A phone the inventory does not have is a pause."""
        wanted = math.exp(event.log_duration) * self._rate_hz + self._behind
        frames = max(1, round(wanted))
        self._behind = max(-1.0, min(1.0, wanted - frames))
        if event.log_f0 is not None:
            self._log_f0 = event.log_f0
        phone = event.phone
        number = self._numbers.get(phone.symbol, self._numbers[SILENCE])
        return SpokenPhone(
            number=number,
            frames=frames,
            log_f0=self._log_f0,
            is_voiced=event.log_f0 is not None,
            log_power=event.log_power,
            is_first=phone.word >= 0 and phone.place == 0,
            is_last=phone.word >= 0 and phone.remaining == 0,
        )


def spread(phones: Sequence[SpokenPhone | None], config: AcousticConfig) -> FrameInputs:
    """Frames of all phones but the first and the last, which are only looked at; None beyond the utterance.

    Returns FrameInputs over (frames,). Raises IndexError for fewer than two phones.
    """
    known = [phone for phone in phones if phone is not None]
    rows = [_row(phone, known[0] if place == 0 else known[-1], config) for place, phone in enumerate(phones)]
    table = torch.tensor([row[1:] for row in rows], dtype=torch.float32)
    ids = torch.tensor([row[0] for row in rows])
    lengths = torch.tensor([phone.frames if phone else 0 for phone in phones[1:-1]])
    owner = torch.repeat_interleave(torch.arange(1, len(phones) - 1), lengths)
    ends = lengths.cumsum(0)
    place = torch.arange(int(lengths.sum())) - (ends - lengths)[owner - 1]
    size = lengths[owner - 1]
    share = (place + 0.5) / size
    before, here, after = table[owner - 1], table[owner], table[owner + 1]
    f0 = _pitch(share, size, *(part[:, [0, 2]] for part in (before, here, after)))
    power = _bent(share, before[:, 1], here[:, 1], after[:, 1])
    numbers = torch.stack(
        [
            share,
            (place / 8).clamp(max=2.0),
            ((size - 1 - place) / 8).clamp(max=2.0),
            (f0 - config.mean_log_f0) * 3,
            (power - config.mean_log_power) / 3,
            (here[:, 1] - before[:, 1]) / 3,
            (after[:, 1] - here[:, 1]) / 3,
            before[:, 2],
            here[:, 2],
            after[:, 2],
            here[:, 3] + 2 * here[:, 4],
        ],
        1,
    )
    return FrameInputs(torch.stack([ids[owner - 1], ids[owner], ids[owner + 1]], 1), numbers, f0, power)


def _row(phone: SpokenPhone | None, edge: SpokenPhone, config: AcousticConfig) -> tuple[float, ...]:
    """Id, pitch, power, voicing, first, last; beyond the utterance the prosody of its edge goes on."""
    if phone is None:
        return (len(config.phones), edge.log_f0, edge.log_power, 0.0, 0.0, 0.0)
    flags = (float(phone.is_voiced), float(phone.is_first), float(phone.is_last))
    return (phone.number, phone.log_f0, phone.log_power, *flags)


def _bent(share: Tensor, before: Tensor, here: Tensor, after: Tensor) -> Tensor:
    """A line from the middle of one phone to the middle of the next."""
    return here + torch.where(share < 0.5, (0.5 - share) * (before - here), (share - 0.5) * (after - here))


def _pitch(share: Tensor, frames: Tensor, before: Tensor, here: Tensor, after: Tensor) -> Tensor:
    """A parabola in each voiced phone, of the requested mean over its frames; neighbours meet half way.

    share (frames,) and the phones (frames, 2): pitch and whether they are voiced. An unvoiced neighbour bends
    nothing; an unvoiced phone has a line between its neighbours.
    """
    first, last = _edge(before, here), _edge(here, after)
    bow = share * (1 - share) / (1 / 6 + 1 / (12 * frames**2))  # of mean 1 over the middles of so many frames
    missing = here[:, 0] - (first + last) / 2
    return first + share * (last - first) + here[:, 1] * missing * bow


def _edge(left: Tensor, right: Tensor) -> Tensor:
    """Pitch where two phones meet: the mean of the voiced ones, what is carried over where neither is."""
    voiced = left[:, 1] + right[:, 1]
    mean = (left.prod(-1) + right.prod(-1)) / voiced.clamp(min=1)
    return torch.where(voiced > 0, mean, left[:, 0])
