"""A surrogate that follows how the model is trained: what it sees, how much, how long ago."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from copyright_gym.errors import PackError, listed
from copyright_gym.exposure_histories import (
    ExposureHistories,
    ExposureHistory,
    Increments,
    make_increments,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_ARRAYS = ("rounds", "fade", "shares", "exposures", "bias", "out", "noise")


@dataclass(frozen=True, eq=False)
class ExposureSurrogate:
    """One hidden layer over each holder's share of the licensed works and its exposure.

    A round trains on everything licensed so far, as long as there are new lots. With n_i lots
    of holder i among N, and m new ones, a round adds m * n_i / N to holder i's exposure; each
    new lot leaves `fade` of what was there before the round. The features are n_i / N and
    exposure_i / T. Then q = f(features) - f(0), where f has one hidden layer with the
    activation x / (1 + |x|). A quality needs only operations whose rounding IEEE 754 fixes, so
    that NumPy and the compiled kernel can agree bit for bit. Source: our reconstruction.

    Attributes:
        rounds: number of rounds T of the pack.
        fade: what is left of an exposure after a new lot, above 0 and at most 1.
        shares: float64 (H, K), input weights of the shares; K is a power of two.
        exposures: float64 (H, K), input weights of the exposures.
        bias: float64 (K,), of the hidden layer.
        out: float64 (K,), output weights.
        noise: float64 (T * H + 1,), standard deviation of a measured quality around this
            model's, by the number of lots bought: the seed noise and the model's error.
    """

    marginal: ClassVar[bool] = True

    rounds: int
    fade: float
    shares: Floats
    exposures: Floats
    bias: Floats
    out: Floats
    noise: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """Rounds T and holders H of the pack that it was fitted to."""
        return self.rounds, len(self.shares)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> ExposureSurrogate:
        """Build the surrogate from the arrays that `to_arrays` returns.

        Args:
            arrays: by name: rounds (), fade (), shares, exposures, bias, out, noise.

        Returns:
            The surrogate.

        Raises:
            PackError: an array is missing, not finite, or of a shape that does not fit.
        """
        missing = set(_ARRAYS) - set(arrays)
        if missing:
            raise PackError(f"the surrogate lacks the arrays {listed(missing)}")
        rounds, *floats = (arrays[name] for name in _ARRAYS)
        fade, shares, exposures, bias, out, noise = (np.asarray(a, np.float64) for a in floats)
        hidden = bias.size
        if (
            rounds.shape != ()
            or fade.shape != ()
            or shares.ndim != 2
            or shares.shape[1] != hidden
            or exposures.shape != shares.shape
            or bias.shape != (hidden,)
            or out.shape != (hidden,)
            or noise.shape != (int(rounds) * len(shares) + 1,)
        ):
            raise PackError("the surrogate's arrays have shapes that do not fit together")
        if hidden & (hidden - 1) or not hidden:
            raise PackError(f"the surrogate must have 1, 2, 4, 8... hidden units, not {hidden}")
        if not all(np.isfinite(a).all() for a in (fade, shares, exposures, bias, out, noise)):
            raise PackError("the surrogate's arrays are not all finite")
        if not 0 < fade <= 1:
            raise PackError(f"the surrogate's fade must be above 0 and at most 1, not {fade}")
        if noise.min() < 0:
            raise PackError("the surrogate's noise must not be below 0")
        return cls(int(rounds), float(fade), shares, exposures, bias, out, noise)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that `from_arrays` reads, with the name of this form.

        Returns:
            Arrays by name, ready for `np.savez`.
        """
        return {"form": np.array("exposure")} | {
            name: np.asarray(getattr(self, name)) for name in _ARRAYS
        }

    def quality(self, bought: Bools) -> Floats:
        """Evaluate purchase histories.

        Args:
            bought: bool (n, T, H), as in `QualityModel.quality`.

        Returns:
            float64 (n,), the quality, with the bits that the lots one by one give.
        """
        add = self.increments
        # Rounds first, then all holders' lots as numbers for an exact matrix product.
        lots = np.ascontiguousarray(bought.transpose(1, 0, 2), np.float64)
        faded = np.zeros((len(bought), len(add.out)))
        sums = np.zeros((len(bought), 2 * len(add.out)))
        number = np.zeros(len(bought), np.int64)
        for of_round in lots:
            new = of_round.sum(axis=1).astype(np.int64)
            sums += of_round @ add.rows[: bought.shape[2]]
            number += new
            faded = add.fade(faded, sums, number, new)
        return add.quality(faded, sums, number)

    def histories(self, n: int) -> ExposureHistories:
        """Return n empty histories."""
        return ExposureHistories(self, n)

    def history(self) -> ExposureHistory:
        """Return an empty history."""
        return ExposureHistory(self)

    @functools.cached_property
    def increments(self) -> Increments:
        """What lots add to a history."""
        return make_increments(self)

    def __getstate__(self) -> dict[str, Any]:
        # Copies rebuild the increments.
        return {field.name: getattr(self, field.name) for field in fields(self)}
