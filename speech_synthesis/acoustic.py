"""Phones and their prosody to spectral frames, while they come.

A causal convolutional network over frames: one convolution looks a declared number of frames ahead, blocks of
a depthwise convolution over the past and two linear layers follow. It predicts what is added to the lines
through the requested pitch and power, so that both are obeyed beyond what was heard in training.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from speech_core.checkpoint import load_config, load_weights
from speech_core.errors import StreamClosedError
from speech_core.events import ProsodyEvent
from speech_synthesis.config import AcousticConfig
from speech_synthesis.phone_frames import NUM_NUMBERS, FrameInputs, PhoneReader, SpokenPhone, spread


class AcousticOutputs(NamedTuple):
    """mel (..., num_mels) log densities; share (..., num_bands) log; f0 (...) log Hz; voiced (...) logit."""

    mel: Tensor
    share: Tensor
    f0: Tensor
    voiced: Tensor


class AcousticState(NamedTuple):
    """Past of each convolution, (batch, frames, channels): the first one's inputs, then each block's.

    waiting: lines of pitch and power of frames that are not out yet, (batch, frames, 2).
    """

    inputs: Tensor
    blocks: tuple[Tensor, ...]
    waiting: Tensor


class Block(nn.Module):
    """Depthwise convolution over the past, then two linear layers; residual."""

    def __init__(self, config: AcousticConfig) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(config.d_model, config.d_model, config.kernel, groups=config.d_model)
        self.norm = nn.LayerNorm(config.d_model)
        self.inner = nn.Linear(config.d_model, config.expansion * config.d_model)
        self.outer = nn.Linear(config.expansion * config.d_model, config.d_model)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, frames, d_model), past (batch, kernel - 1, d_model) -> the same, and the new past."""
        whole = torch.cat([past, x], 1)
        mixed = self.depthwise(whole.transpose(1, 2)).transpose(1, 2)
        change = self.outer(torch.nn.functional.gelu(self.inner(self.norm(mixed))))
        return x + self.dropout(change), whole[:, whole.shape[1] - past.shape[1] :]


class AcousticModel(nn.Module):
    """`forward` over whole utterances; `init_state`, `step` and `finish` for one that is still growing."""

    mean: Tensor  # of what is added to the lines, (num_channels + 2,)
    deviation: Tensor

    def __init__(self, config: AcousticConfig) -> None:
        super().__init__()
        self.config = config
        self.phone = nn.Embedding(len(config.phones) + 1, config.d_phone)  # the last: beyond the utterance
        width = 2 * config.lookahead_frames + 1
        self.enter = nn.Conv1d(3 * config.d_phone + NUM_NUMBERS, config.d_model, width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_blocks))
        self.norm = nn.LayerNorm(config.d_model)
        self.leave = nn.Linear(config.d_model, config.frames.num_channels + 2)
        self.register_buffer("mean", torch.zeros(config.frames.num_channels + 2))
        self.register_buffer("deviation", torch.ones(config.frames.num_channels + 2))

    def forward(self, inputs: FrameInputs) -> AcousticOutputs:
        """All frames at once: inputs over (batch, frames), padded at the end with phones -1."""
        state = self.init_state(inputs.f0.shape[0])
        outputs, state = self.step(inputs, state)
        rest = self.finish(state)
        return AcousticOutputs(*(torch.cat(pair, 1) for pair in zip(outputs, rest, strict=True)))

    def init_state(self, batch: int = 1) -> AcousticState:
        """The state before the first frame."""
        config, some = self.config, self.leave.weight
        return AcousticState(
            inputs=some.new_zeros(batch, config.lookahead_frames, 3 * config.d_phone + NUM_NUMBERS),
            blocks=tuple(
                some.new_zeros(batch, config.kernel - 1, config.d_model) for _ in range(config.num_blocks)
            ),
            waiting=some.new_zeros(batch, 0, 2),
        )

    def step(self, inputs: FrameInputs, state: AcousticState) -> tuple[AcousticOutputs, AcousticState]:
        """Outputs that are now final: `lookahead_frames` fewer than have come in all."""
        embedded = self.phone(inputs.phones.clamp(min=0)).flatten(-2)
        entered = torch.cat([embedded, inputs.numbers.to(embedded.dtype)], -1)
        entered = torch.where(inputs.phones[..., 1:2] >= 0, entered, 0.0)
        lines = torch.stack([inputs.f0, inputs.power], -1).to(embedded.dtype)
        return self._advance(entered, lines, state)

    def finish(self, state: AcousticState) -> AcousticOutputs:
        """Outputs of the frames that waited for more to come; zeros stand for what never came."""
        missing = state.waiting.shape[1]
        zeros = state.inputs.new_zeros(
            state.inputs.shape[0], self.config.lookahead_frames, state.inputs.shape[2]
        )
        outputs, _ = self._advance(zeros, state.waiting[:, :0], state)
        return AcousticOutputs(*(part[:, :missing] for part in outputs))

    def _advance(
        self, entered: Tensor, lines: Tensor, state: AcousticState
    ) -> tuple[AcousticOutputs, AcousticState]:
        reach = 2 * self.config.lookahead_frames
        whole = torch.cat([state.inputs, entered], 1)
        waiting = torch.cat([state.waiting, lines], 1)
        ready = max(0, whole.shape[1] - reach)
        kept = whole[:, whole.shape[1] - min(reach, whole.shape[1]) :]
        if ready == 0:
            empty = self._outputs(whole.new_zeros(whole.shape[0], 0, self.config.d_model), waiting[:, :0])
            return empty, AcousticState(kept, state.blocks, waiting)
        x = self.enter(whole.transpose(1, 2)).transpose(1, 2)
        pasts = []
        for block, past in zip(self.blocks, state.blocks, strict=True):
            x, past = block(x, past)
            pasts.append(past)
        ready = min(ready, waiting.shape[1])
        outputs = self._outputs(x[:, :ready], waiting[:, :ready])
        return outputs, AcousticState(kept, tuple(pasts), waiting[:, ready:])

    def _outputs(self, x: Tensor, lines: Tensor) -> AcousticOutputs:
        """Scaled outputs added to the requested lines."""
        scaled = self.leave(self.norm(x)) * self.deviation + self.mean
        sizes = [self.config.frames.num_mels, self.config.frames.num_bands, 1, 1]
        mel, share, f0, voiced = scaled.split(sizes, -1)
        return AcousticOutputs(
            mel + lines[..., 1:], share.clamp(max=0.0), f0[..., 0] + lines[..., 0], voiced[..., 0]
        )


def sharpen(mel: Tensor, config: AcousticConfig) -> Tensor:
    """Peaks and valleys of each spectrum (..., num_mels) made steeper, its power kept.

    What a network of least error says is the average of what may come, whose formants are flat; a filter
    behind it gives them back (as the global variance of Toda and Tokuda, 2007).
    """
    if config.contrast == 0 or mel.numel() == 0:
        return mel
    half = config.contrast_mels // 2
    padded = nn.functional.pad(mel.flatten(0, -2), (half, half), mode="replicate")
    around = nn.functional.avg_pool1d(padded, config.contrast_mels, stride=1).view_as(mel)
    steeper = mel + config.contrast * (mel - around)
    return steeper + (mel.logsumexp(-1, keepdim=True) - steeper.logsumexp(-1, keepdim=True))


def to_frames(outputs: AcousticOutputs, config: AcousticConfig) -> Tensor:
    """Frames for the vocoder: outputs over (frames,) -> (frames, num_channels + 1)."""
    mel = sharpen(outputs.mel.clamp(-40.0, 0.0), config)
    f0_hz = torch.where(outputs.voiced > 0, outputs.f0.clamp(3.7, 6.9).exp(), 0.0)  # 40 to 1000 Hz
    return torch.cat([mel.clamp(-40.0, 0.0), outputs.share, f0_hz[..., None]], -1)


class AcousticStream:
    """Stream of ProsodyEvent to frames (frames, num_channels + 1). A phone's frames come with later phones.

    num_frames: of all phones that have come; `starts` tells where each of them begins.
    """

    def __init__(self, model: AcousticModel) -> None:
        self.model = model
        self._reader = PhoneReader(model.config)
        self._known: list[SpokenPhone | None] = [None]  # the last one spread, then those waiting
        self._state = model.init_state()
        self._closed = False
        self.num_frames = 0

    def push(self, events: ProsodyEvent | Sequence[ProsodyEvent]) -> list[Tensor]:
        """Frames that are now final. Raises StreamClosedError after `flush`."""
        if self._closed:
            raise StreamClosedError("the acoustic stream was flushed: make a new one")
        for event in [events] if isinstance(events, ProsodyEvent) else events:
            phone = self._reader.read(event)
            self._known.append(phone)
            self.num_frames += phone.frames
        return self._advance()

    def flush(self) -> list[Tensor]:
        """The rest; the stream is then closed."""
        if self._closed:
            return []
        self._closed = True
        if self.num_frames == 0:
            return []
        self._known.append(None)
        frames = self._advance()
        with torch.inference_mode():
            return frames + self._frames(self.model.finish(self._state))

    def _advance(self) -> list[Tensor]:
        if len(self._known) < 3:
            return []
        inputs = spread(self._known, self.model.config)
        self._known = self._known[-2:]
        with torch.inference_mode():
            batch = FrameInputs(*(part[None] for part in inputs))
            outputs, self._state = self.model.step(batch, self._state)
            return self._frames(outputs)

    def _frames(self, outputs: AcousticOutputs) -> list[Tensor]:
        frames = to_frames(AcousticOutputs(*(part[0] for part in outputs)), self.model.config)
        return [frames] if frames.shape[0] else []


def load_acoustic(folder: Path) -> AcousticModel:
    """The component `acoustic`. Raises CheckpointError."""
    model = AcousticModel(load_config(folder, AcousticConfig))
    load_weights(folder, model)
    return model.eval()
