"""Singer's proportional share mechanism as posted prices.

Winners of a round are the longest prefix, by falling value per cost, in which each holder's cost is
at most its proportional share of the money, B * v_i / sum of the prefix's values. A winner is
offered the threshold payment min(B * v_i / V, v_i * c_(k+1) / v_(k+1)).

Source: Singer 2010, "Budget feasible mechanisms" (FOCS), section 3, for additive values. The
mechanism asks for bids; a posted price market has none, so the base expectations stand for them:
our reconstruction.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from copyright_gym.agents.ledger import Bools, Floats, Ints, Ledger, Observation
from copyright_gym.agents.round_games import shapley_values
from copyright_gym.config import MarketConfig
from copyright_gym.heuristics import highest_legal
from copyright_gym.observations import MARKUPS
from copyright_gym.policies import Level

_SLACK = 1e-6


def proportional_share(value: Floats, cost: Floats, money: Floats) -> Floats:
    """Return the threshold payments of the mechanism.

    Args:
        value: float64 (n, H), at least 0.
        cost: float64 (n, H), above 0.
        money: float64 (n,).

    Returns:
        float64 (n, H), 0 for holders who do not win.
    """
    order = np.argsort(-value / cost, axis=1, kind="stable")
    v, c = (np.take_along_axis(array, order, axis=1) for array in (value, cost))
    total = v.cumsum(axis=1)
    share = np.divide(money[:, None] * v, total, out=np.zeros_like(v), where=total > 0)
    wins: Bools = np.minimum.accumulate((c <= share) & (v > 0), axis=1)
    winners = wins.sum(axis=1)
    rows = np.arange(len(v))
    worth = np.where(wins, v, 0).sum(axis=1)
    padded = np.pad(
        np.divide(c, v, out=np.full_like(c, np.inf), where=v > 0),
        ((0, 0), (0, 1)),
        constant_values=np.inf,
    )
    rate = np.minimum(money / np.maximum(worth, 1e-300), padded[rows, winners])
    payments = np.zeros_like(value)
    np.put_along_axis(payments, order, np.where(wins, v * np.where(wins, rate[:, None], 0), 0), 1)
    return payments


class SingerHolder:
    """Offers the mechanism's payments, with Shapley values in the round's game as values.

    Args:
        config: options of the markets.
    """

    level: Level = "holder"
    order: str | None = None
    needs_prices: ClassVar[bool] = True

    def __init__(self, config: MarketConfig) -> None:
        self.values = np.maximum(shapley_values(config), 0.0)
        self._ledger = Ledger(config)

    def reset(self, n: int, rng: np.random.Generator) -> None:
        """Begin new episodes."""
        self._ledger.reset(n)
        self._payments: Floats = np.zeros((n, self._ledger.tables.holders))

    def act(self, observation: Observation, mask: Bools) -> Ints:
        """Offer the threshold payment, rounded down to a markup."""
        books = self._ledger
        books.read(observation)
        base = books.tables.base[books.t]
        first = np.logical_not(books.passed[books.rows, books.t].any(axis=1))
        fresh = proportional_share(self.values[books.t], base, books.round_left)
        self._payments = np.where(np.asarray(first)[:, None], fresh, self._payments)
        markup = (self._payments / base)[books.rows, books.holder]
        wanted = np.searchsorted(MARKUPS, markup * (1 + _SLACK), side="right") - 1
        return books.write(highest_legal(mask, wanted))
