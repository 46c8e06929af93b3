"""Adapter: encodings to embeddings of the Llama's width. Source: arXiv 2407.21783, section 8.2."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from speech_adapter.config import AdapterConfig
from speech_core.attention import AttentionState, RotaryAttention, rotary_angles
from speech_core.errors import ConfigError
from speech_core.masks import Chunking, attention_mask, length_mask


class AdapterState(NamedTuple):
    """What is kept between blocks: the last encoding (batch, 1, d_encoder), attention, positions so far."""

    encoding: Tensor
    attention: AttentionState
    position: int


class SpeechAdapter(nn.Module):
    """Strided convolution, one rotary Transformer layer, projection; and two trained boundary embeddings."""

    def __init__(self, config: AdapterConfig) -> None:
        super().__init__()
        self.config = config
        self.convolution = nn.Conv1d(config.d_encoder, config.d_model, config.kernel, stride=config.stride)
        self.attention_norm = nn.LayerNorm(config.d_model)
        self.attention = RotaryAttention(config.d_model, config.num_heads)
        self.feedforward_norm = nn.LayerNorm(config.d_model)
        self.up = nn.Linear(config.d_model, config.d_feedforward)
        self.down = nn.Linear(config.d_feedforward, config.d_model)
        self.norm = nn.LayerNorm(config.d_model)
        self.project = nn.Linear(config.d_model, config.d_llama)
        self.boundaries = nn.Parameter(torch.randn(2, config.d_llama) * 0.02)  # before and after the speech

    @torch.no_grad()
    def match_scale(self, token_embeddings: Tensor) -> None:
        """Start with outputs and boundaries as large as the token embeddings (vocabulary, d_llama)."""
        deviation = float(token_embeddings.float().std())
        nn.init.normal_(self.project.weight, std=deviation / self.config.d_model**0.5)
        nn.init.zeros_(self.project.bias)
        nn.init.normal_(self.boundaries, std=deviation)

    def position_chunking(self, chunking: Chunking) -> Chunking:
        """The blocks counted in positions. Raises ConfigError if a block is no whole number of positions."""
        stride = self.config.stride
        if chunking.size % stride or chunking.left_context % stride:
            raise ConfigError(
                f"block and left context must be multiples of {stride} encodings, the adapter's stride"
            )
        return Chunking(chunking.size // stride, chunking.left_context // stride)

    def forward(
        self, encodings: Tensor, lengths: Tensor, chunking: Chunking | None = None
    ) -> tuple[Tensor, Tensor]:
        """(batch, encodings, d_encoder), (batch,) -> (batch, positions, d_llama), ceil(lengths / stride)."""
        blocks = self.position_chunking(chunking) if chunking else None
        clean = encodings.masked_fill(~length_mask(lengths, encodings.shape[1])[:, :, None], 0.0)
        if chunking is None or encodings.shape[1] == 0:
            x = self._convolve(functional.pad(clean, (0, 0, 1, 1)))
        else:
            x = self._by_block(clean, chunking)
        lengths = torch.div(lengths + self.config.stride - 1, self.config.stride, rounding_mode="floor")
        angles = self._angles(0, x.shape[1]).to(x.device)
        mask = attention_mask(lengths, x.shape[1], blocks)
        return self._finish(x + self.attention(self.attention_norm(x), angles, mask)), lengths

    def _convolve(self, padded: Tensor) -> Tensor:
        """(rows, 1 + total + 1, d_encoder) -> (rows, ceil(total / stride), d_model)."""
        if padded.shape[1] < self.config.kernel:
            return padded.new_zeros(len(padded), 0, self.config.d_model)
        return self.convolution(padded.transpose(1, 2)).transpose(1, 2)  # type: ignore[no-any-return]

    def _by_block(self, clean: Tensor, chunking: Chunking) -> Tensor:
        """The convolution without a look past the end of each block."""
        batch, total, width = clean.shape
        padded = functional.pad(clean, (0, 0, 1, -total % chunking.size))
        blocks = padded.unfold(1, chunking.size + 1, chunking.size).transpose(2, 3)
        rows = functional.pad(blocks.reshape(-1, chunking.size + 1, width), (0, 0, 0, 1))
        x = self._convolve(rows)
        positions = -(-total // self.config.stride)
        return x.reshape(batch, -1, x.shape[-1])[:, :positions]

    def _finish(self, x: Tensor) -> Tensor:
        x = x + self.down(functional.gelu(self.up(self.feedforward_norm(x))))
        out: Tensor = self.project(self.norm(x))
        return out

    def _angles(self, start: int, total: int) -> Tensor:
        return rotary_angles(
            start, total, self.config.d_model // self.config.num_heads, self.config.rope_base
        )

    def init_state(self, batch: int = 1) -> AdapterState:
        """The state before the first block."""
        weight = self.project.weight
        last = torch.zeros(batch, 1, self.config.d_encoder, device=weight.device, dtype=weight.dtype)
        return AdapterState(last, self.attention.init_state(batch, weight.device, weight.dtype), 0)

    def step(self, encodings: Tensor, state: AdapterState, left_context: int) -> tuple[Tensor, AdapterState]:
        """One block of encodings and the new state; left_context counts positions.

        Blocks joined equal `forward` with that chunking.
        """
        seen = torch.cat([state.encoding, encodings], dim=1)
        x = self._convolve(functional.pad(seen, (0, 0, 0, 1)))
        angles = self._angles(state.position, x.shape[1]).to(x.device)
        attended, attention = self.attention.step(
            self.attention_norm(x), angles, state.attention, left_context
        )
        return self._finish(x + attended), AdapterState(seen[:, -1:], attention, state.position + x.shape[1])
