"""A policy's own books: what it learned from the answers to its offers.

A holder level policy sees one holder at a time. The ledger notes what it has seen and done, so
that it knows its purchases and the limits of every holder's hidden factor at each offer.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from copyright_gym.config import MarketConfig
from copyright_gym.observations import HOLDER_FEATURES, MARKUPS
from copyright_gym.tables import Tables, make_tables

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Observation = NDArray[np.float32]

ROUND = HOLDER_FEATURES.index("round")
HOLDER = HOLDER_FEATURES.index("holder")
_DUE = HOLDER_FEATURES.index("even_share")
_MONEY = [HOLDER_FEATURES.index("round_left"), HOLDER_FEATURES.index("outside")]
_ROUND_LEFT = HOLDER_FEATURES.index("round_left")

# A payment shows in float32 observations of the money if it is above this part of the budget.
_VISIBLE = 1e-6


class Ledger:
    """The books of n markets.

    Args:
        config: options of the markets.

    Attributes:
        tables: the market's public numbers.
        rows: int64 (n,), 0 to n - 1.
        due: bool (n,), markets with a holder who is due.
        t: int64 (n,), the round.
        holder: int64 (n,), the holder who is due.
        money: float64 (n,), money left in all.
        round_left: float64 (n,), money left in the round.
        bought: bool (n, T, H), lots bought.
        passed: bool (n, T, H), lots that were offered something or nothing and are gone; lots
            without a price, which are never sold, are gone from the start.
        refused: float64 (n, H), highest refused markup, 0 if none.
        accepted: float64 (n, H), lowest accepted markup, infinite if none.
    """

    def __init__(self, config: MarketConfig) -> None:
        self.tables: Tables = make_tables(config)

    def reset(self, n: int) -> None:
        """Open the books for new episodes.

        Args:
            n: number of markets.
        """
        shape = n, self.tables.rounds, self.tables.holders
        self.rows: Ints = np.arange(n)
        self.bought: Bools = np.zeros(shape, np.bool_)
        self.passed: Bools = np.tile(self.tables.base <= 0, (n, 1, 1))
        self.refused: Floats = np.zeros((n, shape[2]))
        self.accepted: Floats = np.full((n, shape[2]), np.inf)
        self.money: Floats = np.full(n, self.tables.budget)
        self._price: Floats = np.zeros(n)
        self._offered: tuple[Ints, Ints] | None = None

    def read(self, observation: Observation) -> None:
        """Note the answer to the last offer and who is due now.

        Args:
            observation: float32 (n, 19), of the holder level.
        """
        budget, last = self.tables.budget, self.tables.holders - 1
        seen = observation.astype(np.float64)
        money = seen[:, _MONEY].sum(axis=1) * budget
        if self._offered is not None:
            self._settle(*self._offered, paid=self.money - money > 0.5 * self._price)
        self.money = money
        self.round_left = seen[:, _ROUND_LEFT] * budget
        self.due = seen[:, _DUE] > 0
        self.t = np.rint(seen[:, ROUND] * self.tables.rounds).astype(np.int64)
        self.t = np.minimum(self.t, self.tables.rounds - 1)
        self.holder = np.rint(seen[:, HOLDER] * last).astype(np.int64)

    @property
    def lot(self) -> Ints:
        """The lot in question, t * H + holder, int64 (n,)."""
        return self.t * self.tables.holders + self.holder

    def flat(self, values: Bools) -> Bools:
        """Return an array (n, T, H) as (n, T * H)."""
        return values.reshape(len(values), -1)

    def open(self) -> Bools:
        """Return the lots that can still be bought, bool (n, T * H)."""
        rounds = np.arange(self.tables.rounds)
        gone = self.passed | (rounds < self.t[:, None])[:, :, None]
        return self.flat(~gone)

    def write(self, actions: Ints) -> Ints:
        """Note the offers that are made now.

        Args:
            actions: int64 (n,), of the holder level.

        Returns:
            The actions.
        """
        base = self.tables.base[self.t, self.holder]
        self._price = np.minimum(MARKUPS[actions] * base, self.round_left) * self.due
        self._offered = self.t, self.holder
        rows = self.rows[self.due]
        self.passed[rows, self.t[rows], self.holder[rows]] = True
        return actions

    def _settle(self, t: Ints, holder: Ints, paid: Bools) -> None:
        base = self.tables.base[t, holder]
        made = self._price > _VISIBLE * self.tables.budget
        markup = np.divide(self._price, base, out=np.zeros_like(base), where=made)
        self.bought[self.rows, t, holder] |= made & paid
        lowest = np.where(made & paid, markup, np.inf)
        highest = np.where(made & ~paid, markup, 0.0)
        at = self.rows, holder
        self.accepted[at] = np.minimum(self.accepted[at], lowest)
        self.refused[at] = np.maximum(self.refused[at], highest)


def acceptance(refused: Floats, accepted: Floats, markups: Floats, sigma: float) -> Floats:
    """Return how probably a holder accepts, given all earlier answers.

    The hidden factor is exp(sigma * z) with a standard normal z; it lies above the highest
    refused and not above the lowest accepted markup.

    Args:
        refused: float64 (...), highest refused markups, 0 if none.
        accepted: float64 (...), lowest accepted markups, infinite if none.
        markups: float64 (...), above 0; broadcast against the others.
        sigma: spread of the hidden factor.

    Returns:
        float64 (...), in [0, 1].
    """
    low, high = below(refused, sigma), below(accepted, sigma)
    part = below(np.clip(markups, refused, accepted), sigma) - low
    mass = high - low
    known = np.where(markups >= accepted, 1.0, 0.0)
    return np.where(mass > 1e-12, part / np.maximum(mass, 1e-12), known)


def below(markups: Floats, sigma: float) -> Floats:
    """Return how probably a hidden factor is at most a markup, before any answer.

    Args:
        markups: float64 (...), at least 0 or infinite.
        sigma: spread of the hidden factor; at 0 it is always 1.

    Returns:
        float64 (...), in [0, 1].
    """
    if sigma == 0:
        return np.where(np.asarray(markups) >= 1, 1.0, 0.0)
    with np.errstate(divide="ignore"):
        z = np.log(markups) / sigma
    return np.asarray(np.interp(np.clip(z, _GRID[0], _GRID[-1]), _GRID, _NORMAL))


def quantile(chance: Floats, sigma: float) -> Floats:
    """Return the markup that a hidden factor is below with a given probability.

    Args:
        chance: float64 (...), in [0, 1].
        sigma: spread of the hidden factor.

    Returns:
        float64 (...).
    """
    return np.asarray(np.exp(sigma * np.interp(chance, _NORMAL, _GRID)))


_GRID = np.linspace(-9, 9, 3601)
_NORMAL = np.array([0.5 * math.erfc(-z / math.sqrt(2)) for z in _GRID])
