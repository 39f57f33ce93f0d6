"""Exploration that lasts: stances that a market takes towards holders, for a whole episode.

What a lot is worth depends on all that is bought, so a set of holders may be the better one though
no single other purchase improves on the set that is bought now. Random single decisions hardly
ever show such a set; a market that shuts some holders out, and buys from others whenever it can,
shows it from the first round to the last.

Source: our reconstruction; the aim is that of temporally extended exploration (Dabney et al. 2021,
arXiv:2006.01782).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from copyright_gym.observations import HOLDER_FEATURES

Bools = NDArray[np.bool_]

_HOLDER = HOLDER_FEATURES.index("holder")


class Stances:
    """Stances of n markets, side by side.

    In each episode a market draws a strength between 0 and `strongest`. With this probability it
    has a stance towards a holder, one half each: it makes it no offer, or never passes it over.

    Args:
        holders: number of holders H.
        strongest: upper end of the strengths, in [0, 1].
        rng: source of the stances.
    """

    def __init__(self, holders: int, strongest: float, rng: np.random.Generator) -> None:
        self._strongest = strongest
        self._rng = rng
        self._shut_out = self._sought = np.zeros((0, holders), np.bool_)

    def reset(self, exploring: Bools) -> None:
        """Draw new stances.

        Args:
            exploring: bool (n,); markets with False have none.
        """
        shape = len(exploring), self._sought.shape[1]
        strength = self._rng.random((shape[0], 1)) * self._strongest * exploring[:, None]
        draws = self._rng.random(shape)
        self._shut_out = draws < strength / 2
        self._sought = (draws < strength) & ~self._shut_out

    def narrow(self, observation: NDArray[np.float32], mask: Bools) -> Bools:
        """Take out the actions against the stance towards the holder who is due.

        Args:
            observation: float32 (n, d), of the holder level.
            mask: bool (n, k); True where legal, action 0 is no offer.

        Returns:
            bool (n, k), at least one True in each row that had one.
        """
        last = self._sought.shape[1] - 1
        holder = np.rint(observation[:, _HOLDER] * last).astype(np.int64)[:, None]
        shut_out = np.take_along_axis(self._shut_out, holder, axis=1)[:, 0]
        sought = np.take_along_axis(self._sought, holder, axis=1)[:, 0]
        narrowed = mask.copy()
        narrowed[shut_out, 1:] = False
        narrowed[sought & mask[:, 1:].any(axis=1), 0] = False
        return narrowed
