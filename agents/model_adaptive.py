"""Model-based adaptive pricing: knows the surrogate, learns the hidden factors, paces by value.

At the start of a round it plans the rest of the episode with the costs it expects. The plan gives
money a price: quality per unit at the plan's edge. Each lot is then worth its marginal quality at
that price, and the offer is the best one for a holder who will be asked again (`PriceTable`).

Source: bandits with knapsacks by primal-dual planning (Badanidiyuru et al. 2013, arXiv:1305.2545),
with the surrogate as a known value; our construction.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from copyright_gym.agents.ledger import Bools, Floats, Ints, Ledger, Observation, acceptance
from copyright_gym.agents.oracle_search import OracleSearch
from copyright_gym.agents.price_table import PriceTable
from copyright_gym.config import MarketConfig
from copyright_gym.heuristics import highest_legal
from copyright_gym.observations import MARKUPS
from copyright_gym.policies import Level


class ModelAdaptiveHolder:
    """Plans, prices and learns; it paces itself, so give it all the money.

    Args:
        config: options of the markets.
        chance: it plans with the lowest markup that is accepted at least this probably.
        margin: a planned lot is worth at least its planned cost over this, any other lot at
            most its planned cost times this.
    """

    level: Level = "holder"
    order: str | None = None
    needs_prices: ClassVar[bool] = True

    def __init__(self, config: MarketConfig, chance: float = 0.75, margin: float = 0.95) -> None:
        self.config, self.chance, self.margin = config, chance, margin
        self._ledger = Ledger(config)
        self._search = OracleSearch(config, random_starts=4)
        self._values = self._search.values
        self._prices = PriceTable(config.sigma, self._search.rounds)

    def reset(self, n: int, rng: np.random.Generator) -> None:
        """Begin new episodes."""
        self._ledger.reset(n)
        self._plan: Bools = np.zeros((n, self._values.base.size), np.bool_)
        self._planned: Ints = np.full(n, -1)

    def act(self, observation: Observation, mask: Bools) -> Ints:
        """Offer the best price for the lot's value, given the plan for all others."""
        books, values = self._ledger, self._values
        books.read(observation)
        markup = np.tile(self._markups(), (1, self._search.rounds))
        bought, still_open = books.flat(books.bought), books.open() & (markup > 0)
        cost = np.where(markup > 0, markup, 1.0) * values.base
        fresh = (self._planned != books.t) & books.due
        if fresh.any():
            price = np.where(still_open, cost, np.inf)[fresh]
            history = self._search.best_purchases(price, books.money[fresh], bought[fresh])
            self._plan[fresh] = history & ~bought[fresh]
            self._planned[fresh] = books.t[fresh]
        self._plan = values.fill(
            bought, still_open, cost, books.money, self._trimmed(bought, still_open, cost)
        )
        rows, lot, holder = books.rows, books.lot, books.holder
        total = bought | self._plan
        gains = values.gains(total, self._plan | still_open)
        money_price = self._money_price(gains, still_open, cost, self._plan[rows, lot])
        worth = gains[rows, lot] / (money_price * values.base[lot])
        planned = self._plan.reshape(len(rows), self._search.rounds, -1)
        ahead = planned[rows, :, holder].sum(axis=1) + ~self._plan[rows, lot]
        actions = self._prices.choose(
            worth, ahead, books.refused[rows, holder], books.accepted[rows, holder]
        )
        return books.write(highest_legal(mask, np.where(gains[rows, lot] > 0, actions, 0)))

    def _markups(self) -> Floats:
        """Return the lowest markup that each holder accepts probably enough, float64 (n, H).

        0 if none is.
        """
        books = self._ledger
        chances = acceptance(
            books.refused[..., None], books.accepted[..., None], MARKUPS[1:], self.config.sigma
        )
        enough = chances >= self.chance
        return np.where(enough.any(axis=2), MARKUPS[1 + enough.argmax(axis=2)], 0.0)

    def _trimmed(self, bought: Bools, still_open: Bools, cost: Floats) -> Bools:
        """Return the plan without what is gone and what the money does not pay for any more."""
        plan = self._plan & still_open
        return self._values.trim(bought, plan, cost, self._ledger.money)

    def _money_price(
        self, gains: Floats, still_open: Bools, cost: Floats, planned: Bools
    ) -> Floats:
        """Return the quality per unit of money at the edge of the plan, float64 (n,).

        Lots do not divide, so the best lot outside may give more per unit than the worst one
        inside. A planned lot must still be worth its planned cost, and another one must not.
        """
        ratio = gains / cost
        inside = np.where(self._plan, ratio, np.inf).min(axis=1)
        outside = np.where(still_open & ~self._plan, ratio, 0.0).max(axis=1)
        edge = np.where(np.isfinite(inside), (inside + outside) / 2, outside)
        low, high = np.minimum(edge, self.margin * inside), np.maximum(edge, outside / self.margin)
        return np.asarray(np.maximum(np.where(planned, low, high), 1e-9))
