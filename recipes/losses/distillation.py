"""Learning from a teacher's states: a linear head on the encoder foresees them at every encoding."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from recipes.data.whisper_states import STATE_FRAMES
from speech_core.errors import ConfigError

RIDGE = 1e-4  # of the mean square of an encoding's dimensions: keeps least squares solvable


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
        known, states = self._known(encodings, wanted)
        difference: Tensor = self.project(known).float() - states
        return difference.square().sum() / max(difference.numel(), 1)

    def _known(self, encodings: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """The encodings whose states are known, (known, d_model), and these, (known, states * dimensions)."""
        batch, total, _ = encodings.shape
        missing = total * self.states - wanted.shape[1]
        padded = functional.pad(wanted, (0, 0, 0, missing), value=torch.nan)
        joined = padded.reshape(batch, total, -1)
        known = ~joined.isnan().any(-1)
        return encodings[known], joined[known]

    @torch.no_grad()
    def solve(self, batches: Iterable[tuple[Tensor, Tensor]]) -> None:
        """Become the best head by least squares over batches of (encodings, wanted).

        For an encoder that is trained already: the gradients of a head that has yet to learn carry it off.
        """
        width = self.project.in_features + 1
        products = torch.zeros(width, width, dtype=torch.float64)
        answers = torch.zeros(width, self.project.out_features, dtype=torch.float64)
        for encodings, wanted in batches:
            known, states = (part.double().cpu() for part in self._known(encodings, wanted))
            known = functional.pad(known, (0, 1), value=1.0)
            products += known.T @ known
            answers += known.T @ states
        if not products.any():
            return
        ridge = RIDGE * products.diagonal().mean() * torch.eye(width, dtype=torch.float64)
        solved = torch.linalg.solve(products + ridge, answers).T
        self.project.weight.copy_(solved[:, :-1])
        self.project.bias.copy_(solved[:, -1])
