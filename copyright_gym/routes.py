"""Routes: the stops that a market passes in an episode, and what is known of them beforehand.

A market stands at one stop at a time. Besides the stops before, between and after the rounds
there is one per holder in each round of each visiting order, and one where all were visited.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from copyright_gym.features import HOLDER_FEATURES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Columns = tuple[NDArray[Any], ...]

FIRST_KNOWN = HOLDER_FEATURES.index("round")
"""Features of the holder level from here on are known from the stop alone."""


class Stage(enum.IntEnum):
    """Where a market stands within its episode."""

    NEW = 0
    BETWEEN = 1
    OFFERING = 2
    VISITED = 3
    DONE = 4

    @property
    def text(self) -> str:
        """The stage in words, for error messages."""
        texts = ("not reset", "between rounds", "in a round", "in a round")
        return (*texts, "at the end of the episode")[self]


def out_of_turn(method: str, market: str, stage: Stage, visited: str) -> Exception:
    """Return what to raise when a market is moved out of turn.

    Args:
        method: what was called.
        market: the market in words.
        stage: where it stands.
        visited: how many holders were visited in the open round, in words.

    Returns:
        A `ResetNeeded` outside of episodes, else a `RuntimeError`.
    """
    text = f"cannot call {method}: {market} is {stage.text}"
    if stage in (Stage.NEW, Stage.DONE):
        return ResetNeeded(f"{text}; call reset first")
    return RuntimeError(f"{text}, {visited} holders visited")


@dataclass(frozen=True, eq=False)
class Routes:
    """All stops, as columns.

    Attributes:
        stage: int8 (S,), a `Stage`.
        round_index: int64 (S,), number of finished rounds.
        position: int64 (S,), number of holders visited in the open round.
        lot: int64 (S,), t * H + holder of the lot in question; -1 if no holder is due.
        features: float32 (S, 19), holder observations; those that change are left at 0.
        starts: the first stops of the rounds by visiting order, int64 (T,) each.
    """

    stage: NDArray[np.int8]
    round_index: Ints
    position: Ints
    lot: Ints
    features: NDArray[np.float32]
    starts: Mapping[str, Ints]

    @property
    def rounds(self) -> int:
        """Number of rounds T."""
        return len(self.starts["index"])

    def extended(self, lots: Floats, count: int) -> tuple[Routes, Ints]:
        """Append stops for markets whose visiting orders are their own.

        Args:
            lots: float64 (T + 1, H, 4), as in `Tables`.
            count: number of markets n.

        Returns:
            Routes whose further stops are to be set by `set_orders`, and the first stops of
            each market's rounds, int64 (n, T).
        """
        holders = lots.shape[1]
        starts = len(self.stage) + (holders + 1) * np.arange(count * self.rounds)
        index = np.tile(np.arange(holders), (self.rounds, 1))
        plan = plan_columns(lots, index)
        columns = [
            np.concatenate([own, np.tile(more, (count, *(1,) * (more.ndim - 1)))])
            for own, more in zip(self._columns(), plan, strict=True)
        ]
        return _routes(columns, self.starts), starts.reshape(count, self.rounds)

    def set_orders(self, lots: Floats, starts: Ints, orders: Ints) -> None:
        """Set visiting orders of stops that `extended` appended.

        Args:
            lots: float64 (T + 1, H, 4), as in `Tables`.
            starts: int64 (T,), the first stops of a market's rounds.
            orders: int64 (T, H), visiting orders.
        """
        first, size = int(starts[0]), orders.size + len(orders)
        for own, more in zip(self._columns(), plan_columns(lots, orders), strict=True):
            own[first : first + size] = more

    def _columns(self) -> Columns:
        return self.stage, self.round_index, self.position, self.lot, self.features


def make_routes(lots: Floats, orders: Mapping[str, Ints]) -> Routes:
    """Lay out the stops for all named visiting orders.

    Args:
        lots: float64 (T + 1, H, 4), as in `Tables`.
        orders: visiting orders by name, int64 (T, H) each.

    Returns:
        The routes; arrays are read-only.
    """
    rounds, holders = len(lots) - 1, lots.shape[1]
    stage = np.repeat([Stage.NEW, Stage.BETWEEN, Stage.DONE], (1, rounds, rounds)).astype(np.int8)
    round_index = np.array([0, *range(rounds), *range(1, rounds + 1)])
    features = np.zeros((len(stage), len(HOLDER_FEATURES)), np.float32)
    features[:, FIRST_KNOWN] = round_index / rounds
    apart = stage, round_index, np.zeros_like(round_index), np.full_like(round_index, -1), features
    columns = [
        np.concatenate(parts)
        for parts in zip(
            apart, *(plan_columns(lots, order) for order in orders.values()), strict=True
        )
    ]
    for column in columns:
        column.flags.writeable = False
    first = len(stage) + (holders + 1) * np.arange(rounds * len(orders)).reshape(-1, rounds)
    return _routes(columns, dict(zip(orders, first, strict=True)))


def _routes(columns: Iterable[NDArray[Any]], starts: Mapping[str, Ints]) -> Routes:
    stage, round_index, position, lot, features = columns
    return Routes(stage, round_index, position, lot, features, starts)


def between(finished: Any) -> Any:
    """Return the stops between rounds.

    Args:
        finished: number of finished rounds, below T; an integer or an array of them.

    Returns:
        The stop, or an array of stops.
    """
    return 1 + finished


def after(rounds: int, finished: Any) -> Any:
    """Return the stops at the end of an episode.

    Args:
        rounds: number of rounds T.
        finished: number of finished rounds, at least 1; an integer or an array of them.

    Returns:
        The stop, or an array of stops.
    """
    return rounds + finished


def plan_columns(lots: Floats, orders: Ints, only: int | None = None) -> Columns:
    """Return the columns of `Routes` for the stops of rounds.

    Args:
        lots: float64 (T + 1, H, 4), as in `Tables`.
        orders: int64 (T, H), visiting orders.
        only: the only round to lay out; None for all.

    Returns:
        The columns, H + 1 stops for each round.
    """
    rounds, holders = orders.shape
    t = np.arange(rounds)
    if only is not None:
        t, orders = t[only : only + 1], orders[only : only + 1]
    shape = len(t), holders + 1
    visited = lots[t[:, None], orders]
    # The sum runs from the end, so that nothing is left after the last holder.
    rest = np.zeros((len(t), holders, 3))
    rest[:, :-1] = np.cumsum(visited[:, :0:-1, :3], axis=1)[:, ::-1]
    position = np.arange(holders)
    rest[:, :, :2] /= np.maximum(holders - 1 - position, 1)[:, None]
    stage = np.full(shape, Stage.OFFERING, np.int8)
    stage[:, -1] = Stage.VISITED
    lot = np.full(shape, -1)
    lot[:, :-1] = t[:, None] * holders + orders
    features = np.zeros((*shape, len(HOLDER_FEATURES)))
    features[:, :, FIRST_KNOWN] = (t / rounds)[:, None]
    known = features[:, :-1, FIRST_KNOWN + 1 :]
    known[:, :, 0] = position / holders
    known[:, :, 1] = 1.0 / (holders - position)
    known[:, :, 2] = orders / max(holders - 1, 1)
    known[:, :, 3:7] = visited
    known[:, :, 7:10] = rest
    return (
        stage.ravel(),
        np.repeat(t, holders + 1),
        np.tile(np.arange(holders + 1), len(t)),
        lot.ravel(),
        np.minimum(features, 1.0).astype(np.float32).reshape(-1, len(HOLDER_FEATURES)),
    )
