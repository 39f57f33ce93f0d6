"""The market kernel: how n markets side by side move from offer to offer.

An episode is: `reset`; then for each round `begin_round`, `offer` once per holder, and
`end_round`. All markets follow the same rules, but each may be at its own point of its
episode: every method takes a mask `where` of the markets it should move. A market's
randomness depends on its own generator only.

Markets that stand at the same stop are moved together: their stop, round and lot are then
plain integers and their rows a slice, which index the same arrays without gathering. Here turns
and arguments are checked; what a move does to the state is in `copyright_gym.moves`, and in a
compiled kernel that takes its place where there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.error import InvalidAction
from numpy.typing import ArrayLike, NDArray

from copyright_gym import moves, observations
from copyright_gym.config import MarketConfig
from copyright_gym.errors import OptionError, listed
from copyright_gym.features import MARKUPS
from copyright_gym.routes import Stage, after, between, out_of_turn
from copyright_gym.state import ALL, QUALITY, Bools, Floats, Ints, MarketState, Rows, read

__all__ = ["Market", "MarketConfig"]

# Numbers: members of an enum take longer to compare with.
_BETWEEN, _OFFERING, _VISITED = map(int, (Stage.BETWEEN, Stage.OFFERING, Stage.VISITED))


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
        rows = self._everyone if where is None else np.flatnonzero(where)
        normals = np.empty((len(rows), self.normals))
        still = np.broadcast_to(self.tables.orders["index"], self.tables.base.shape)
        for normal, row in zip(normals, rows.tolist(), strict=True):
            generators[row].standard_normal(out=normal)
            if self.config.order == "random":
                orders = generators[row].permuted(still, axis=1)
                self.routes.set_orders(self.tables.lots, self._own_starts[row], orders)
        self.restart(normals, rows)

    def restart(self, normals: Floats, rows: Ints) -> None:
        """Start new episodes with given normals; random visiting orders stay as they are.

        Args:
            normals: float64 (k, `self.normals`), the z of the hidden factors exp(sigma * z) and
                of the rounds' noise.
            rows: int64 (k,), indices of the markets.
        """
        at: Rows = ALL if len(rows) == self.n else rows
        z = np.ascontiguousarray(normals[:, : self.holders].T)
        self.factors[:, at] = np.exp(self.config.sigma * z)
        self.shocks[:, at] = normals[:, self.holders :].T
        for array in (self.lot_offers, self.lot_bought, self.sheet, self.past, self.seen):
            array[..., at] = 0
        self.round_budgets[at] = 0
        self.sheet[2, at] = self.past[0, at] = self.budget
        self.seen[:, 2, at] = 1
        if self.histories:
            self.histories.clear(at)
        start = between(0)
        self._stand(at, start if at is ALL else np.full(len(rows), start))

    def begin_round(
        self, share: ArrayLike, order: str | None = None, where: Bools | None = None
    ) -> None:
        """Set money aside for a round.

        Args:
            share: float (n,) in [0, 1], the part of the money left.
            order: visiting order of the holders, "index" or "value"; None for `config.order`.
            where: bool (n,), markets to move; None for all.

        Raises:
            InvalidAction: a share is impossible; the state is unchanged.
            OptionError: the order is unknown; the state is unchanged.
            ResetNeeded: a market is not reset, or its episode is over.
            RuntimeError: a market's last round is still open.
        """
        if self._common is None and (self._stops == self._stops[0]).all():
            self._common = int(self._stops[0])
        rows, stop = self.at(where)
        self._require(rows, stop, _BETWEEN, "begin_round")
        shares = np.asarray(share)
        if shares.shape != (self.n,) or shares.dtype.kind != "f":
            raise InvalidAction(f"shares must be floats of shape ({self.n},), not {share!r}")
        shares = shares[rows].astype(np.float64)
        if len(shares) and not 0 <= _least(shares) <= _most(shares) <= 1:
            raise InvalidAction(f"shares must lie in [0, 1], not {shares}")
        t = read(self.routes.round_index, stop)
        self._stand(rows, self._first_stops(order, rows, t))
        if self.kernel:
            self.kernel.begin_round(rows, t, shares)
        else:
            moves.begin_round(self, rows, t, shares)

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
        rows, stop = self.at(where)
        self._require(rows, stop, _OFFERING, "offer")
        actions = np.asarray(action)
        if actions.shape != (self.n,) or actions.dtype.kind not in "iu":
            raise InvalidAction(f"actions must be integers of shape ({self.n},), not {action!r}")
        actions = np.ascontiguousarray(actions[rows], np.int64)
        # Without a sign, what is below 0 is above all else.
        if len(actions) and _most(actions.view(np.uint64)) >= len(MARKUPS):
            raise InvalidAction(f"actions must lie in [0, {len(MARKUPS) - 1}], not {actions}")
        self._stand(rows, stop + 1)
        if self.kernel:
            return self.kernel.offer(rows, stop, actions)
        return moves.offer(self, rows, stop, actions)

    def end_round(self, where: Bools | None = None) -> Floats:
        """Close a round whose holders were all visited; unspent money stays with the company.

        Args:
            where: bool (n,), markets to move; None for all.

        Returns:
            float64 (n,), rewards: the change of quality by what was not known before the end of
            the round, its noise and the answer of a model that is asked once a round only.

        Raises:
            ResetNeeded: a market is not reset, or its episode is over.
            RuntimeError: a market has no open round, or holders left in it.
        """
        rows, stop = self.at(where)
        self._require(rows, stop, _VISITED, "end_round")
        t = read(self.routes.round_index, stop)
        reward = np.zeros(self.n)
        if not self.histories or self.config.noise:
            reward[rows] = self.measure(rows, t)
        over = self.kernel.end_round(rows) if self.kernel else moves.end_round(self, rows)
        finished = t + 1
        if rows is ALL and (finished == self.tables.rounds or not over.any()):
            last = finished == self.tables.rounds
            self._stand(rows, after(finished, finished) if last else between(finished))
        else:
            over |= finished == self.tables.rounds
            stops = np.where(over, after(self.tables.rounds, finished), between(finished))
            self._stand(rows, stops)
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

    def _first_stops(self, order: str | None, rows: Rows, t: Any) -> Any:
        """Return the first stops of rounds t in a visiting order."""
        if order is None and self.config.order == "random":
            return self._own_starts[rows, t]
        name = order or self.config.order
        if name not in self.routes.starts:
            known = listed(self.routes.starts)
            raise OptionError(f"unknown order {name!r} of a policy; known: {known}")
        return read(self.routes.starts[name], t)

    def _require(self, rows: Rows, stop: Any, stage: int, method: str) -> None:
        """Raise unless all of the markets `rows` are at a stage, as a method needs."""
        if rows is ALL and self.routes.stage.item(stop) == stage:
            return
        ready = np.atleast_1d(self.routes.stage[stop] == stage)
        if ready.all():
            return
        row = int(self._everyone[rows][ready.argmin()])
        at = stop if rows is ALL else stop[ready.argmin()]
        visited = f"{self.routes.position[at]} of {self.tables.holders}"
        raise out_of_turn(method, f"market {row}", Stage(self.routes.stage[at]), visited)

    def measure(self, rows: Rows, t: Any) -> Floats:
        """Find out at the end of a round what was not known of the quality before.

        Args:
            rows: markets whose holders were all visited, int64 (k,) or a slice.
            t: the round, an int or int64 (k,).

        Returns:
            float64 (k,), the changes of quality.
        """
        quality, bought = self.sheet[QUALITY], self.sheet[3, rows] > 0
        before = quality[rows].copy()
        buyers = self._everyone[rows][bought]
        if len(buyers) and not self.histories:
            quality[buyers] = self.quality_model.quality(self.bought[buyers])
        if self._noise is not None:
            t = t if isinstance(t, int) else t[bought]
            spread = self._noise[self.lot_bought[:, buyers].sum(axis=0)]
            measured = quality[buyers] + spread * self.shocks[t, buyers]
            quality[buyers] = np.minimum(measured, 1)
        return np.asarray(quality[rows] - before)


def _least(values: NDArray[Any]) -> Any:
    # For few values the minimum itself takes five times as long.
    return values[values.argmin()]


def _most(values: NDArray[Any]) -> Any:
    return values[values.argmax()]
