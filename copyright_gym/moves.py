"""The moves of markets in NumPy: what a round's start, an offer and a round's end do to the state.

`copyright_gym._kernel` is the same in compiled loops; tests hold both to the same bits. Turns
and arguments are checked before, by `copyright_gym.market`.

`rows` are the markets to move, int64 (k,), or `ALL`; what comes with them is int64 (k,), or an
int that holds for all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from copyright_gym.state import ALL, QUALITY, Bools, Floats, Ints, MarketState, Rows


def begin_round(market: MarketState, rows: Rows, t: Any, shares: Floats) -> None:
    """Set money aside for a round.

    Args:
        market: the markets.
        rows: which to move.
        t: the round.
        shares: float64 (k,), parts of the money left.
    """
    leftover = market.sheet[2, rows]
    budget = shares * leftover
    market.sheet[:2, rows] = market.round_budgets[rows, t] = budget
    market.sheet[2, rows] = leftover - budget
    market.sheet[3, rows] = 0
    if market.histories:
        market.histories.begin_round(rows, t)


def offer(market: MarketState, rows: Rows, stop: Any, actions: Ints) -> Floats:
    """Make the holders who are due an offer each.

    Args:
        market: the markets.
        rows: which to move.
        stop: where they stand.
        actions: int64 (k,), in [0, 11).

    Returns:
        float64 (n,), rewards as in `Market.offer`.
    """
    tables, config = market.tables, market.config
    lot = market.routes.lot[stop]
    t, holder = divmod(lot, market.holders)
    left = market.sheet[0, rows]
    price = tables.prices[lot].take(actions) if rows is ALL else tables.prices[lot, actions]
    np.minimum(price, left, out=price)
    lowest = tables.lowest[t, holder]
    accepts = price >= lowest * market.factors[holder, rows]
    market.lot_offers[lot, rows] = price
    market.lot_bought[lot, rows] = accepts
    _remember(market, rows, lowest, holder, price, accepts)
    price *= accepts
    market.sheet[0, rows] = left - price
    market.sheet[3, rows] += accepts
    reward = np.zeros(market.n)
    buyers = accepts.nonzero()[0]
    if market.histories and len(buyers):
        if not isinstance(rows, slice):
            buyers, t, holder = rows[buyers], t[buyers], holder[buyers]
        quality, known = market.histories.buy(buyers, t, holder), market.sheet[QUALITY]
        reward.put(buyers, quality - known.take(buyers))
        known.put(buyers, quality)
    if config.kappa:
        reward[rows] -= config.kappa * price / market.budget
    if config.copyright_weight:
        reward[rows] -= config.copyright_weight * tables.exposure.take(lot) * accepts
    return reward


def end_round(market: MarketState, rows: Rows) -> Bools:
    """Settle the money of a round whose holders were all visited.

    Args:
        market: the markets.
        rows: which to move.

    Returns:
        bool (k,), whether a market has no money left.
    """
    left, budget, outside, accepted, quality = market.sheet[:, rows]
    leftover = outside + left
    change = quality - market.past[1, rows]
    spent = np.divide(budget - left, budget, where=budget > 0, out=np.zeros(len(left)))
    market.past[:, rows] = leftover, quality, change, spent, accepted
    market.sheet[:2, rows], market.sheet[2, rows] = 0, leftover
    return np.asarray(leftover <= 1e-9 * market.budget)


def _remember(
    market: MarketState, rows: Rows, lowest: Any, holder: Any, price: Floats, accepts: Bools
) -> None:
    """Note what answers tell about holders, relative to the base expectation."""
    seen = market.seen[holder] if rows is ALL else market.seen[holder, :, rows].T
    half = (price / (2 * lowest)).astype(np.float32)
    seen[0] += accepts
    # No half is above 1, so what is not to count can be 0 or 1.
    np.maximum(seen[1], half * ~accepts, out=seen[1])
    np.minimum(seen[2], np.maximum(half, ~accepts), out=seen[2])
    if rows is not ALL:
        market.seen[holder, :, rows] = seen.T
