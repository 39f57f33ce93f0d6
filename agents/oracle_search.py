"""What to buy at best when it is known what every lot costs.

From several plans of `LotValues.plan`, each over some of the rounds, from the best two lots, and
from plans of lots in random orders: turns of one lot or two, in or out, go on until none helps, and
the best end counts. This does not prove that no history is better: there are 2^40. Tests compare
with the best of all histories in markets that are small enough to list them.

Source: our construction; a knapsack by local search from many starts.
"""

from __future__ import annotations

import numpy as np

from copyright_gym.agents.lot_values import Bools, Floats, LotValues
from copyright_gym.config import MarketConfig

# Greedy plans to start from, and turns that are tried before all others.
_GREEDY, _LIKELY = 3, 40
_LEAST_GAIN = 1e-12
# Quality that a unit of money is worth: of lots that are as good, the cheaper one leaves more over.
_THRIFT = 1e-10


class OracleSearch:
    """Searches the histories of markets that share their options.

    Args:
        config: options of the markets.
        random_starts: number of plans in random orders to start from, too; many find better
            histories.

    Attributes:
        values: the surrogate over the lots.
        rounds: number of rounds T.
        holders: number of holders H.
    """

    def __init__(self, config: MarketConfig, random_starts: int) -> None:
        self.random_starts = random_starts
        self.values = LotValues(config)
        self.rounds, self.holders = self.values.tables.base.shape
        # Pairs of lots to turn; a lot with itself stands for this lot alone.
        self._turns = np.triu_indices(self.rounds * self.holders)

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
        starts = [
            *self.ranked([held, *plans])[:_GREEDY],
            *self._drawn(held, offered, price, money),
        ]
        for start in starts:
            found = self.improve(start, held, offered, price, money)
            best = self.ranked([best, found])[0]
        return best

    def _drawn(self, held: Bools, offered: Bools, price: Floats, money: Floats) -> list[Bools]:
        """Return plans of lots in random orders, as many as the money pays for."""
        rng = np.random.default_rng(0)
        plans = []
        for _ in range(self.random_starts):
            chosen, left = held.copy(), money.copy()
            for lot in rng.permutation(held.shape[1]):
                add = offered[:, lot] & (price[:, lot] <= left)
                chosen[:, lot] |= add
                left -= price[:, lot] * add
            plans.append(chosen)
        return plans

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

    def ranked(self, histories: list[Bools]) -> Bools:
        """Return the best of some histories for each market, the second best and so on."""
        quality = np.stack([self.values.quality(some) for some in histories])
        order = np.argsort(-quality, axis=0, kind="stable")
        return np.asarray(np.stack(histories)[order, np.arange(quality.shape[1])])

    def improve(
        self, chosen: Bools, held: Bools, offered: Bools, price: Floats, money: Floats
    ) -> Bools:
        """Turn one lot or two, in or out, as long as it helps; what is not offered has price 0."""
        chosen, rows = chosen.copy(), np.arange(len(chosen))
        first, second = self._turns
        likely = min(_LIKELY, len(first))
        while len(rows):
            now = chosen[rows]
            free = np.where(now, ~held[rows], offered[rows])
            cost = np.where(now, -price[rows], price[rows])
            costs = cost[:, first] + np.where(first == second, 0.0, cost[:, second])
            left = money[rows] - (price[rows] * now).sum(axis=1)
            allowed = free[:, first] & free[:, second] & (costs <= left[:, None])
            # Two lots together are worth about what they are worth apart: the likely turns first.
            apart = self._gains(now, first == second)[:, first == second]
            guess = apart[:, first] + np.where(first == second, 0.0, apart[:, second])
            guess = np.where(allowed, guess, -np.inf)
            edge = np.partition(guess, -likely, axis=1)[:, [-likely]]
            gains = self._gains(now, allowed & (guess >= edge)) - _THRIFT * costs
            stuck = gains.max(axis=1) <= _LEAST_GAIN
            gains[stuck] = self._gains(now[stuck], allowed[stuck]) - _THRIFT * costs[stuck]
            move, helps = gains.argmax(axis=1), gains.max(axis=1) > _LEAST_GAIN
            rows, move = rows[helps], move[helps]
            chosen[rows, first[move]] ^= True
            chosen[rows, second[move]] ^= first[move] != second[move]
        return chosen

    def _gains(self, now: Bools, asked: Bools) -> Floats:
        """Return what turns add to the quality; -inf where it is not asked for."""
        first, second = self._turns
        gains = np.full((len(now), len(first)), -np.inf)
        row, turn = np.nonzero(np.broadcast_to(asked, gains.shape))
        turned, places = now[row], np.arange(len(row))
        turned[places, first[turn]] ^= True
        turned[places, second[turn]] ^= first[turn] != second[turn]
        gains[row, turn] = self.values.quality(turned) - self.values.quality(now)[row]
        return gains
