"""The market kernel: how n markets side by side move from offer to offer.

An episode is: `reset`; then for each round `begin_round`, `offer` once per holder, and
`end_round`. All markets follow the same rules, but each may be at its own point of its
episode: every method takes a mask `where` of the markets it should move. A market's
randomness depends on its own generator only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.error import InvalidAction, ResetNeeded
from numpy.typing import ArrayLike, NDArray

from copyright_gym import observations
from copyright_gym.config import MarketConfig
from copyright_gym.observations import MARKUPS
from copyright_gym.state import Bools, Floats, Ints, MarketState, Stage

__all__ = ["Market", "MarketConfig"]


class Market(MarketState):
    """n markets side by side; the state's attributes are for reading."""

    def reset(self, generators: Sequence[np.random.Generator], where: Bools | None = None) -> None:
        """Start new episodes.

        Args:
            generators: one generator per market; those outside `where` are left alone.
            where: bool (n,), markets to reset; None for all.

        Raises:
            ValueError: there is not one generator per market.
        """
        if len(generators) != self.n:
            raise ValueError(f"{self.n} markets need as many generators, not {len(generators)}")
        rows = self._rows(where)
        rounds, holders = self.tables.base.shape
        for row in rows:
            normals = generators[row].standard_normal(holders)
            self.factor[row] = np.exp(self.config.sigma * normals)
            if self.config.order == "random":
                still = np.tile(np.arange(holders), (rounds, 1))
                self._orders[row] = generators[row].permuted(still, axis=1)
        if self.config.order != "random":
            self._orders[rows] = self.tables.orders[self.config.order]
        self._stage[rows] = Stage.BETWEEN
        self.leftover[rows] = self.budget
        zeroed: tuple[NDArray[Any], ...] = (
            *(self.round_index, self.position, self.accepted, self.order, self.rest),
            *(self.round_budgets, self.round_budget, self.round_left),
            *(self.quality, self._quality_before),
            *(self.last_change, self.last_spent, self.last_acceptance),
            *(self.offers, self.payments, self.bought, self.highest_refused),
        )
        for array in zeroed:
            array[rows] = 0
        self.lowest_accepted[rows] = 2.0

    def begin_round(
        self, share: ArrayLike, order: Ints | None = None, where: Bools | None = None
    ) -> None:
        """Set money aside for a round.

        Args:
            share: float (n,) in [0, 1], the part of the money left.
            order: int64 (n, H), visiting order of the holders; None for `config.order`.
            where: bool (n,), markets to move; None for all.

        Raises:
            InvalidAction: a share or an order is impossible; the state is unchanged.
            ResetNeeded: a market is not reset, or its episode is over.
            RuntimeError: a market's last round is still open.
        """
        rows = self._rows(where)
        self._require(rows, self._stage[rows] == Stage.BETWEEN, "begin_round")
        shares = np.asarray(share)
        if shares.shape != (self.n,) or shares.dtype.kind != "f":
            raise InvalidAction(f"shares must be floats of shape ({self.n},), not {share!r}")
        shares = shares[rows].astype(np.float64)
        if not ((shares >= 0) & (shares <= 1)).all():
            raise InvalidAction(f"shares must lie in [0, 1], not {shares}")
        t = self.round_index[rows]
        if order is None:
            orders = self._orders[rows, t]
        else:
            orders = np.asarray(order)[rows]
            if not np.array_equal(np.sort(orders), np.sort(self._orders[rows, t])):
                raise InvalidAction(f"each order must name every holder once, not {orders}")
        self._stage[rows] = Stage.OFFERING
        self.order[rows] = orders
        lots = self.tables.lots[t[:, None], orders, :3]
        # A running sum adds in the same order for every n, so results have the same bits.
        self.rest[rows, :-1] = np.cumsum(lots[:, :0:-1], axis=1)[:, ::-1]
        self.position[rows] = 0
        self.accepted[rows] = 0
        budget = shares * self.leftover[rows]
        self.round_budgets[rows, t] = self.round_budget[rows] = self.round_left[rows] = budget

    def offer(self, action: ArrayLike, where: Bools | None = None) -> Floats:
        """Make the holders who are due an offer each.

        The price is `MARKUPS[action]` times the lot's base expectation, at most what is left
        of the round's budget. A holder accepts a price above 0 that reaches the expectation,
        and is then paid.

        Args:
            action: integer (n,) in [0, 11); 0 is no offer.
            where: bool (n,), markets to move; None for all.

        Returns:
            float64 (n,), rewards: the change of quality, minus kappa * payment / B, minus
            copyright_weight * exposure of a lot bought. 0 where nothing moved.

        Raises:
            InvalidAction: an action is impossible; the state is unchanged.
            ResetNeeded: a market is not reset, or its episode is over.
            RuntimeError: a market has no open round, or no holder left in it.
        """
        rows = self._rows(where)
        self._require(rows, self.due[rows], "offer")
        actions = np.asarray(action)
        if actions.shape != (self.n,) or actions.dtype.kind not in "iu":
            raise InvalidAction(f"actions must be integers of shape ({self.n},), not {action!r}")
        actions = actions[rows]
        if not ((actions >= 0) & (actions < len(MARKUPS))).all():
            raise InvalidAction(f"actions must lie in [0, {len(MARKUPS) - 1}], not {actions}")
        t, holder = self.round_index[rows], self.due_holder(rows)
        base = self.tables.base[t, holder]
        price = np.minimum(MARKUPS[actions] * base, self.round_left[rows])
        accepts = (price >= base * self.factor[rows, holder]) & (price > 0)
        paid = np.where(accepts, price, 0.0)
        self.offers[rows, t, holder] = price
        self.payments[rows, t, holder] = paid
        self.bought[rows, t, holder] = accepts
        self.round_left[rows] -= paid
        self.leftover[rows] -= paid
        self.accepted[rows] += accepts
        self.position[rows] += 1
        self._remember(rows, holder, np.divide(price, base, where=base > 0, out=price * 0), accepts)
        reward = np.zeros(self.n)
        if self.quality_model.marginal:
            reward[rows] = self._update_quality(rows[accepts])[rows]
        reward[rows] -= self.config.kappa * paid / self.budget
        reward[rows] -= self.config.copyright_weight * accepts * self.tables.exposure[t, holder]
        return reward

    def end_round(self, where: Bools | None = None) -> Floats:
        """Close a round whose holders were all visited; unspent money stays with the company.

        Args:
            where: bool (n,), markets to move; None for all.

        Returns:
            float64 (n,), rewards: the change of quality of a model that is asked once a round
            only, else 0.

        Raises:
            ResetNeeded: a market is not reset, or its episode is over.
            RuntimeError: a market has no open round, or holders left in it.
        """
        rows = self._rows(where)
        closable = (self._stage == Stage.OFFERING) & ~self.due
        self._require(rows, closable[rows], "end_round")
        reward = np.zeros(self.n)
        if not self.quality_model.marginal:
            reward = self._update_quality(rows[self.accepted[rows] > 0])
        budget = self.round_budget[rows]
        spent = budget - self.round_left[rows]
        self.last_spent[rows] = np.divide(spent, budget, where=budget > 0, out=budget * 0)
        self.last_acceptance[rows] = self.accepted[rows] / self.tables.holders
        self.last_change[rows] = self.quality[rows] - self._quality_before[rows]
        self._quality_before[rows] = self.quality[rows]
        self.round_budget[rows] = self.round_left[rows] = 0.0
        self.round_index[rows] += 1
        over = (self.round_index == self.tables.rounds) | (self.leftover <= 1e-9 * self.budget)
        self._stage[rows] = np.where(over[rows], Stage.DONE, Stage.BETWEEN)
        return reward

    def round_observation(self) -> NDArray[np.float32]:
        """Observe at the round level; see `observations.observe_round`."""
        return observations.observe_round(self)

    def holder_observation(self) -> NDArray[np.float32]:
        """Observe at the holder level; see `observations.observe_holder`."""
        return observations.observe_holder(self)

    def joint_observation(self) -> NDArray[np.float32]:
        """Observe at the joint level; see `observations.observe_joint`."""
        return observations.observe_joint(self)

    def round_mask(self) -> Bools:
        """Return the legal actions of the round level; see `observations.mask_rounds`."""
        return observations.mask_rounds(self)

    def holder_mask(self) -> Bools:
        """Return the legal actions of the holder level; see `observations.mask_offers`."""
        return observations.mask_offers(self)

    def _rows(self, where: Bools | None) -> Ints:
        return np.arange(self.n) if where is None else np.flatnonzero(where)

    def _require(self, rows: Ints, ready: Bools, method: str) -> None:
        """Raise unless all of the markets `rows` are ready for a method."""
        if ready.all():
            return
        row = int(rows[np.argmin(ready)])
        stage = Stage(self._stage[row])
        text = f"cannot call {method}: market {row} is {stage.text}"
        if stage in (Stage.NEW, Stage.DONE):
            raise ResetNeeded(f"{text}; call reset first")
        raise RuntimeError(f"{text}, {self.position[row]} of {self.tables.holders} holders visited")

    def _remember(self, rows: Ints, holder: Ints, ratio: Floats, accepts: Bools) -> None:
        """Note what the answers to offers, relative to the base, tell about the holders."""
        refused = np.where(accepts, 0.0, ratio)
        taken = np.where(accepts, ratio, 2.0)
        self.highest_refused[rows, holder] = np.maximum(self.highest_refused[rows, holder], refused)
        self.lowest_accepted[rows, holder] = np.minimum(self.lowest_accepted[rows, holder], taken)

    def _update_quality(self, rows: Ints) -> Floats:
        """Evaluate the quality of the markets `rows`; return its change, float64 (n,)."""
        change = np.zeros(self.n)
        if rows.size:
            quality = self.quality_model.quality(self.bought[rows])
            change[rows] = quality - self.quality[rows]
            self.quality[rows] = quality
        return change
