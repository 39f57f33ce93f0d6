"""What to buy at best when it is known what every lot costs.

From several plans of `LotValues.plan`, each over some of the rounds, and from the best two lots,
exchanges of lots go on until none helps. Then each lot in turn must show that doing without it is
no better. Tests compare with the best of all histories in markets that are small enough to list
them.

Source: our construction; a knapsack by local search from greedy starts.
"""

from __future__ import annotations

import numpy as np

from copyright_gym.agents.lot_values import Bools, Floats, LotValues
from copyright_gym.config import MarketConfig

_STARTS = 3
_LEAST_GAIN = 1e-12
# Quality that a unit of money is worth: of lots that are as good, the cheaper one leaves more over.
_THRIFT = 1e-10


class OracleSearch:
    """Searches the histories of markets that share their options.

    Args:
        config: options of the markets.

    Attributes:
        values: the surrogate over the lots.
        rounds: number of rounds T.
        holders: number of holders H.
    """

    def __init__(self, config: MarketConfig) -> None:
        self.values = LotValues(config)
        self.rounds, self.holders = self.values.tables.base.shape

    def best_purchases(self, cost: Floats, money: Floats, bought: Bools | None = None) -> Bools:
        """Find the best history that the money pays for, or a very good one.

        Args:
            cost: float64 (n, M), what each lot costs; infinite if it is not for sale.
            money: float64 (n,), for what is not bought yet.
            bought: bool (n, M), what is bought already; None for nothing.

        Returns:
            bool (n, M), the history at its end; holds what is bought already.
        """
        held = np.zeros(cost.shape, np.bool_) if bought is None else bought
        offered = np.isfinite(cost) & ~held
        finite = np.where(offered, cost, 1.0)
        round_of = np.repeat(np.arange(self.rounds), self.holders)
        windows = [round_of >= first for first in range(self.rounds)]
        windows += [round_of <= last for last in range(self.rounds - 1)]
        plans = [held | self.values.plan(held, offered & some, finite, money) for some in windows]
        plans.append(held | self.values.fill(held, offered, finite, money, np.zeros_like(held)))
        plans.append(self._best_pair(held, offered, finite, money))
        price = np.where(offered, cost, 0.0)
        best = held
        for start in self._ranked([held, *plans])[:_STARTS]:
            found = self._improve(start, held, offered, price, money)
            best = self._ranked([best, found])[0]
        for lot in range(cost.shape[1]):
            rows = np.flatnonzero(best[:, lot] & ~held[:, lot])
            others = offered[rows]
            others[:, lot] = False
            without = best[rows] & ~held[rows] & others
            filled = self.values.fill(held[rows], others, finite[rows], money[rows], without)
            found = self._improve(
                held[rows] | filled, held[rows], offered[rows], price[rows], money[rows]
            )
            best[rows] = self._ranked([best[rows], found])[0]
        return best

    def _best_pair(self, held: Bools, offered: Bools, cost: Floats, money: Floats) -> Bools:
        """Add the two lots that are best together: each alone may lower the quality."""
        first, second = np.triu_indices(held.shape[1], 1)
        both = offered[:, first] & offered[:, second]
        row, pair = np.nonzero(both & (cost[:, first] + cost[:, second] <= money[:, None]))
        histories = held[row]
        places = np.arange(len(row))
        histories[places, first[pair]] = histories[places, second[pair]] = True
        quality = np.full(both.shape, -np.inf)
        quality[row, pair] = self.values.quality(histories)
        best, found = quality.argmax(axis=1), np.isfinite(quality).any(axis=1)
        chosen: Bools = held.copy()
        for lots in (first, second):
            chosen[found, lots[best[found]]] = True
        return chosen

    def _ranked(self, histories: list[Bools]) -> Bools:
        """Return the best of some histories for each market, the second best and so on."""
        quality = np.stack([self.values.quality(some) for some in histories])
        order = np.argsort(-quality, axis=0, kind="stable")
        return np.asarray(np.stack(histories)[order, np.arange(quality.shape[1])])

    def _improve(
        self, chosen: Bools, held: Bools, offered: Bools, price: Floats, money: Floats
    ) -> Bools:
        """Exchange a lot for another, add or drop one, as long as it helps."""
        chosen, rows, lots = chosen.copy(), np.arange(len(chosen)), chosen.shape[1]
        # One more column stands for no lot: an exchange with it adds or drops.
        price = np.pad(price, ((0, 0), (0, 1)))
        while len(rows):
            now, none = chosen[rows], np.ones((len(rows), 1), np.bool_)
            leaves = np.concatenate([now & ~held[rows], none], axis=1)
            enters = np.concatenate([~now & offered[rows], none], axis=1)
            left = money[rows] - (price[rows, :-1] * now).sum(axis=1)
            row, out, into = np.nonzero(
                leaves[:, :, None]
                & enters[:, None]
                & (price[rows][:, None] - price[rows][:, :, None] <= left[:, None, None])
            )
            places = np.arange(len(row))
            moved = np.pad(now, ((0, 0), (0, 1)))[row]
            moved[places, out], moved[places, into] = False, True
            gains = np.full((len(rows), lots + 1, lots + 1), -np.inf)
            gains[row, out, into] = (
                self.values.quality(moved[:, :-1])
                - self.values.quality(now)[row]
                + _THRIFT * (price[rows[row], out] - price[rows[row], into])
            )
            move = gains.reshape(len(rows), -1).argmax(axis=1)
            helps = gains.reshape(len(rows), -1).max(axis=1) > _LEAST_GAIN
            rows, (out, into) = rows[helps], divmod(move[helps], lots + 1)
            for column, value in ((out, False), (into, True)):
                real = column < lots
                chosen[rows[real], column[real]] = value
        return chosen
