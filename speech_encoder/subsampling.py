"""Frame stacking: neighbouring mel frames joined into one encoding. Source: arXiv 2407.21783, section 8.2."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from speech_core.errors import InputError
from speech_core.masks import length_mask


def stack_frames(features: Tensor, lengths: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """Join `factor` neighbouring frames into one; frames past each length count as zeros.

    features (batch, frames, mels), lengths (batch,)
    -> (batch, ceil(frames / factor), mels * factor), ceil(lengths / factor)
    Raises InputError if factor < 1.
    """
    if factor < 1:
        raise InputError(f"factor is {factor}, at least one frame must be stacked")
    batch, frames, mels = features.shape
    padding = ~length_mask(lengths, frames)[:, :, None]
    clean = features.masked_fill(padding, 0.0)  # not a product: what lies there need not be finite
    padded = functional.pad(clean, (0, 0, 0, -frames % factor))
    stacked = padded.view(batch, padded.shape[1] // factor, mels * factor)
    return stacked, torch.div(lengths + factor - 1, factor, rounding_mode="floor")


class FrameStacking(nn.Module):
    """Stack frames and project them to the width of the encoder."""

    def __init__(self, num_mels: int, factor: int, d_model: int) -> None:
        super().__init__()
        self.factor = factor
        self.project = nn.Linear(num_mels * factor, d_model)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, frames, mels) normalised -> (batch, ceil(frames / factor), d_model), shorter lengths."""
        stacked, lengths = stack_frames(features, lengths, self.factor)
        return self.project(stacked), lengths
