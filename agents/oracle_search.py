"""What to buy at best when it is known what every lot costs.

Two answers, kept apart: `best_purchases` finds a very good history, `quality_bound` proves that
no history is better. Both look at purchase counts: how many lots of each holder, (T + 1)^H
vectors. For given counts nobody pays less than for each holder's cheapest lots, and the surrogate
cannot exceed what interval arithmetic gives over all times of purchase. Where times do not matter
(decay 1, a purchase in the last round) both answers meet, and the history is proven to be best.

Source: our construction; a knapsack by full enumeration with an interval bound.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from copyright_gym.agents.lot_values import Bools, Floats, LotValues
from copyright_gym.config import MarketConfig

LARGEST = 20_000_000
"""Most count vectors that are listed; with more of them there is no bound."""

_CANDIDATES = 8
_FIRST_CHUNK = 4096
# Sums of the same prices in another order may differ by this.
_SLACK = 1e-9
_LEAST_GAIN = 1e-12


@dataclass(frozen=True, eq=False)
class _Counts:
    """All count vectors for purchases up to one round, the most promising first.

    The holders are cut into two halves, and a vector is a pair of half vectors: its cost is then
    the sum of two looked-up numbers.

    Attributes:
        last: the round of the last purchase.
        limit: float64 (V,), falling upper bounds of the quality.
        pairs: int32 (2, V), the half vectors of each.
        digits: per half, int64 (holders of the half, W): its half vectors' counts.
    """

    last: int
    limit: Floats
    pairs: NDArray[np.int32]
    digits: tuple[NDArray[np.int64], NDArray[np.int64]]


class OracleSearch:
    """Searches the histories of markets that share their options.

    Args:
        config: options of the markets.

    Attributes:
        values: the surrogate over the lots.
        listed: whether the count vectors are few enough to be listed.

    Raises:
        OptionError: the pack's surrogate has another form than "tanh".
    """

    def __init__(self, config: MarketConfig) -> None:
        self.values = LotValues(config)
        self.rounds, self.holders = self.values.tables.base.shape
        self.listed = (self.rounds + 1) ** self.holders <= LARGEST
        self._counts = _list_all(config) if self.listed else []

    def __deepcopy__(self, memo: dict[int, object]) -> OracleSearch:
        # Copies of a policy share the lists, which never change.
        return self

    def quality_bound(self, cost: Floats, money: Floats) -> Floats:
        """Bound the quality of all histories that the money pays for.

        Args:
            cost: float64 (n, M), the least that each lot costs; infinite if it is not for sale.
            money: float64 (n,).

        Returns:
            float64 (n,), upper bounds; NaN if the count vectors are too many to be listed.
        """
        if not self.listed:
            return np.full(len(cost), np.nan)
        bounds = np.zeros(len(cost))  # of buying nothing
        held = np.zeros(self.holders, np.int64)
        for row, (prices, limit) in enumerate(zip(cost, money, strict=True)):
            for counts in self._counts:
                best = next(self._affordable(counts, prices, limit, held, bounds[row]), None)
                if best is not None:
                    bounds[row] = counts.limit[best]
        return bounds

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
        price = np.where(offered, cost, 0.0)
        start = held | self.values.plan(held, offered, np.where(offered, cost, 1.0), money)
        best = self._improve(self._best(np.stack([held, start])), held, offered, price, money)
        quality = self._quality(best)
        prices = np.where(held, 0.0, cost)
        number = held.reshape(-1, self.rounds, self.holders).sum(axis=1)
        for row in range(len(cost)):
            for counts in self._counts:
                found = self._affordable(
                    counts, prices[row], money[row], number[row], quality[row] + _LEAST_GAIN
                )
                some = [
                    self._cheapest(counts, prices[row], vector)
                    for vector in itertools.islice(found, _CANDIDATES)
                ]
                if some:
                    values = self._quality(np.stack(some))
                    place = int(values.argmax())
                    if values[place] > quality[row]:
                        best[row], quality[row] = some[place], values[place]
        return self._improve(best, held, offered, price, money)

    def _affordable(
        self, counts: _Counts, prices: Floats, money: float, held: NDArray[np.int64], least: float
    ) -> Iterator[int]:
        """Yield affordable vectors above a quality that hold at least `held` lots a holder."""
        sums = _sums(prices.reshape(self.rounds, self.holders)[: counts.last + 1])
        sums[np.arange(len(sums))[:, None] < held] = np.inf
        cut = self.holders // 2
        left, right = (
            sums[digits, np.arange(first, first + len(digits))[:, None]].sum(axis=0)
            for first, digits in zip((0, cut), counts.digits, strict=True)
        )
        end = int(np.searchsorted(-counts.limit, -least))
        start, size = 0, _FIRST_CHUNK
        while start < end:
            a, b = counts.pairs[:, start : min(start + size, end)]
            hits = np.flatnonzero(left[a] + right[b] <= money * (1 + _SLACK))
            yield from (start + hits).tolist()
            start, size = start + size, 4 * size

    def _cheapest(self, counts: _Counts, prices: Floats, vector: int) -> Bools:
        """Return the cheapest lots for a count vector, bool (M,)."""
        halves = zip(counts.digits, counts.pairs[:, vector], strict=True)
        wanted = np.concatenate([digits[:, half] for digits, half in halves])
        offers = prices.reshape(self.rounds, self.holders)[: counts.last + 1]
        chosen = np.zeros((self.rounds, self.holders), np.bool_)
        chosen[: counts.last + 1] = offers.argsort(axis=0, kind="stable").argsort(axis=0) < wanted
        return chosen.ravel()

    def _quality(self, histories: Bools) -> Floats:
        shape = (-1, self.rounds, self.holders)
        return np.asarray(self.values.tables.pack.surrogate.quality(histories.reshape(shape)))

    def _best(self, histories: Bools) -> Bools:
        """Return the best of some histories for each market; bool (s, n, M) to (n, M)."""
        quality = np.stack([self._quality(some) for some in histories])
        return np.asarray(histories[quality.argmax(axis=0), np.arange(histories.shape[1])])

    def _improve(
        self, chosen: Bools, held: Bools, offered: Bools, price: Floats, money: Floats
    ) -> Bools:
        """Exchange a lot for another, add or drop one, as long as it helps."""
        best, chosen, rows = chosen, chosen.copy(), np.arange(len(chosen))
        values, lots = self.values, chosen.shape[1]
        # One more column stands for no lot: an exchange with it adds or drops.
        effects = np.concatenate([values.effects, np.zeros((1, values.bias.size))])
        price = np.pad(price, ((0, 0), (0, 1)))
        while len(rows):
            now, none = chosen[rows], np.ones((len(rows), 1), np.bool_)
            leaves = np.concatenate([now & ~held[rows], none], axis=1)
            enters = np.concatenate([~now & offered[rows] & values.allowed, none], axis=1)
            left = money[rows] - (price[rows, :-1] * now).sum(axis=1)
            hidden = values.hidden(now)
            gains = np.full((len(rows), lots + 1, lots + 1), -np.inf)
            row, out, into = np.nonzero(
                leaves[:, :, None]
                & enters[:, None]
                & (price[rows][:, None] - price[rows][:, :, None] <= left[:, None, None])
            )
            moved = values.quality(hidden[row] - effects[out] + effects[into])
            # The effects hold for histories that end in the last round; the others are asked.
            last = np.append(np.arange(lots) >= lots - self.holders, False)
            early = now[:, last[:-1]].sum(axis=1)[row] - last[out] + last[into] == 0
            if early.any():
                histories = np.pad(now, ((0, 0), (0, 1)))[row[early]]
                places = np.arange(len(histories))
                histories[places, out[early]] = False
                histories[places, into[early]] = True
                moved[early] = self._quality(histories[:, :-1])
            gains[row, out, into] = moved - self._quality(now)[row]
            move = gains.reshape(len(rows), -1).argmax(axis=1)
            helps = gains.reshape(len(rows), -1).max(axis=1) > _LEAST_GAIN
            rows, (out, into) = rows[helps], divmod(move[helps], lots + 1)
            for column, value in ((out, False), (into, True)):
                real = column < lots
                chosen[rows[real], column[real]] = value
        return self._best(np.stack([best, chosen]))


@functools.lru_cache(maxsize=4)
def _list_all(config: MarketConfig) -> list[_Counts]:
    """List the count vectors by the round of the last purchase, the last round first."""
    rounds = LotValues(config).tables.rounds
    return [_list_counts(LotValues(config, last), last) for last in reversed(range(rounds))]


def _list_counts(values: LotValues, last: int) -> _Counts:
    rounds, holders = values.tables.base.shape
    effects = values.effects.reshape(rounds, holders, -1)[: last + 1]
    # The lowest and the highest effects of k lots of a holder over the times of purchase.
    lowest, highest = (_sums(part) for part in (effects, -effects))
    cut = holders // 2
    digits = tuple(
        np.array(list(itertools.product(range(last + 2), repeat=size)), np.int64).T.reshape(
            size, -1
        )
        for size in (cut, holders - cut)
    )
    parts = [
        [
            table[digits[half], np.arange(first, first + len(digits[half]))[:, None]].sum(axis=0)
            for half, first in ((0, 0), (1, cut))
        ]
        for table in (lowest, -highest)
    ]
    limit = np.zeros((digits[0].shape[1], digits[1].shape[1]))
    for k, (bias, out) in enumerate(zip(values.bias, values.out, strict=True)):
        left, right = parts[int(out > 0)]
        limit += out * (np.tanh(bias + left[:, None, k] + right[None, :, k]) - np.tanh(bias))
    order = np.argsort(-limit, axis=None, kind="stable")
    pairs = np.stack(np.unravel_index(order, limit.shape)).astype(np.int32)
    return _Counts(last, limit.ravel()[order], pairs, (digits[0], digits[1]))


def _sums(values: Floats) -> Floats:
    """Return sums of the k lowest values along the first axis, for k = 0 to its length."""
    ordered = np.sort(values, axis=0)
    return np.concatenate([np.zeros_like(ordered[:1]), ordered.cumsum(axis=0)])
