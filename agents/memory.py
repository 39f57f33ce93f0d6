"""What a holder policy remembers of its episode, for networks that see more than one holder.

The observation of the holder level tells of the holder who is due. All that it told of the others
when they were due, and which of them sold in which round, is known to whoever keeps it; this does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from copyright_gym.observations import HOLDER_FEATURES

Observations = NDArray[np.float32]

_TOLD = ("bought", "refused", "accepted")
_SOLD = "sold"
_COLUMNS = [HOLDER_FEATURES.index(name) for name in _TOLD]
_HOLDER, _DUE = (HOLDER_FEATURES.index(name) for name in ("holder", "even_share"))
_ROUND = HOLDER_FEATURES.index("round")
_MONEY = [HOLDER_FEATURES.index(name) for name in ("round_left", "outside")]
# A payment shows in float32 observations of the money if it is above this part of the budget.
_VISIBLE = 1e-6


def remembered(rounds: int, holders: int) -> tuple[str, ...]:
    """Return the names of the columns that a memory of T rounds and H holders appends."""
    told = tuple(f"{name}:{i}" for name in _TOLD for i in range(holders))
    return told + tuple(f"{_SOLD}:{t}:{i}" for t in range(rounds) for i in range(holders))


def memory_for(features: Sequence[str]) -> Memory | None:
    """Return a new memory for a network with these columns, None if it remembers nothing."""
    sold = [name.split(":")[1:] for name in features if name.startswith(f"{_SOLD}:")]
    if not sold:
        return None
    return Memory(len({t for t, _ in sold}), len({i for _, i in sold}))


class Memory:
    """Remembers n markets side by side.

    Args:
        rounds: number of rounds T.
        holders: number of holders H.

    Attributes:
        rounds: T.
        holders: H.
        width: number of columns that are appended.
    """

    def __init__(self, rounds: int, holders: int) -> None:
        self.rounds, self.holders = rounds, holders
        self.width = len(remembered(rounds, holders))

    def reset(self, n: int) -> None:
        """Forget everything.

        Args:
            n: number of markets.
        """
        self._told = np.zeros((n, len(_TOLD), self.holders), np.float32)
        self._told[:, _TOLD.index("accepted")] = 1
        self._sold = np.zeros((n, self.rounds, self.holders), np.float32)
        self._rows = np.arange(n)
        self._last: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]] | None = None

    def recall(self, observation: Observations) -> Observations:
        """Note an observation, and append what is remembered.

        Args:
            observation: float32 (n, d), of the holder level, each step's once.

        Returns:
            float32 (n, d + 3 * H + T * H): per holder what was seen of it when it was last due
            (part of its lots bought, highest refused and lowest accepted offer), then for each
            round who has sold in it.
        """
        money = observation[:, _MONEY].astype(np.float64).sum(axis=1)
        if self._last is not None:
            t, holder, before = self._last
            self._sold[self._rows, t, holder] += before - money > _VISIBLE
        holder = np.rint(observation[:, _HOLDER] * (self.holders - 1)).astype(np.int64)
        t = np.rint(observation[:, _ROUND] * self.rounds).astype(np.int64)
        due = observation[:, _DUE] > 0
        self._told[self._rows[due], :, holder[due]] = observation[due][:, _COLUMNS]
        self._last = np.minimum(t, self.rounds - 1), holder, money
        kept = (part.reshape(len(observation), -1) for part in (self._told, self._sold))
        return np.concatenate([observation, *kept], axis=1)
