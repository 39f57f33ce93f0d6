"""The oracle: knows all expectations, and buys the best it can find at the lowest markups.

An offer is at most what is left of the round's budget. So the lot that is bought last in the last
round may cost less than its lowest price on the grid, and the oracle plans with that. An earlier
round could give such a price too, where a share of the money happens to fit; that is left out.

It needs markets with `visible_expectations`. See `oracle_search` for how it searches, and how far
its purchases are known to be the best.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from copyright_gym.agents.ledger import Bools, Floats, Observation
from copyright_gym.agents.oracle_search import OracleSearch
from copyright_gym.config import MarketConfig
from copyright_gym.errors import OptionError
from copyright_gym.features import MARKUPS, SHARES, VISIBLE_FEATURE, joint_features
from copyright_gym.policies import Level
from copyright_gym.rollout import encode_joint

# Observations are float32; the true factor may lie this much higher.
_SLACK = 1e-6


class OracleJoint:
    """Plans the whole episode at its start, from the expectations.

    Args:
        config: options of the markets.

    Raises:
        OptionError: the expectations are hidden.
    """

    level: Level = "joint"
    order: str | None = None
    needs_prices: ClassVar[bool] = True
    knows_expectations = True

    def __init__(self, config: MarketConfig) -> None:
        if not config.visible_expectations:
            raise OptionError("the oracle needs markets with visible_expectations=True")
        self._search = OracleSearch(config, random_starts=100)
        names = joint_features(self._search.holders, visible=True)
        holders = range(self._search.holders)
        self._factors = [names.index(f"{VISIBLE_FEATURE}:{i}") for i in holders]
        self._leftover, self._round = names.index("leftover"), names.index("round")
        # Random orders are not known to it.
        visits = self._search.values.tables.orders.get(config.order)
        self._last_visits = [] if visits is None else visits[-1].tolist()

    def reset(self, n: int, rng: np.random.Generator) -> None:
        """Forget the plans."""
        self._plan: Bools | None = None

    def act(self, observation: Observation, mask: Bools) -> NDArray[np.float32]:
        """Offer the lowest accepted markups for the planned lots of the round."""
        search, tables = self._search, self._search.values.tables
        factor = 4 * observation[:, self._factors].astype(np.float64)
        markup = np.searchsorted(MARKUPS, factor * (1 + _SLACK))
        price = lowest_prices(factor * (1 + _SLACK), tables.base)
        money = observation[:, self._leftover].astype(np.float64) * tables.budget
        if self._plan is None:
            money_left = money * (1 - _SLACK)
            plan = search.best_purchases(price.reshape(len(price), -1), money_left)
            least = factor[:, None] * (1 + _SLACK) * tables.base
            self._plan = self._with_rest(plan, price, least, money_left)
        t = np.minimum(np.rint(observation[:, self._round] * search.rounds), search.rounds - 1)
        rows, now = np.arange(len(mask)), t.astype(np.int64)
        wanted = self._plan.reshape(-1, search.rounds, search.holders)[rows, now]
        needed = np.where(wanted, price[rows, now], 0.0).sum(axis=1)
        share = np.searchsorted(SHARES, needed / np.maximum(money, 1e-12) * (1 + _SLACK))
        share = np.minimum(share, len(SHARES) - 1)
        return encode_joint(share, np.where(wanted, markup, 0))

    def _with_rest(self, plan: Bools, price: Floats, least: Floats, money: Floats) -> Bools:
        """Improve plans by a lot that is bought last, with what is left, for its expectation.

        Args:
            plan: bool (n, M), plans by the lowest prices on the grid.
            price: float64 (n, T, H), these prices; infinite where even the highest is refused.
            least: float64 (n, T, H), expectations.
            money: float64 (n,).

        Returns:
            bool (n, M), plans at least as good.
        """
        search, found = self._search, [plan]
        for place, holder in enumerate(self._last_visits):
            offered = np.isfinite(price)
            offered[:, -1, self._last_visits[place + 1 :]] = False
            cost = np.where(offered, price, 0.0)
            cost[:, -1, holder] = np.where(offered[:, -1, holder], least[:, -1, holder], 0.0)
            flat, costs = offered.reshape(plan.shape), cost.reshape(plan.shape)
            found.append(search.improve(plan & flat, np.zeros_like(plan), flat, costs, money))
        return np.asarray(search.ranked(found)[0])


def lowest_prices(factor: Floats, base: Floats) -> Floats:
    """Return the lowest price on the grid that each holder accepts for each lot.

    Args:
        factor: float64 (n, H), hidden factors.
        base: float64 (T, H), base expectations.

    Returns:
        float64 (n, T, H); infinite where even the highest markup is refused.
    """
    grid = np.append(MARKUPS[1:], np.inf)
    return grid[np.searchsorted(MARKUPS[1:], factor)][:, None] * base
