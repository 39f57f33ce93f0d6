"""The tables of a market as plain Python numbers, for the kernel of a single market."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from copyright_gym.errors import OptionError, listed
from copyright_gym.features import MARKUPS, holder_features
from copyright_gym.routes import plan_columns

if TYPE_CHECKING:
    from copyright_gym.tables import Tables


class Stop(NamedTuple):
    """What is known of a visit: which lot, whose, its prices, and the observation so far.

    Attributes:
        lot: t * H + holder.
        holder: the holder.
        prices: 11 prices.
        limits: 10 limits, and perhaps more behind them.
        lowest: base expectation, infinite for a lot without a price.
        observation: holder observation; features that change are left at 0.
    """

    lot: int
    holder: int
    prices: list[float]
    limits: list[float]
    lowest: float
    observation: NDArray[np.float32]


_NEVER = [np.inf] * len(MARKUPS)

Plan = list[Stop]
"""The H visits of a round."""


@dataclass(frozen=True, eq=False)
class Plain:
    """Numbers of `Tables` as lists by lot, t * H + holder.

    Attributes:
        holders: number of holders H.
        budget: the budget B.
        prices: 11 prices per lot.
        lowest: base expectation per lot, infinite for lots without a price.
        exposure: exposure per lot.
        rounds: number of rounds T.
        per_budget: 1 / B.
        per_holder: 1 / H.
        kappa: the option of this name.
        copyright_weight: the option of this name.
        visible: the option `visible_expectations`.
        round_rows: round observations by finished rounds.
        pauses: holder observations between rounds, by finished rounds.
        plans: plans by visiting order and round, as far as they were asked for.
    """

    holders: int
    budget: float
    prices: list[list[float]]
    lowest: list[float]
    exposure: list[float]
    rounds: int
    per_budget: float
    per_holder: float
    kappa: float
    copyright_weight: float
    visible: bool
    round_rows: list[NDArray[np.float32]]
    pauses: list[NDArray[np.float32]]
    plans: dict[tuple[str, int], Plan] = field(default_factory=dict)


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
    return Plain(
        holders=tables.holders,
        budget=tables.budget,
        prices=tables.prices.tolist(),
        lowest=tables.lowest.ravel().tolist(),
        exposure=tables.exposure.ravel().tolist(),
        rounds=tables.rounds,
        per_budget=1 / tables.budget,
        per_holder=1 / tables.holders,
        kappa=tables.config.kappa,
        copyright_weight=tables.config.copyright_weight,
        visible=tables.config.visible_expectations,
        round_rows=list(tables.round_features),
        pauses=list(pauses),
    )


def named_plan(tables: Tables, order: str, t: int) -> Plan:
    """Return the plan of a round for a visiting order of all markets; it is kept.

    Args:
        tables: the tables.
        order: name of the visiting order.
        t: the round.

    Returns:
        The plan.

    Raises:
        OptionError: the order is unknown.
    """
    if order not in tables.orders:
        known = listed(tables.orders)
        raise OptionError(f"unknown order {order!r} of a policy; known: {known}")
    plan = tables.plain.plans[order, t] = own_plan(tables, tables.orders[order], t)
    return plan


def own_plan(tables: Tables, orders: NDArray[np.int64], t: int) -> Plan:
    """Return the plan of a round for a market's own visiting order.

    Args:
        tables: the tables.
        orders: int64 (T, H), visiting orders.
        t: the round.

    Returns:
        The plan.
    """
    columns, plain = plan_columns(tables.lots, orders, t), tables.plain
    width = len(holder_features(tables.config.visible_expectations))
    rows = _widened(columns[4][:-1], width)
    plan = []
    for lot, row in zip(columns[3][:-1].tolist(), rows, strict=True):
        prices, lowest = plain.prices[lot], plain.lowest[lot]
        # Not a copy: with many holders these lists are most of the memory.
        limits = prices if lowest < np.inf else _NEVER
        plan.append(Stop(lot, lot % plain.holders, prices, limits, lowest, row))
    return plan


def _widened(features: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Return features with columns of 0 up to a width, read-only."""
    wide = np.zeros((*features.shape[:-1], width), np.float32)
    wide[..., : features.shape[-1]] = features
    wide.flags.writeable = False
    return wide
