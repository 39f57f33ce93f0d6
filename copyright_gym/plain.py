"""The tables of a market as plain Python numbers, for the kernel of a single market."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from copyright_gym.features import holder_features
from copyright_gym.routes import plan_columns

if TYPE_CHECKING:
    from copyright_gym.tables import Tables


class Plan(NamedTuple):
    """A round in a visiting order: the H lots, and what is known of the observations at each."""

    lots: list[int]
    rows: list[NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Plain:
    """Numbers of `Tables` as lists by lot, t * H + holder.

    Attributes:
        holders: number of holders H.
        budget: the budget B.
        prices: 11 prices per lot.
        limits: 10 limits per lot.
        lowest: base expectation per lot, infinite for lots without a price.
        doubled: twice as much.
        exposure: exposure per lot.
        one_round: 1 / T.
        kappa: the option of this name.
        copyright_weight: the option of this name.
        visible: the option `visible_expectations`.
        round_rows: round observations by finished rounds.
        pauses: holder observations between rounds, by finished rounds.
        plans: plans of the rounds by visiting order.
    """

    holders: int
    budget: float
    prices: list[list[float]]
    limits: list[list[float]]
    lowest: list[float]
    doubled: list[float]
    exposure: list[float]
    one_round: float
    kappa: float
    copyright_weight: float
    visible: bool
    round_rows: list[NDArray[np.float32]]
    pauses: list[NDArray[np.float32]]
    plans: Mapping[str, list[Plan]]


def make_plain(tables: Tables) -> Plain:
    """Turn tables into plain numbers.

    Args:
        tables: the tables.

    Returns:
        The same numbers.
    """
    width = len(holder_features(tables.config.visible_expectations))
    pauses = np.zeros((tables.rounds + 1, width), np.float32)
    round_now = slice(1, tables.rounds + 1)
    pauses[:-1] = _widened(tables.routes.features[round_now], width)
    pauses[-1] = _widened(tables.routes.features[2 * tables.rounds], width)
    lots = range(tables.rounds)
    return Plain(
        holders=tables.holders,
        budget=tables.budget,
        prices=tables.prices.tolist(),
        limits=tables.limits.tolist(),
        lowest=tables.lowest.ravel().tolist(),
        doubled=(2 * tables.lowest).ravel().tolist(),
        exposure=tables.exposure.ravel().tolist(),
        one_round=1 / tables.rounds,
        kappa=tables.config.kappa,
        copyright_weight=tables.config.copyright_weight,
        visible=tables.config.visible_expectations,
        round_rows=list(tables.round_features),
        pauses=list(pauses),
        plans={
            name: [own_plan(tables, orders, t) for t in lots]
            for name, orders in tables.orders.items()
        },
    )


def own_plan(tables: Tables, orders: NDArray[np.int64], t: int) -> Plan:
    """Return the plan of a round for a market's own visiting order.

    Args:
        tables: the tables.
        orders: int64 (T, H), visiting orders.
        t: the round.

    Returns:
        The plan.
    """
    columns = plan_columns(tables.lots, orders)
    width = len(holder_features(tables.config.visible_expectations))
    here = slice(t * (tables.holders + 1), (t + 1) * (tables.holders + 1) - 1)
    return Plan(columns[3][here].tolist(), list(_widened(columns[4][here], width)))


def _widened(features: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Return features with columns of 0 up to a width, read-only."""
    wide = np.zeros((*features.shape[:-1], width), np.float32)
    wide[..., : features.shape[-1]] = features
    wide.flags.writeable = False
    return wide
