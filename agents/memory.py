"""What a holder policy remembers of its episode, for networks that see more than one holder.

The observation of the holder level tells of the holder who is due. All that it told of the others
when they were due, and which of them has sold since, is known to whoever keeps it; this does.
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
_MONEY = [HOLDER_FEATURES.index(name) for name in ("round_left", "outside")]
# A payment shows in float32 observations of the money if it is above this part of the budget.
_VISIBLE = 1e-6


def remembered(holders: int) -> tuple[str, ...]:
    """Return the names of the columns that a memory of H holders appends."""
    return tuple(f"{name}:{i}" for name in (*_TOLD, _SOLD) for i in range(holders))


def memory_for(features: Sequence[str]) -> Memory | None:
    """Return a new memory for a network with these columns, None if it remembers nothing."""
    holders = sum(name.startswith(f"{_SOLD}:") for name in features)
    return Memory(holders) if holders else None


class Memory:
    """Remembers n markets side by side.

    Args:
        holders: number of holders H.

    Attributes:
        width: number of columns that are appended.
    """

    def __init__(self, holders: int) -> None:
        self._holders = holders
        self.width = len(remembered(holders))

    def reset(self, n: int) -> None:
        """Forget everything.

        Args:
            n: number of markets.
        """
        self._kept = np.zeros((n, len(_TOLD) + 1, self._holders), np.float32)
        self._kept[:, _TOLD.index("accepted")] = 1
        self._rows = np.arange(n)
        self._last: tuple[NDArray[np.int64], NDArray[np.float64]] | None = None

    def recall(self, observation: Observations) -> Observations:
        """Note an observation, and append what is remembered.

        Args:
            observation: float32 (n, d), of the holder level, each step's once.

        Returns:
            float32 (n, d + 4 * H): per holder what was seen of it when it was last due (part of
            its lots bought, highest refused and lowest accepted offer), then whether it has sold
            since.
        """
        money = observation[:, _MONEY].astype(np.float64).sum(axis=1)
        if self._last is not None:
            holder, before = self._last
            self._kept[self._rows, -1, holder] += before - money > _VISIBLE
        holder = np.rint(observation[:, _HOLDER] * (self._holders - 1)).astype(np.int64)
        due = observation[:, _DUE] > 0
        rows, of = self._rows[due], holder[due]
        self._kept[rows, :-1, of] = observation[due][:, _COLUMNS]
        self._kept[rows, -1, of] = 0
        self._last = holder, money
        kept = self._kept.reshape(len(observation), -1)
        return np.concatenate([observation, kept], axis=1)
