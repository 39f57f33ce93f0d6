"""Which markup to offer a holder who will be asked k more times.

The holder's factor is hidden and stays the same. Buying one of the k lots is worth w base
expectations, and every answer narrows the factor down. The table is the exact solution of this
small problem by dynamic programming on the grid of markups.

Source: dynamic posted prices for one buyer who returns (Kleinberg and Leighton 2003, Amin et al.
2013), solved for the grid; our reconstruction.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from copyright_gym.agents.ledger import Floats, Ints, acceptance
from copyright_gym.observations import MARKUPS

_LEVELS = np.geomspace(0.4, 12.0, 48)
_SLACK = 1e-6


class PriceTable:
    """The best markups by worth, lots left, highest refused and lowest accepted markup.

    Args:
        sigma: spread of the hidden factor.
        lots: most lots that a holder still has.

    Attributes:
        actions: int64 (lots + 1, 11, 12, W), the best action for 0 to `lots` lots left, by the
            highest refused action (0 if none), the lowest accepted one (11 if none) and worth.
    """

    def __init__(self, sigma: float, lots: int) -> None:
        none = len(MARKUPS)
        edges = np.append(MARKUPS, np.inf)
        shape = lots + 1, none, none + 1, len(_LEVELS)
        self.actions: Ints = np.zeros(shape, np.int64)
        value = np.zeros(shape)
        for k in range(1, lots + 1):
            for low in range(none):
                for high in range(low + 1, none + 1):
                    best = value[k - 1, low, high].copy()  # no offer
                    for action in range(low + 1, min(high, none - 1) + 1):
                        chance = acceptance(
                            edges[low : low + 1], edges[high : high + 1], MARKUPS[action], sigma
                        )
                        bought = _LEVELS - MARKUPS[action] + value[k - 1, low, action]
                        lost = value[k - 1, action, high] if action < high else 0.0
                        total = chance * bought + (1 - chance) * lost
                        better = total > best
                        best[better] = total[better]
                        self.actions[k, low, high, better] = action
                    value[k, low, high] = best

    def choose(self, worth: Floats, lots: Ints, refused: Floats, accepted: Floats) -> Ints:
        """Choose markups.

        Args:
            worth: float64 (n,), what a lot is worth in base expectations.
            lots: int64 (n,), lots left with this one, at least 1.
            refused: float64 (n,), highest refused markups, 0 if none.
            accepted: float64 (n,), lowest accepted markups, infinite if none.

        Returns:
            int64 (n,), actions.
        """
        low = np.searchsorted(MARKUPS, refused * (1 + _SLACK), side="right") - 1
        high = np.searchsorted(MARKUPS, accepted * (1 - _SLACK))
        level = np.searchsorted(_LEVELS, worth, side="right") - 1
        actions: NDArray[np.int64] = self.actions[
            lots, np.minimum(low, len(MARKUPS) - 1), high, np.maximum(level, 0)
        ]
        return np.where((level >= 0) & (low < high), actions, 0)
