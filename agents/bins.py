"""Spread some columns of an observation over bins, so that a small network tells values apart.

A holder's index as one number between 0 and 1 is hard to use for a small network, as one of
eight inputs easy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn


class Bins(nn.Module):
    """Appends triangular bins to the input.

    A column in [0, 1] with k bins is appended as k values: 1 at the bin's centre i / (k - 1),
    falling linearly to 0 at the neighbours' centres. They sum to 1.

    Args:
        features: names of the columns.
        bins: number of bins, at least 2, by the name of the column.
    """

    column: torch.Tensor
    centre: torch.Tensor
    slope: torch.Tensor

    def __init__(self, features: Sequence[str], bins: Mapping[str, int]) -> None:
        super().__init__()
        # By column and not by the order of `bins`, which a JSON file does not keep.
        counts = sorted((features.index(name), count) for name, count in bins.items())
        parts = [(c, i / (count - 1), count - 1.0) for c, count in counts for i in range(count)]
        columns, centres, slopes = zip(*parts, strict=True) if parts else ((), (), ())
        self.width = len(features) + len(parts)
        self.register_buffer("column", torch.tensor(columns, dtype=torch.int64), persistent=False)
        self.register_buffer("centre", torch.tensor(centres), persistent=False)
        self.register_buffer("slope", torch.tensor(slopes), persistent=False)

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        """Append the bins.

        Args:
            observation: float32 (n, d).

        Returns:
            float32 (n, width).
        """
        distance = observation.index_select(1, self.column).sub_(self.centre).abs_()
        inside = distance.mul_(-self.slope).add_(1.0).relu_()
        return torch.cat([observation, inside], dim=1)
