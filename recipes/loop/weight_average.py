"""Exponential average of trained weights, each process of the part it holds."""

import torch
from torch import Tensor, nn

from recipes.loop.processes import own_part


class WeightAverage:
    """Exponential average of the trained parameters; young averages forget faster."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values: dict[str, Tensor] = {
            name: own_part(parameter.detach()).clone()
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
        }

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the parameters after optimizer step `step`."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, parameter in model.named_parameters():
            if name in self.values:
                self.values[name].lerp_(own_part(parameter.detach()), 1 - decay)

    @torch.no_grad()
    def swap(self, model: nn.Module) -> None:
        """Exchange averaged and current values; a second call puts them back."""
        for name, parameter in model.named_parameters():
            if name in self.values:
                held = own_part(parameter.detach())
                current = held.clone()
                held.copy_(self.values[name])
                self.values[name] = current
