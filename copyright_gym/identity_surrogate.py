"""A surrogate for holders with several identities: what sells is an identity's part of the works.

A lot is cut into parts that another surrogate knows. An identity sells some of them; a part that
two identities sell in the same round is there once. Source: our construction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from copyright_gym.errors import PackError
from copyright_gym.exposure_surrogate import ExposureSurrogate

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Rows = Ints | slice

_PREFIX = "fine_"


@dataclass(frozen=True, eq=False)
class IdentitySurrogate:
    """Buys an identity's parts from a finer surrogate.

    Attributes:
        fine: a surrogate in which each part is a holder of its own, F in all.
        parts: int64 (H, P), the parts of each identity; one may stand there several times.
    """

    marginal: ClassVar[bool] = True

    fine: ExposureSurrogate
    parts: Ints

    @property
    def shape(self) -> tuple[int, int]:
        """Rounds T and identities H."""
        return self.fine.rounds, len(self.parts)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> IdentitySurrogate:
        """Build the surrogate from the arrays that `to_arrays` returns.

        Args:
            arrays: by name: parts, and those of the finer surrogate after "fine_".

        Returns:
            The surrogate.

        Raises:
            PackError: an array is missing or does not fit.
        """
        fine = ExposureSurrogate.from_arrays(
            {
                name.removeprefix(_PREFIX): a
                for name, a in arrays.items()
                if name.startswith(_PREFIX)
            }
        )
        parts = arrays.get("parts", np.zeros(0))
        if parts.dtype != np.int64 or parts.ndim != 2 or not parts.size:
            raise PackError("the surrogate's parts must be int64 of shape (identities, parts)")
        if parts.min() < 0 or parts.max() >= len(fine.shares):
            raise PackError(f"the surrogate's parts must lie in 0 to {len(fine.shares) - 1}")
        return cls(fine, parts)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that `from_arrays` reads, with the name of this form."""
        fine = {f"{_PREFIX}{name}": array for name, array in self.fine.to_arrays().items()}
        return {"form": np.array("identities"), "parts": self.parts} | fine

    def quality(self, bought: Bools) -> Floats:
        """Evaluate purchase histories.

        Args:
            bought: bool (n, T, H), as in `QualityModel.quality`.

        Returns:
            float64 (n,), the quality, with the bits that the lots one by one give.
        """
        covered = np.zeros((*bought.shape[:2], len(self.fine.shares)), np.bool_)
        for identity in range(bought.shape[2]):
            covered[:, :, self.parts[identity]] |= bought[:, :, identity, None]
        return self.fine.quality(covered)

    def histories(self, n: int) -> IdentityHistories:
        """Return n empty histories."""
        return IdentityHistories(self, n)

    def history(self) -> IdentityHistory:
        """Return an empty history."""
        return IdentityHistory(self)


class IdentityHistories:
    """n purchase histories side by side; see `copyright_gym.quality.Histories`."""

    def __init__(self, surrogate: IdentitySurrogate, n: int) -> None:
        """Make n empty histories.

        Args:
            surrogate: what evaluates them.
            n: number of histories.
        """
        self._parts = surrogate.parts
        self._fine = surrogate.fine.histories(n)
        self._sold = np.zeros((n, len(surrogate.fine.shares)), np.bool_)
        self._quality = np.zeros(n)

    def clear(self, rows: Rows) -> None:
        """Forget all purchases of some histories."""
        self._fine.clear(rows)
        self._sold[rows] = False
        self._quality[rows] = 0

    def begin_round(self, rows: Rows, t: Ints | int) -> None:
        """Prepare for purchases in a round, whose works are new."""
        self._fine.begin_round(rows, t)
        self._sold[rows] = False

    def buy(self, rows: Ints, t: Ints | int, holder: Ints | int) -> Floats:
        """Add what is new of an identity's lot to some histories; return their qualities."""
        rounds = np.broadcast_to(t, rows.shape)
        for part in np.broadcast_to(self._parts[holder], (len(rows), self._parts.shape[1])).T:
            new = ~self._sold[rows, part]
            self._sold[rows[new], part[new]] = True
            self._quality[rows[new]] = self._fine.buy(rows[new], rounds[new], part[new])
        return self._quality[rows]


class IdentityHistory:
    """One purchase history; see `copyright_gym.quality.History`."""

    def __init__(self, surrogate: IdentitySurrogate) -> None:
        """Make an empty history.

        Args:
            surrogate: what evaluates it.
        """
        self._parts: list[list[int]] = surrogate.parts.tolist()
        self._fine = surrogate.fine.history()
        self.clear()

    def clear(self) -> None:
        """Forget all purchases."""
        self._fine.clear()
        self._sold: set[int] = set()
        self._quality = 0.0

    def begin_round(self, t: int) -> None:
        """Prepare for purchases in round t, whose works are new."""
        self._fine.begin_round(t)
        self._sold.clear()

    def buy(self, t: int, holder: int) -> float:
        """Add what is new of an identity's lot; return the quality."""
        for part in self._parts[holder]:
            if part not in self._sold:
                self._sold.add(part)
                self._quality = self._fine.buy(t, part)
        return self._quality
