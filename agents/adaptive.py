"""Adaptive markup: bisection on each holder's hidden factor, from observations alone.

Source: binary search for a posted price (Kleinberg and Leighton 2003); our reconstruction.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from copyright_gym.agents.ledger import Bools, Ints, Observation
from copyright_gym.heuristics import highest_legal
from copyright_gym.observations import HOLDER_FEATURES, MARKUPS
from copyright_gym.policies import Level

_REFUSED = HOLDER_FEATURES.index("refused")
_ACCEPTED = HOLDER_FEATURES.index("accepted")
_SLACK = 1e-5


class AdaptiveHolder:
    """Offers the middle markup between the highest refused and the lowest accepted one.

    Between neighbours on the grid that is the accepted one. It visits by value for money.

    Args:
        low: a markup that counts as refused by everybody.
    """

    level: Level = "holder"
    order: str | None = "value"
    stateless: ClassVar[bool] = True

    def __init__(self, low: float = 0.63) -> None:
        self.low = low
        self._lowest = int(np.searchsorted(MARKUPS, low * (1 + _SLACK), side="right")) - 1

    def reset(self, n: int, rng: np.random.Generator) -> None:
        """Do nothing: the observation tells all earlier answers."""

    def act(self, observation: Observation, mask: Bools) -> Ints:
        """Choose the middle of what is still possible, rounded up."""
        refused, accepted = (
            2 * observation[:, column].astype(np.float64) for column in (_REFUSED, _ACCEPTED)
        )
        lowest = np.searchsorted(MARKUPS, refused * (1 + _SLACK), side="right") - 1
        highest = np.searchsorted(MARKUPS, accepted * (1 - _SLACK))
        middle = (np.maximum(lowest, self._lowest) + highest + 1) // 2
        wanted = np.where(lowest < highest, np.minimum(middle, highest), lowest + 1)
        return highest_legal(mask, np.minimum(wanted, len(MARKUPS) - 1))
