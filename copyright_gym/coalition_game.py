"""Coalitions of holders, and what each holder adds to them: Shapley values and leave-one-out."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from copyright_gym.quality import Surrogate

_EXACT_HOLDERS = 12
_PERMUTATIONS = 500


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


def shapley_of_game(
    worth: Callable[[NDArray[np.bool_]], NDArray[np.float64]], holders: int
) -> NDArray[np.float64]:
    """Return the Shapley value of each holder of a game that can be asked.

    Exact over all 2^H coalitions for up to 12 holders. Beyond that the mean over 500 random
    orders of the holders (Castro et al. 2009), always the same ones.

    Args:
        worth: what coalitions, bool (n, H), are worth, float64 (n,).
        holders: number of holders H.

    Returns:
        (H,) values that sum to the value of all over that of none.
    """
    if holders <= _EXACT_HOLDERS:
        return shapley_values(worth(all_coalitions(holders)))
    rng = np.random.default_rng(0)
    values = np.zeros(holders)
    for _ in range(_PERMUTATIONS):
        order = rng.permutation(holders)
        coalitions = np.zeros((holders + 1, holders), np.bool_)
        coalitions[1:, order] = np.tri(holders, dtype=np.bool_)
        values[order] += np.diff(worth(coalitions)) / _PERMUTATIONS
    return values


def round_shapley_values(surrogate: Surrogate) -> NDArray[np.float64]:
    """Return the Shapley value of every lot in its round's game.

    A coalition is worth the quality of a model that was fine-tuned on its lots of this round and
    on nothing else. Our reconstruction.

    Args:
        surrogate: the quality model to ask.

    Returns:
        float64 (T, H); each row sums to what all lots of the round together are worth.
    """
    rounds, holders = surrogate.shape
    games = (functools.partial(_round_worth, surrogate, t) for t in range(rounds))
    return np.array([shapley_of_game(game, holders) for game in games])


def _round_worth(
    surrogate: Surrogate, t: int, coalitions: NDArray[np.bool_]
) -> NDArray[np.float64]:
    bought = np.zeros((len(coalitions), *surrogate.shape), np.bool_)
    bought[:, t] = coalitions
    return surrogate.quality(bought)


def leave_one_out(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (H,) losses of value when one holder leaves the coalition of all."""
    everyone = len(values) - 1
    return np.array([values[-1] - values[everyone ^ 1 << i] for i in range(everyone.bit_length())])
