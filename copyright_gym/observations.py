"""What policies see: features and action masks, computed from a market's state.

None of them depends on a hidden expectation that no answer of the holder has revealed, unless
the option `visible_expectations` is on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from copyright_gym.features import (
    HOLDER_FEATURES,
    LOT_FEATURES,
    MARKUPS,
    ROUND_FEATURES,
    SHARES,
    bounds,
    holder_features,
    joint_features,
)
from copyright_gym.routes import FIRST_KNOWN, Stage
from copyright_gym.state import BOUGHT, QUALITY, MarketState, read
from copyright_gym.tables import FIRST_KNOWN_OF_ROUND

__all__ = [
    "HOLDER_FEATURES",
    "LOT_FEATURES",
    "MARKUPS",
    "ROUND_FEATURES",
    "SHARES",
    "bounds",
    "holder_features",
    "joint_features",
    "mask_offers",
    "mask_rounds",
    "observe_holder",
    "observe_joint",
    "observe_round",
]


def observe_round(market: MarketState) -> NDArray[np.float32]:
    """Observe all markets at the round level.

    Args:
        market: the markets.

    Returns:
        float32 (n, 10), columns as in `ROUND_FEATURES`. Features of lots are 0 after the
        last round.
    """
    t = read(market.routes.round_index, market.at()[1])
    if market.kernel:
        return market.kernel.observe_round(t)
    features = np.empty((len(ROUND_FEATURES), market.n), np.float32)
    known = market.tables.round_features[t, FIRST_KNOWN_OF_ROUND:]
    features[FIRST_KNOWN_OF_ROUND:] = known[:, None] if known.ndim == 1 else known.T
    changing = features[:FIRST_KNOWN_OF_ROUND]
    np.multiply(market.past, market.tables.past_scale, out=changing)
    np.maximum(changing, -1, out=changing)
    return np.asarray(features.T)


def observe_holder(market: MarketState) -> NDArray[np.float32]:
    """Observe all markets at the holder level.

    Args:
        market: the markets.

    Returns:
        float32 (n, 19), columns as in `HOLDER_FEATURES`; (n, 20) with visible expectations.
        Features of the holder are 0 where no holder is due.
    """
    rows, stop = market.at()
    if market.kernel:
        return market.kernel.observe_holder(stop)
    visible = market.config.visible_expectations
    # A row per feature: what is computed together lies together in memory.
    features = np.empty((len(holder_features(visible)), market.n), np.float32)
    together = isinstance(stop, int)
    lot = market.routes.lot.item(stop) if together else market.routes.lot[stop]
    due, holder = lot >= 0, lot % market.holders
    known = market.routes.features[stop, FIRST_KNOWN:]
    if together:
        features[FIRST_KNOWN : len(HOLDER_FEATURES)] = known[:, None]
        features[BOUGHT:FIRST_KNOWN] = market.seen[holder] if due else 0
    else:
        features[FIRST_KNOWN : len(HOLDER_FEATURES)] = known.T
        features[BOUGHT:FIRST_KNOWN] = market.seen[holder, :, rows].T * due
    np.multiply(market.sheet, market.tables.sheet_scale, out=features[:BOUGHT])
    quality, bought = features[QUALITY], features[BOUGHT]
    np.maximum(quality, -1, out=quality)
    np.divide(bought, len(market.tables.base), out=bought)
    if visible:
        features[-1] = np.minimum(market.factor.T[holder, rows] / 4, 1) * due
    return np.asarray(features.T)


def observe_joint(market: MarketState) -> NDArray[np.float32]:
    """Observe all markets at the joint level.

    Args:
        market: the markets.

    Returns:
        float32 (n, 10 + 6 * H), columns as in `joint_features`; one more per holder with
        visible expectations. Contribution, loss and base are 0 after the last round.
    """
    contribution, loss, _, base = np.moveaxis(market.tables.lots[market.round_index], 2, 0)
    count, refused, accepted = market.seen.transpose(1, 2, 0)
    columns = [contribution, loss, base, count / market.tables.rounds, refused, accepted]
    if market.config.visible_expectations:
        columns.append(market.factor / 4)
    lots = np.minimum(np.stack(columns, axis=2), 1).astype(np.float32)
    return np.concatenate([observe_round(market), lots.reshape(market.n, -1)], axis=1)


def mask_rounds(market: MarketState) -> NDArray[np.bool_]:
    """Return which actions of the round level differ from all lower ones.

    Args:
        market: the markets.

    Returns:
        bool (n, 11), True where legal; action 0 always is.
    """
    mask = np.empty((len(SHARES), market.n), np.bool_)
    mask[0] = True
    mask[1:] = market.leftover > 0
    if market.common_stage != Stage.BETWEEN:
        mask[1:] &= market.running
    return np.asarray(mask.T)


def mask_offers(market: MarketState) -> NDArray[np.bool_]:
    """Return which actions of the holder level differ from all lower ones.

    An offer above what is left in the round is capped there, so of all capped offers only
    the lowest is legal.

    Args:
        market: the markets.

    Returns:
        bool (n, 11), True where legal; action 0 always is.
    """
    stop = market.at()[1]
    if market.kernel:
        return market.kernel.mask_offers(stop)
    limits = market.tables.limits[market.routes.lot[stop]]
    return np.asarray(np.less(limits.T.reshape(len(MARKUPS), -1), market.sheet[0]).T)
