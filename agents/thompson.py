"""Thompson sampling of posted prices with a knapsack over what is left.

At the start of a round it draws each holder's hidden factor from its posterior, the lognormal
prior cut off at the highest refused and the lowest accepted markup; plans as if the draws were
true; and offers the markup that just pays for the draw.

Source: Thompson sampling under knapsack constraints (Ferreira, Simchi-Levi and Wang 2018,
arXiv:1802.01477), with the surrogate as a known value; our reconstruction.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from copyright_gym.agents.ledger import Bools, Floats, Ints, Ledger, Observation, below, quantile
from copyright_gym.agents.oracle_search import OracleSearch
from copyright_gym.config import MarketConfig
from copyright_gym.heuristics import highest_legal
from copyright_gym.observations import MARKUPS
from copyright_gym.policies import Level


class ThompsonHolder:
    """Plans with drawn costs; it paces itself, so give it all the money.

    Args:
        config: options of the markets.
    """

    level: Level = "holder"
    order: str | None = None
    needs_prices: ClassVar[bool] = True

    def __init__(self, config: MarketConfig) -> None:
        self.config = config
        self._ledger = Ledger(config)
        self._search = OracleSearch(config, random_starts=4)

    def reset(self, n: int, rng: np.random.Generator) -> None:
        """Begin new episodes and keep the generator."""
        self._ledger.reset(n)
        self._rng = rng
        holders = self._search.holders
        self._plan: Bools = np.zeros((n, self._search.rounds * holders), np.bool_)
        self._drawn: Ints = np.zeros((n, holders), np.int64)
        self._planned: Ints = np.full(n, -1)

    def act(self, observation: Observation, mask: Bools) -> Ints:
        """Offer what the drawn factor asks for, if the lot is in the plan."""
        books, search = self._ledger, self._search
        books.read(observation)
        fresh = (self._planned != books.t) & books.due
        if fresh.any():
            self._drawn[fresh] = np.searchsorted(MARKUPS, self._draw()[fresh])
            self._planned[fresh] = books.t[fresh]
        grid = np.append(MARKUPS, np.inf)
        cost = np.tile(grid[self._drawn], (1, search.rounds)) * search.values.base
        bought, offered = books.flat(books.bought), books.open()
        if fresh.any():
            price = np.where(offered, cost, np.inf)[fresh]
            best = search.best_purchases(price, books.money[fresh], bought[fresh])
            self._plan[fresh] = best & ~bought[fresh]
        payable, finite = offered & np.isfinite(cost), np.where(np.isfinite(cost), cost, 1.0)
        plan = search.values.trim(bought, self._plan & payable, finite, books.money)
        self._plan = search.values.fill(bought, payable, finite, books.money, plan)
        wanted = self._drawn[books.rows, books.holder]
        return books.write(
            highest_legal(mask, np.where(self._plan[books.rows, books.lot], wanted, 0))
        )

    def _draw(self) -> Floats:
        """Draw the factors from their posteriors, float64 (n, H)."""
        books, sigma = self._ledger, self.config.sigma
        low, high = below(books.refused, sigma), below(books.accepted, sigma)
        drawn = quantile(low + self._rng.random(low.shape) * (high - low), sigma)
        return np.clip(drawn, books.refused * (1 + 1e-9), books.accepted)
