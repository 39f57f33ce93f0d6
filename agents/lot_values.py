"""What lots are worth by a pack's surrogate, and which of them to buy with a given sum.

A policy that knows the pack may use everything in it but no hidden expectation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from copyright_gym.config import MarketConfig
from copyright_gym.tables import Tables, make_tables

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_AT_ONCE = 20_000


class LotValues:
    """The surrogate over the M = T * H lots of a market, lot t * H + i.

    Args:
        config: the options of the market.

    Attributes:
        tables: the market's public numbers.
        base: float64 (M,), base expectations.
    """

    def __init__(self, config: MarketConfig) -> None:
        self.tables: Tables = make_tables(config)
        self.base: Floats = self.tables.base.ravel()

    def quality(self, bought: Bools) -> Floats:
        """Return the quality of histories.

        Args:
            bought: bool (n, M).

        Returns:
            float64 (n,).
        """
        histories = bought.reshape(-1, *self.tables.base.shape)
        ask = self.tables.pack.surrogate.quality
        # In parts, which stay in the processor's cache.
        parts = [
            ask(histories[start : start + _AT_ONCE]) for start in range(0, len(histories), _AT_ONCE)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    def gains(self, bought: Bools, of: Bools) -> Floats:
        """Return what lots add to the quality, or if they are in the history, have added.

        Args:
            bought: bool (n, M), the histories.
            of: bool (n, M), the lots to value.

        Returns:
            float64 (n, M), 0 for the other lots.
        """
        rows, lots = np.nonzero(of)
        changed = bought[rows]
        changed[np.arange(len(rows)), lots] ^= True
        sign = np.where(bought[rows, lots], 1.0, -1.0)
        gains = np.zeros(bought.shape)
        gains[rows, lots] = sign * (self.quality(bought)[rows] - self.quality(changed))
        return gains

    def plan(self, bought: Bools, offered: Bools, cost: Floats, money: Floats) -> Bools:
        """Choose lots to buy: all that are offered, less the worst value for money, one by one.

        Falling from everything and not rising from nothing, because the first purchases may
        lower the quality. At the end lots that still fit are added.

        Args:
            bought: bool (n, M), the history.
            offered: bool (n, M), lots that may still be bought.
            cost: float64 (n, M) above 0.
            money: float64 (n,).

        Returns:
            bool (n, M), the lots to buy; their costs sum to at most the money.
        """
        chosen = self.trim(bought, offered & ~bought, cost, money)
        return self.fill(bought, offered, cost, money, chosen)

    def trim(self, bought: Bools, chosen: Bools, cost: Floats, money: Floats) -> Bools:
        """Drop the worst value for money until the rest is paid for and no lot does harm.

        Args:
            bought: as in `plan`.
            chosen: bool (n, M), lots to buy.
            cost: as in `plan`.
            money: as in `plan`.

        Returns:
            bool (n, M).
        """
        chosen = chosen.copy()
        rows = np.flatnonzero(chosen.any(axis=1))
        while len(rows):
            now = chosen[rows]
            gains = np.where(now, self.gains(bought[rows] | now, now), np.inf)
            worst = (gains / cost[rows]).argmin(axis=1)
            over = (cost[rows] * now).sum(axis=1) > money[rows]
            drop = over | (gains[np.arange(len(rows)), worst] <= 0)
            rows, worst = rows[drop], worst[drop]
            chosen[rows, worst] = False
            rows = rows[chosen[rows].any(axis=1)]
        return chosen

    def fill(
        self, bought: Bools, offered: Bools, cost: Floats, money: Floats, chosen: Bools
    ) -> Bools:
        """Add lots to a plan while one fits that improves it, the best value for money first.

        Args:
            bought: as in `plan`.
            offered: as in `plan`.
            cost: as in `plan`.
            money: as in `plan`.
            chosen: bool (n, M), the plan so far.

        Returns:
            bool (n, M).
        """
        chosen = chosen.copy()
        rows = np.arange(len(bought))
        while len(rows):
            now = bought[rows] | chosen[rows]
            left = money[rows] - (cost[rows] * chosen[rows]).sum(axis=1)
            fits = offered[rows] & ~now & (cost[rows] <= left[:, None])
            gains = np.where(fits, self.gains(now, fits), -np.inf)
            best = (gains / cost[rows]).argmax(axis=1)
            add = gains[np.arange(len(rows)), best] > 0
            rows, best = rows[add], best[add]
            chosen[rows, best] = True
        return chosen
