"""The action grids, and the names of what policies see.

Every feature lies in [0, 1], but for quality and its change, which lie in [-1, 1]. Money is
relative to the budget B. Features that change from offer to offer come first.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

SHARES = np.arange(11) / 10
"""Part of the leftover budget that each action of the round level sets aside."""

MARKUPS = np.append(0.0, 0.5 * 4.0 ** (np.arange(10) / 9))
"""Price over base expectation of each action of the holder level; 0 is no offer."""

SHARES.flags.writeable = MARKUPS.flags.writeable = False

ROUND_FEATURES = (
    "leftover",  # money left / B
    "quality",  # quality so far
    "quality_change",  # change of quality in the last round
    "spent",  # spent / set aside in the last round, 0 if nothing
    "acceptance",  # accepted / H in the last round
    "round",  # t / T
    "mean_contribution",  # mean c of this round's lots / largest c
    "mean_loss",  # mean l of this round's lots
    "round_cost",  # sum of this round's base expectations / B
    "even_share",  # 1 / rounds left, 0 at the end
)
"""Features of the round level, in the order of the observation."""

HOLDER_FEATURES = (
    "round_left",  # money left in the round / B
    "round_budget",  # money set aside for the round / B
    "outside",  # money left outside the round / B
    "acceptance",  # accepted / H so far in the round
    "quality",  # quality so far
    "bought",  # lots bought from this holder so far / T
    "refused",  # highest refused offer of this holder / base expectation / 2, 0 if none
    "accepted",  # lowest accepted offer of this holder / base expectation / 2, 1 if none
    "round",  # t / T
    "position",  # position in the visiting order / H
    "even_share",  # 1 / holders left in the round
    "holder",  # holder index / (H - 1)
    "contribution",  # c / largest c
    "loss",  # l
    "cost",  # base expectation / B
    "base",  # base expectation / largest base expectation
    "rest_contribution",  # mean c of the lots still to come in the round / largest c
    "rest_loss",  # mean l of the lots still to come
    "rest_cost",  # sum of their base expectations / B
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
