"""Learning from a teacher's states: a linear head on the encoder foresees them at every encoding."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from recipes.data.whisper_states import STATE_FRAMES
from speech_core.errors import ConfigError


class TeacherHead(nn.Module):
    """One linear layer from an encoding to the teacher's states over the same frames; thrown away later."""

    def __init__(self, d_model: int, dimensions: int, stack: int) -> None:
        """stack: frames of one encoding. Raises ConfigError if they are no whole number of states."""
        super().__init__()
        if stack % STATE_FRAMES:
            raise ConfigError(f"stack is {stack}: a teacher needs a multiple of {STATE_FRAMES}")
        self.states = stack // STATE_FRAMES  # of one encoding
        self.project = nn.Linear(d_model, self.states * dimensions)

    def forward(self, encodings: Tensor, wanted: Tensor) -> Tensor:
        """Mean squared error over the known states, 1 for a head that knows nothing but their mean.

        encodings (batch, encodings, d_model); wanted (batch, states, dimensions) at unit deviation, NaN where
        none is known. Zero if none is known at all.
        """
        batch, total, _ = encodings.shape
        missing = total * self.states - wanted.shape[1]
        padded = functional.pad(wanted, (0, 0, 0, missing), value=torch.nan)
        joined = padded.reshape(batch, total, -1)
        known = ~joined.isnan().any(-1)
        difference: Tensor = self.project(encodings[known]).float() - joined[known]
        return difference.square().sum() / max(difference.numel(), 1)
