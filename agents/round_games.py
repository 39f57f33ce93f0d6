"""The game of each round: what is a coalition of holders worth that sells its lots in it?

The worth of a coalition is the quality of a model that was fine-tuned on its lots of this round and
on nothing else, by the pack's surrogate.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from copyright_gym import coalition_game
from copyright_gym.config import MarketConfig
from copyright_gym.tables import make_tables

Floats = NDArray[np.float64]


def worth(config: MarketConfig, t: int, coalitions: NDArray[np.bool_]) -> Floats:
    """Return what coalitions are worth in a round; lots without a price are never sold.

    Args:
        config: options of the market.
        t: the round.
        coalitions: bool (n, H).

    Returns:
        float64 (n,).
    """
    tables = make_tables(config)
    bought = np.zeros((len(coalitions), tables.rounds, tables.holders), np.bool_)
    bought[:, t] = coalitions & (tables.base[t] > 0)
    return tables.pack.surrogate.quality(bought)


@functools.lru_cache(maxsize=16)
def shapley_values(config: MarketConfig) -> Floats:
    """Return the Shapley value of every lot in its round's game.

    Exact over all 2^H coalitions for up to 12 holders. Beyond that the mean over 500 random
    orders of the holders (Castro et al. 2009), the same orders for all rounds.

    Args:
        config: options of the market.

    Returns:
        float64 (T, H), read-only; each row sums to what all holders together are worth.
    """
    rounds, holders = make_tables(config).base.shape
    games = (functools.partial(worth, config, t) for t in range(rounds))
    values = np.stack([coalition_game.shapley_of_game(game, holders) for game in games])
    values.flags.writeable = False
    return values


@functools.lru_cache(maxsize=16)
def leave_one_out(config: MarketConfig) -> Floats:
    """Return what every lot's round is worth less without the lot.

    Args:
        config: options of the market.

    Returns:
        float64 (T, H), read-only.
    """
    rounds, holders = make_tables(config).base.shape
    coalitions = np.concatenate([np.ones((1, holders)), 1 - np.eye(holders)]).astype(np.bool_)
    games = np.stack([worth(config, t, coalitions) for t in range(rounds)])
    values = games[:, :1] - games[:, 1:]
    values.flags.writeable = False
    return values
