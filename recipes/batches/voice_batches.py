"""Batches of voice items: frames of phones with prosody, and the spectral frames that belong to them."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from recipes.data.batching import BatchSampler
from recipes.data.voice_cache import VoiceCache, VoiceItem
from speech_synthesis.config import AcousticConfig
from speech_synthesis.mel import split_frames
from speech_synthesis.phone_frames import FrameInputs, SpokenPhone, spread


class VoiceBatch(NamedTuple):
    """Inputs and targets over (batch, frames): mel, share (..., channels), f0 in log Hz, two masks."""

    inputs: FrameInputs
    mel: Tensor
    share: Tensor
    f0: Tensor
    voiced: Tensor
    valid: Tensor

    @property
    def num_frames(self) -> int:
        """Frames that are not padding."""
        return int(self.valid.sum())


def spoken_phones(item: VoiceItem, config: AcousticConfig) -> list[SpokenPhone]:
    """Phones of an item as the acoustic stream reads them, with the measured prosody."""
    log_f0 = config.mean_log_f0
    phones = []
    for number, record in enumerate(item.phone_records()):
        is_voiced = bool(np.isfinite(item.log_f0[number]))
        log_f0 = float(item.log_f0[number]) if is_voiced else log_f0
        phones.append(
            SpokenPhone(
                number=item.phones[number],
                frames=int(item.durations[number]),
                log_f0=log_f0,
                is_voiced=is_voiced,
                log_power=float(item.log_power[number]),
                is_first=record.word >= 0 and record.place == 0,
                is_last=record.word >= 0 and record.remaining == 0,
            )
        )
    return phones


def make_batch(items: Sequence[VoiceItem], config: AcousticConfig) -> VoiceBatch:
    """Items padded to the longest."""
    inputs = [spread([None, *spoken_phones(item, config), None], config) for item in items]
    parts = [[part[place] for part in inputs] for place in range(4)]
    padded = [
        pad_sequence(part, batch_first=True, padding_value=-1 if n == 0 else 0)
        for n, part in enumerate(parts)
    ]
    frames = [torch.from_numpy(np.asarray(item.frames, np.float32)) for item in items]
    f0_hz = pad_sequence([torch.from_numpy(np.array(item.f0_hz)) for item in items], batch_first=True)
    mel, share, _ = split_frames(pad_sequence(frames, batch_first=True), config.frames)
    return VoiceBatch(
        inputs=FrameInputs(*padded),
        mel=mel.clamp(min=config.quietest),
        share=share,
        f0=f0_hz.clamp(min=1.0).log(),
        voiced=f0_hz > 0,
        valid=padded[0][..., 1] >= 0,
    )


class VoiceBatches:
    """An endless, resumable stream of training batches."""

    def __init__(self, cache: VoiceCache, config: AcousticConfig, sampler: BatchSampler) -> None:
        self._cache, self._config, self._sampler = cache, config, sampler

    def __iter__(self) -> Iterator[VoiceBatch]:
        for indices in self._sampler:
            yield make_batch([self._cache[int(index)] for index in indices], self._config)

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands."""
        return self._sampler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._sampler.load_state_dict(state)
