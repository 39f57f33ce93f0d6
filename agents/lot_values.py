"""What lots are worth by a pack's surrogate, and which of them to buy with a given sum.

A policy that knows the pack may use everything in it but no hidden expectation. With the round of
the last purchase fixed, a `TanhSurrogate` sees a history as a sum over the lots in it; so the
values of all lots after all histories are a few array operations.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from copyright_gym.config import MarketConfig
from copyright_gym.errors import OptionError
from copyright_gym.tables import Tables, make_tables
from copyright_gym.tanh_surrogate import TanhSurrogate

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class LotValues:
    """The surrogate over the M = T * H lots of a market, lot t * H + i.

    Args:
        config: the options of the market.
        last: the round of the last purchase; None for the last round.

    Attributes:
        tables: the market's public numbers.
        base: float64 (M,), base expectations.
        allowed: bool (M,), lots of rounds up to `last`.
        bias: float64 (K,), the hidden layer's input of the empty history.
        effects: float64 (M, K), what each lot adds to it.
        out: float64 (K,), output weights.

    Raises:
        OptionError: the pack's surrogate has another form than "tanh".
    """

    def __init__(self, config: MarketConfig, last: int | None = None) -> None:
        self.tables: Tables = make_tables(config)
        surrogate, shape = self.tables.pack.surrogate, self.tables.base.shape
        if not isinstance(surrogate, TanhSurrogate):
            raise OptionError(
                f"policies that look into the surrogate need one of the form 'tanh'; "
                f"the pack {self.tables.pack.name!r} has a {type(surrogate).__name__}"
            )
        rounds, holders = shape
        last = rounds - 1 if last is None else last
        self.base: Floats = self.tables.base.ravel()
        self.allowed: Bools = np.repeat(np.arange(rounds) <= last, holders)
        counts, recencies = surrogate.weights.reshape(2, -1, surrogate.bias.size)[:, :holders]
        fade = np.where(np.arange(rounds) <= last, surrogate.decay ** (last - np.arange(rounds)), 0)
        weight = (fade / fade.sum())[:, None, None]
        self.effects: Floats = (counts / surrogate.rounds + recencies * weight).reshape(
            rounds * holders, -1
        )
        self.bias: Floats = surrogate.bias
        self.out: Floats = surrogate.out

    def hidden(self, bought: NDArray[np.generic]) -> Floats:
        """Return the hidden layer's input.

        Args:
            bought: bool or float (n, M); parts of lots count as parts of their effects.

        Returns:
            float64 (n, K).
        """
        total: Floats = self.bias + bought.astype(np.float64) @ self.effects
        return total

    def quality(self, hidden: Floats) -> Floats:
        """Return the quality.

        Args:
            hidden: float64 (..., K).

        Returns:
            float64 (...).
        """
        return np.asarray((np.tanh(hidden) - np.tanh(self.bias)) @ self.out)

    def gains(self, bought: Bools) -> Floats:
        """Return what each lot adds to the quality, or for a lot in the history, has added.

        Args:
            bought: bool (n, M).

        Returns:
            float64 (n, M).
        """
        hidden = self.hidden(bought)
        sign = np.where(bought, -1.0, 1.0)
        others = hidden[:, None] + sign[:, :, None] * self.effects
        return sign * (self.quality(others) - self.quality(hidden)[:, None])

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
        everything = offered & self.allowed & ~bought
        chosen = self.trim(bought, everything, cost, money)
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
        chosen, rows = chosen.copy(), np.arange(len(bought))
        while len(rows):
            now = chosen[rows]
            gains = np.where(now, self.gains(bought[rows] | now), np.inf)
            worst = (gains / cost[rows]).argmin(axis=1)
            over = (cost[rows] * now).sum(axis=1) > money[rows]
            drop = over | (gains[np.arange(len(rows)), worst] <= 0)
            rows, worst = rows[drop], worst[drop]
            chosen[rows, worst] = False
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
            fits = offered[rows] & self.allowed & ~now & (cost[rows] <= left[:, None])
            gains = np.where(fits, self.gains(now), -np.inf)
            best = (gains / cost[rows]).argmax(axis=1)
            add = gains[np.arange(len(rows)), best] > 0
            rows, best = rows[add], best[add]
            chosen[rows, best] = True
        return chosen
