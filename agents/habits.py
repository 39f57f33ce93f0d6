"""Exploration that lasts: habits that a market has towards holders, for a whole episode.

What a lot is worth depends on all that is bought, so a set of holders may be the better one though
no single other purchase improves on the set that is bought now. Random single decisions hardly
ever show such a set; a market that makes some holders the same offer whenever they are due, or
none, shows it from the first round to the last.

Source: our reconstruction; the aim is that of temporally extended exploration (Dabney et al. 2021,
arXiv:2006.01782).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from copyright_gym.observations import HOLDER_FEATURES, MARKUPS

Bools = NDArray[np.bool_]

_HOLDER = HOLDER_FEATURES.index("holder")


class Habits:
    """Habits of n markets, side by side.

    In each episode a market draws a strength between 0 and `strongest`. With this probability it
    has a habit towards a holder: one action, each as likely, which it takes whenever the holder is
    due and the action is legal.

    Args:
        holders: number of holders H.
        strongest: upper end of the strengths, in [0, 1].
        rng: source of the habits.
    """

    def __init__(self, holders: int, strongest: float, rng: np.random.Generator) -> None:
        self._strongest = strongest
        self._rng = rng
        self._actions = np.zeros((0, holders), np.int64)

    def reset(self, exploring: NDArray[np.float64]) -> None:
        """Draw new habits.

        Args:
            exploring: float64 (n,) in [0, 1], parts of `strongest` that strengths go up to; markets
                with 0 have no habits.
        """
        shape = len(exploring), self._actions.shape[1]
        strength = self._rng.random((shape[0], 1)) * self._strongest * exploring[:, None]
        kept = self._rng.random(shape) < strength
        self._actions = np.where(kept, self._rng.integers(len(MARKUPS), size=shape), -1)

    def act(self, observation: NDArray[np.float32], mask: Bools) -> NDArray[np.int64]:
        """Return the habitual actions towards the holders who are due.

        Args:
            observation: float32 (n, d), of the holder level.
            mask: bool (n, 11); True where legal.

        Returns:
            int64 (n,), -1 where there is no habit or its action is illegal.
        """
        last = self._actions.shape[1] - 1
        holder = np.rint(observation[:, _HOLDER] * last).astype(np.int64)
        rows = np.arange(len(holder))
        actions = self._actions[rows, holder]
        return np.where(mask[rows, actions] & (actions >= 0), actions, -1)
