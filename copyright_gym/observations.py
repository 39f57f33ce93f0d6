"""What policies see: features and action masks, computed from a market's state.

Every feature lies in [0, 1], but for quality and its change, which lie in [-1, 1]. Money is
relative to the budget B. None of them depends on a hidden expectation that no answer of the
holder has revealed, unless the option `visible_expectations` is on.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from copyright_gym.state import MarketState

SHARES = np.arange(11) / 10
"""Part of the leftover budget that each action of the round level sets aside."""

MARKUPS = np.append(0.0, 0.5 * 4.0 ** (np.arange(10) / 9))
"""Price over base expectation of each action of the holder level; 0 is no offer."""

SHARES.flags.writeable = MARKUPS.flags.writeable = False

ROUND_FEATURES = (
    "leftover",  # money left / B
    "round",  # t / T
    "quality",  # quality so far
    "quality_change",  # change of quality in the last round
    "spent",  # spent / set aside in the last round, 0 if nothing
    "acceptance",  # accepted / H in the last round
    "mean_contribution",  # mean c of this round's lots / largest c
    "mean_loss",  # mean l of this round's lots
    "round_cost",  # sum of this round's base expectations / B
    "even_share",  # 1 / rounds left
)
"""Features of the round level, in the order of the observation."""

HOLDER_FEATURES = (
    "round_left",  # money left in the round / B
    "round_budget",  # money set aside for the round / B
    "outside",  # money left outside the round / B
    "round",  # t / T
    "position",  # position in the visiting order / H
    "even_share",  # 1 / holders left in the round
    "acceptance",  # accepted / H so far in the round
    "quality",  # quality so far
    "holder",  # holder index / (H - 1)
    "bought",  # lots bought from this holder so far / T
    "contribution",  # c / largest c
    "loss",  # l
    "cost",  # base expectation / B
    "base",  # base expectation / largest base expectation
    "rest_contribution",  # mean c of the lots still to come in the round / largest c
    "rest_loss",  # mean l of the lots still to come
    "rest_cost",  # sum of their base expectations / B
    "refused",  # highest refused offer of this holder / base expectation / 2, 0 if none
    "accepted",  # lowest accepted offer of this holder / base expectation / 2, 1 if none
)
"""Features of the holder level, in the order of the observation."""

LOT_FEATURES = ("contribution", "loss", "base", "bought", "refused", "accepted")
"""Features per holder of the joint level; they follow the round's, holder by holder."""

VISIBLE_FEATURE = "expectation"
"""Expectation / base expectation / 4: a last feature per holder when visible."""

_SIGNED = ("quality", "quality_change")


@functools.lru_cache(maxsize=64)
def bounds(features: tuple[str, ...]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the bounds of an observation.

    Args:
        features: the names of its features.

    Returns:
        Lowest and highest values, read-only float32 (len(features),) each.
    """
    low = np.array([-1.0 if name in _SIGNED else 0.0 for name in features], np.float32)
    high = np.ones(len(features), np.float32)
    low.flags.writeable = high.flags.writeable = False
    return low, high


def holder_features(visible: bool) -> tuple[str, ...]:
    """Return the feature names of a holder observation.

    Args:
        visible: whether expectations are visible.

    Returns:
        `HOLDER_FEATURES`, with `VISIBLE_FEATURE` if visible.
    """
    return (*HOLDER_FEATURES, VISIBLE_FEATURE) if visible else HOLDER_FEATURES


@functools.lru_cache(maxsize=64)
def joint_features(holders: int, visible: bool) -> tuple[str, ...]:
    """Return the feature names of a joint observation.

    Args:
        holders: number of holders H.
        visible: whether expectations are visible.

    Returns:
        `ROUND_FEATURES`, then for every holder i its lot's features as "name:i".
    """
    lot = (*LOT_FEATURES, VISIBLE_FEATURE) if visible else LOT_FEATURES
    return (*ROUND_FEATURES, *(f"{name}:{i}" for i in range(holders) for name in lot))


def observe_round(market: MarketState) -> NDArray[np.float32]:
    """Observe all markets at the round level.

    Args:
        market: the markets.

    Returns:
        float32 (n, 10), columns as in `ROUND_FEATURES`. Features of lots are 0 after the
        last round.
    """
    tables = market.tables
    columns = (
        market.leftover / tables.budget,
        market.round_index / tables.rounds,
        market.quality,
        market.last_change,
        market.last_spent,
        market.last_acceptance,
        *tables.rounds_lots[market.round_index].T,
        1.0 / np.maximum(tables.rounds - market.round_index, 1),
    )
    return _finish(np.stack(columns, axis=1), ROUND_FEATURES)


def observe_holder(market: MarketState) -> NDArray[np.float32]:
    """Observe all markets at the holder level.

    Args:
        market: the markets.

    Returns:
        float32 (n, 19), columns as in `HOLDER_FEATURES`; (n, 20) with visible expectations.
        Features of the holder are 0 where no holder is due.
    """
    tables, rows, holders = market.tables, np.arange(market.n), market.tables.holders
    due = market.due
    position = np.where(due, market.position, 0)
    holder = market.order[rows, position]
    rest = market.rest[rows, position]
    still = np.maximum(holders - 1 - position, 1)
    columns = (
        market.round_left / tables.budget,
        market.round_budget / tables.budget,
        (market.leftover - market.round_left) / tables.budget,
        market.round_index / tables.rounds,
        market.position / holders,
        1.0 / np.maximum(holders - market.position, 1),
        market.accepted / holders,
        market.quality,
    )
    lot = [
        holder / max(holders - 1, 1),
        market.bought[rows, :, holder].sum(axis=1) / tables.rounds,
        *tables.lots[market.round_index, holder].T,
        rest[:, 0] / still,
        rest[:, 1] / still,
        rest[:, 2],
        market.highest_refused[rows, holder] / 2,
        market.lowest_accepted[rows, holder] / 2,
    ]
    visible = market.config.visible_expectations
    if visible:
        lot.append(market.factor[rows, holder] / 4)
    values = np.stack((*columns, *(due * column for column in lot)), axis=1)
    return _finish(values, holder_features(visible))


def observe_joint(market: MarketState) -> NDArray[np.float32]:
    """Observe all markets at the joint level.

    Args:
        market: the markets.

    Returns:
        float32 (n, 10 + 6 * H), columns as in `joint_features`; one more per holder with
        visible expectations. Contribution, loss and base are 0 after the last round.
    """
    contribution, loss, _, base = np.moveaxis(market.tables.lots[market.round_index], 2, 0)
    bought = market.bought.sum(axis=1) / market.tables.rounds
    columns = [contribution, loss, base, bought]
    columns += [market.highest_refused / 2, market.lowest_accepted / 2]
    visible = market.config.visible_expectations
    if visible:
        columns.append(market.factor / 4)
    lots = np.stack(columns, axis=2).reshape(market.n, -1)
    values = np.concatenate([observe_round(market), lots], axis=1)
    return _finish(values, joint_features(market.tables.holders, visible))


def mask_rounds(market: MarketState) -> NDArray[np.bool_]:
    """Return which actions of the round level differ from all lower ones.

    Args:
        market: the markets.

    Returns:
        bool (n, 11), True where legal; action 0 always is.
    """
    mask = np.zeros((market.n, len(SHARES)), np.bool_)
    mask[:, 0] = True
    mask[:, 1:] = (market.running & (market.leftover > 0))[:, None]
    return mask


def mask_offers(market: MarketState) -> NDArray[np.bool_]:
    """Return which actions of the holder level differ from all lower ones.

    An offer above what is left in the round is capped there, so of all capped offers only
    the lowest is legal.

    Args:
        market: the markets.

    Returns:
        bool (n, 11), True where legal; action 0 always is.
    """
    rows = np.flatnonzero(market.due)
    base = market.tables.base[market.round_index[rows], market.due_holder(rows)]
    prices = np.minimum(MARKUPS * base[:, None], market.round_left[rows, None])
    mask = np.zeros((market.n, len(MARKUPS)), np.bool_)
    mask[:, 0] = True
    mask[rows, 1:] = prices[:, 1:] > prices[:, :-1]
    return mask


def _finish(values: NDArray[np.float64], features: tuple[str, ...]) -> NDArray[np.float32]:
    return np.clip(values, *bounds(features)).astype(np.float32)
