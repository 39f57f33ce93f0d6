"""A surrogate with one hidden tanh layer."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from copyright_gym.errors import PackError, listed
from copyright_gym.tanh_histories import (
    Increments,
    TanhHistories,
    TanhHistory,
    make_increments,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class TanhSurrogate:
    """One hidden tanh layer over what was bought how often and how recently.

    The features of holder i are count_i / T and recency_i, the bought lots weighted by
    decay**(rounds before the last purchase) over the same sum for buying always.
    Then q = f(features) - f(0). Source: our reconstruction.

    Attributes:
        rounds: number of rounds T of the pack.
        decay: weight of a purchase relative to one a round later, above 0 and at most 1.
        weights: float64 (2 * H, K), input weights; counts first, then recencies.
        bias: float64 (K,), of the hidden layer.
        out: float64 (K,), output weights.
    """

    marginal: ClassVar[bool] = True

    rounds: int
    decay: float
    weights: Floats
    bias: Floats
    out: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """Rounds T and holders H of the pack that it was fitted to."""
        return self.rounds, len(self.weights) // 2

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> TanhSurrogate:
        """Build the surrogate from the arrays that `to_arrays` returns.

        Args:
            arrays: by name: rounds (), decay (), weights, bias, out.

        Returns:
            The surrogate.

        Raises:
            PackError: an array is missing, not finite, or of a shape that does not fit.
        """
        missing = {"rounds", "decay", "weights", "bias", "out"} - set(arrays)
        if missing:
            raise PackError(f"the surrogate lacks the arrays {listed(missing)}")
        weights, bias, out = (
            np.asarray(arrays[name], np.float64) for name in ("weights", "bias", "out")
        )
        rounds, decay = arrays["rounds"], arrays["decay"]
        hidden = bias.size
        if (
            rounds.shape != ()
            or decay.shape != ()
            or weights.ndim != 2
            or weights.shape[0] % 2
            or weights.shape[1] != hidden
            or bias.shape != (hidden,)
            or out.shape != (hidden,)
        ):
            raise PackError("the surrogate's arrays have shapes that do not fit together")
        if not all(np.isfinite(array).all() for array in (weights, bias, out, decay)):
            raise PackError("the surrogate's arrays are not all finite")
        if not 0 < decay <= 1:
            raise PackError(f"the surrogate's decay must be above 0 and at most 1, not {decay}")
        return cls(int(rounds), float(decay), weights, bias, out)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that `from_arrays` reads, with the name of this form.

        Returns:
            Arrays by name, ready for `np.savez`.
        """
        return {
            "form": np.array("tanh"),
            "rounds": np.array(self.rounds),
            "decay": np.array(self.decay),
            "weights": self.weights,
            "bias": self.bias,
            "out": self.out,
        }

    def features(self, bought: Bools) -> Floats:
        """Summarise purchase histories.

        Args:
            bought: bool (n, T, H), as in `QualityModel.quality`.

        Returns:
            float64 (n, 2 * H) for the H of `bought`, counts first, then recencies.
        """
        n, rounds, holders = bought.shape
        weighted = np.zeros((n, holders))
        recency = np.zeros((n, holders))
        total = 0.0
        for t in range(rounds):
            weighted = weighted * self.decay + bought[:, t]
            total = total * self.decay + 1.0
            bought_any = bought[:, t].any(axis=1, keepdims=True)
            recency = np.where(bought_any, weighted / total, recency)
        return np.concatenate([bought.sum(axis=1) / self.rounds, recency], axis=1)

    def quality(self, bought: Bools) -> Floats:
        """Evaluate purchase histories.

        Args:
            bought: bool (n, T, H), as in `QualityModel.quality`.

        Returns:
            float64 (n,), the quality.
        """
        features = self.features(bought)
        holders = bought.shape[2]
        hidden = np.tile(self.bias, (len(bought), 1))
        # Adding one feature at a time gives the same bits for every n; a matrix product does not.
        for i in range(holders):
            hidden += features[:, i, None] * self.weights[i]
            hidden += features[:, holders + i, None] * self.weights[self.shape[1] + i]
        change = (np.tanh(hidden) - np.tanh(self.bias)) * self.out
        return np.asarray(np.cumsum(change, axis=1)[:, -1])

    def histories(self, n: int) -> TanhHistories:
        """Return n empty histories."""
        return TanhHistories(self, n)

    def history(self) -> TanhHistory:
        """Return an empty history."""
        return TanhHistory(self)

    @functools.cached_property
    def increments(self) -> Increments:
        """What lots add to a history."""
        return make_increments(self)

    def __getstate__(self) -> dict[str, Any]:
        # Copies rebuild the increments.
        return {field.name: getattr(self, field.name) for field in fields(self)}
