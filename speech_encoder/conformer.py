"""Conformer speech encoder with rotary attention; runs whole or block by block with the same weights.

Sources: arXiv 2407.21783, section 8.2 (sizes); Gulati et al., arXiv 2005.08100 (block). LayerNorm stands in
place of BatchNorm, so that padding and batch size never change a result. In block mode neither attention nor
convolution sees past the end of the block; left of it they see `left_context` encodings and kernel // 2
convolution inputs.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from speech_core.attention import AttentionState, RotaryAttention, rotary_angles
from speech_core.convolution import depthwise_convolution
from speech_core.masks import Chunking, attention_mask, length_mask
from speech_encoder.config import EncoderConfig
from speech_encoder.subsampling import FrameStacking


class LayerState(NamedTuple):
    """What one layer keeps between blocks; convolution (batch, kernel // 2, d_model) are its last inputs."""

    attention: AttentionState
    convolution: Tensor


class EncoderState(NamedTuple):
    """What the encoder keeps between blocks; position counts the encodings so far."""

    layers: tuple[LayerState, ...]
    position: int


class FeedForward(nn.Module):
    """LayerNorm, linear, Swish, linear."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.d_model)
        self.up = nn.Linear(config.d_model, config.d_feedforward)
        self.down = nn.Linear(config.d_feedforward, config.d_model)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, encodings, d_model) -> same."""
        out: Tensor = self.down(self.dropout(functional.silu(self.up(self.norm(x)))))
        return out


class ConvolutionModule(nn.Module):
    """Pointwise GLU, depthwise convolution over time, LayerNorm, Swish, pointwise."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.reach = config.kernel // 2  # encodings seen on each side
        self.norm = nn.LayerNorm(config.d_model)
        self.gate = nn.Linear(config.d_model, 2 * config.d_model)
        self.depthwise = nn.Conv1d(config.d_model, config.d_model, config.kernel, groups=config.d_model)
        self.depthwise_norm = nn.LayerNorm(config.d_model)
        self.out = nn.Linear(config.d_model, config.d_model)

    def _inputs(self, x: Tensor, valid: Tensor | None) -> Tensor:
        gated = functional.glu(self.gate(self.norm(x)), dim=-1)
        return gated if valid is None else gated * valid[:, :, None].to(gated.dtype)

    def _convolve(self, padded: Tensor) -> Tensor:
        """(rows, reach + total + reach, d_model) -> (rows, total, d_model)."""
        assert self.depthwise.bias is not None
        out = depthwise_convolution(padded, self.depthwise.weight)
        return out + self.depthwise.bias.to(padded.dtype)

    def _outputs(self, convolved: Tensor) -> Tensor:
        out: Tensor = self.out(functional.silu(self.depthwise_norm(convolved)))
        return out

    def forward(self, x: Tensor, valid: Tensor, chunking: Chunking | None) -> Tensor:
        """(batch, encodings, d_model), valid (batch, encodings) -> (batch, encodings, d_model)."""
        inputs = self._inputs(x, valid)
        batch, total, d_model = inputs.shape
        if chunking is None or total == 0:
            return self._outputs(self._convolve(functional.pad(inputs, (0, 0, self.reach, self.reach))))
        surplus = -total % chunking.size
        padded = functional.pad(inputs, (0, 0, self.reach, surplus))
        blocks = padded.unfold(1, chunking.size + self.reach, chunking.size)  # (batch, blocks, d_model, size)
        rows = blocks.transpose(2, 3).reshape(-1, chunking.size + self.reach, d_model)
        convolved = self._convolve(functional.pad(rows, (0, 0, 0, self.reach)))
        return self._outputs(convolved.view(batch, total + surplus, d_model)[:, :total])

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One block; state holds the inputs before it: (batch, reach, d_model)."""
        inputs = torch.cat([state, self._inputs(x, None)], dim=1)
        convolved = self._convolve(functional.pad(inputs, (0, 0, 0, self.reach)))
        return self._outputs(convolved), inputs[:, inputs.shape[1] - self.reach :]


class ConformerLayer(nn.Module):
    """Half feed-forward, attention, convolution, half feed-forward, LayerNorm."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.first = FeedForward(config)
        self.attention_norm = nn.LayerNorm(config.d_model)
        self.attention = RotaryAttention(config.d_model, config.num_heads)
        self.convolution = ConvolutionModule(config)
        self.second = FeedForward(config)
        self.norm = nn.LayerNorm(config.d_model)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, x: Tensor, angles: Tensor, mask: Tensor, valid: Tensor, chunking: Chunking | None
    ) -> Tensor:
        """(batch, encodings, d_model) -> same."""
        x = torch.add(x, self.dropout(self.first(x)), alpha=0.5)
        x = x + self.dropout(self.attention(self.attention_norm(x), angles, mask))
        x = x + self.dropout(self.convolution(x, valid, chunking))
        out: Tensor = self.norm(torch.add(x, self.dropout(self.second(x)), alpha=0.5))
        return out

    def step(
        self, x: Tensor, angles: Tensor, state: LayerState, left_context: int
    ) -> tuple[Tensor, LayerState]:
        """One block of encodings and the layer's new state."""
        x = x + 0.5 * self.first(x)
        attended, attention = self.attention.step(
            self.attention_norm(x), angles, state.attention, left_context
        )
        x = x + attended
        convolved, convolution = self.convolution.step(x, state.convolution)
        x = x + convolved
        return self.norm(x + 0.5 * self.second(x)), LayerState(attention, convolution)


class SpeechEncoder(nn.Module):
    """Log-mel frames to encodings; the stored global normalisation travels with the weights."""

    feature_mean: Tensor
    feature_std: Tensor

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("feature_mean", torch.zeros(config.features.num_mels))
        self.register_buffer("feature_std", torch.ones(config.features.num_mels))
        self.stacking = FrameStacking(config.features.num_mels, config.stack, config.d_model)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(ConformerLayer(config) for _ in range(config.num_layers))
        self.activation_checkpointing = False  # recompute layers in the backward pass: less memory, more time
        self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        """Start close to the identity: Xavier weights, no biases, small outputs of the residual branches.

        With the default biases each layer adds a constant that its LayerNorm then favours: after twelve
        layers nine tenths of the variance over time were gone, and training stayed for long where all
        encodings are alike.
        """
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        branches = 4 * self.config.num_layers
        for layer in self.layers:
            for last in (layer.first.down, layer.attention.out, layer.convolution.out, layer.second.down):  # type: ignore[union-attr]
                last.weight.mul_(branches**-0.5)  # type: ignore[union-attr, operator]

    def normalise(self, features: Tensor) -> Tensor:
        """Zero mean and unit deviation per mel bin, by the stored constants."""
        return (features - self.feature_mean) / self.feature_std

    def forward(
        self, features: Tensor, lengths: Tensor, chunking: Chunking | None = None
    ) -> tuple[Tensor, Tensor]:
        """Log-mel frames to encodings.

        features (batch, frames, mels), lengths (batch,) -> (batch, encodings, d_model), ceil(lengths / stack)
        """
        return self.encode(self.normalise(features), lengths, chunking)

    def encode(
        self, normalised: Tensor, lengths: Tensor, chunking: Chunking | None = None
    ) -> tuple[Tensor, Tensor]:
        """`forward` from features already normalised (and masked or augmented)."""
        outputs = self.layer_outputs(normalised, lengths, chunking)
        x = deque(outputs, maxlen=1).pop()  # those before the last are let go at once
        return x, torch.div(lengths + self.config.stack - 1, self.config.stack, rounding_mode="floor")

    def layer_outputs(
        self, normalised: Tensor, lengths: Tensor, chunking: Chunking | None = None
    ) -> Iterator[Tensor]:
        """What comes in at the first layer, then what each layer gives; one not asked for is not computed."""
        x, lengths = self.stacking(normalised, lengths)
        x = self.dropout(x)
        yield x
        total = x.shape[1]
        angles = self._angles(0, total).to(x.device)
        mask = attention_mask(lengths, total, chunking)
        valid = length_mask(lengths, total)
        for layer in self.layers:
            if self.activation_checkpointing and self.training:
                x = checkpoint(layer, x, angles, mask, valid, chunking, use_reentrant=False)
            else:
                x = layer(x, angles, mask, valid, chunking)
            yield x

    def _angles(self, start: int, total: int) -> Tensor:
        return rotary_angles(
            start, total, self.config.d_model // self.config.num_heads, self.config.rope_base
        )

    def init_state(self, batch: int = 1) -> EncoderState:
        """The state before the first block."""
        weight = self.stacking.project.weight
        empty = torch.zeros(
            batch, self.config.kernel // 2, self.config.d_model, device=weight.device, dtype=weight.dtype
        )
        layer_states = (
            LayerState(layer.attention.init_state(batch, weight.device, weight.dtype), empty)  # type: ignore[operator, union-attr]
            for layer in self.layers
        )
        return EncoderState(tuple(layer_states), 0)

    def step(self, features: Tensor, state: EncoderState, left_context: int) -> tuple[Tensor, EncoderState]:
        """Encode one block: (batch, frames, mels) log-mel -> (batch, ceil(frames / stack), d_model), state.

        Every block but the last must have the same whole number of stacks: then the blocks joined equal
        `forward` with `Chunking(size, left_context)`.
        """
        lengths = torch.full((features.shape[0],), features.shape[1], device=features.device)
        x, _ = self.stacking(self.normalise(features), lengths)
        angles = self._angles(state.position, x.shape[1]).to(x.device)
        new_states = []
        for layer, layer_state in zip(self.layers, state.layers, strict=True):
            x, layer_state = layer.step(x, angles, layer_state, left_context)  # type: ignore[operator]
            new_states.append(layer_state)
        return x, EncoderState(tuple(new_states), state.position + x.shape[1])
