"""Exponential moving average of weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor


class WeightAverage:
    """Exponential moving average of a model's weights."""

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        """Start from the model's present weights."""
        self.decay = decay
        self.model = copy.deepcopy(model).requires_grad_(False)

    @torch.no_grad()
    def update(self, model: torch.nn.Module) -> None:
        """Move the average towards the model's present weights."""
        averages: list[Tensor] = list(self.model.parameters())
        torch._foreach_lerp_(averages, [p.detach() for p in model.parameters()], 1 - self.decay)
