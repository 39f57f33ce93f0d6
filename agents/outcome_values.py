"""The network that tells the values of an accepted and of a refused offer apart."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn

_CHANCE_HIDDEN = 32


class OutcomeValues(nn.Module):
    """Q-values of offers, from the chance of their acceptance and the value after each answer.

    Action 0, no offer, counts as refused whatever its chance.

    Args:
        inputs: number of inputs.
        hidden: widths of the hidden layers of the value network.
        actions: number of actions k.
    """

    def __init__(self, inputs: int, hidden: Sequence[int], actions: int) -> None:
        super().__init__()
        self.values = perceptron(inputs, hidden, 2 * actions)
        self.chance = perceptron(inputs, (_CHANCE_HIDDEN,), actions)

    def parts(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute what the Q-values are made of.

        Args:
            inputs: float32 (n, d).

        Returns:
            float32 (n, k), logits of the chance of acceptance; float32 (n, 2 * k), the values if
            refused, then if accepted.
        """
        return self.chance(inputs), self.values(inputs)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Compute Q-values.

        Args:
            inputs: float32 (n, d).

        Returns:
            float32 (n, k).
        """
        logits, values = self.parts(inputs)
        chance = torch.sigmoid(logits)
        chance[:, 0] = 0
        refused, accepted = values.chunk(2, dim=1)
        return torch.lerp(refused, accepted, chance)


def perceptron(inputs: int, hidden: Sequence[int], outputs: int) -> nn.Sequential:
    """Build a multi-layer perceptron with ReLU, laid out as SB3 does.

    Args:
        inputs: number of inputs.
        hidden: widths of the hidden layers.
        outputs: number of outputs.

    Returns:
        The network.
    """
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise([inputs, *hidden]):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(hidden[-1] if hidden else inputs, outputs))
