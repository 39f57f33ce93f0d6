"""Coalitions of holders, and what each holder adds to them: Shapley values and leave-one-out."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def all_coalitions(holders: int) -> NDArray[np.bool_]:
    """Return all 2**H sets of holders; set number n holds i where bit i of n is set.

    Args:
        holders: number of holders H.

    Returns:
        bool (2**H, H).
    """
    return (np.arange(2**holders)[:, None] >> np.arange(holders) & 1).astype(np.bool_)


def shapley_values(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the exact Shapley value of each holder.

    Args:
        values: (2**H,) value of each coalition, numbered as in `all_coalitions`.

    Returns:
        (H,) values that sum to the value of all over that of none.
    """
    holders = len(values).bit_length() - 1
    numbers = np.arange(len(values))
    sizes = np.array([number.bit_count() for number in numbers.tolist()])
    weights = np.array([1 / (holders * math.comb(holders - 1, k)) for k in range(holders)])
    shares = []
    for i in range(holders):
        without = numbers[(numbers >> i & 1) == 0]
        gains = values[without | 1 << i] - values[without]
        shares.append((weights[sizes[without]] * gains).sum())
    return np.array(shares)


def leave_one_out(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (H,) losses of value when one holder leaves the coalition of all."""
    everyone = len(values) - 1
    return np.array([values[-1] - values[everyone ^ 1 << i] for i in range(everyone.bit_length())])
