"""Purchase histories that the exposure surrogate evaluates lot by lot: one, or many side by side.

The hidden layer's input is linear in two sums over the lots bought, the weights of the shares
and those of the exposures, and in the exposure that earlier rounds have left. Both sums are
exact, for `make_increments` rounds their terms to a common grid. So it does not matter in which
order they are added, and one history, many, and whole histories at once have the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from copyright_gym.exposure_surrogate import ExposureSurrogate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rows = Ints | slice

_DIGITS = 52


@dataclass(frozen=True, eq=False)
class Increments:
    """What lots add, and what the sums mean; K hidden units, H holders, T rounds.

    Attributes:
        rows: float64 (H, 2 * K), what a lot of a holder adds to the sums: for the shares, then
            for the exposures.
        per_lot: float64 (T * H + 1,), 1 / N by the number N of lots bought, 0 for none.
        per_exposure: float64 (T * H + 1,), 1 / (N * T) likewise.
        left: float64 (H + 1,), what m new lots leave of earlier exposures.
        bias: float64 (K,), of the hidden layer.
        out: float64 (K,), output weights.
        nothing: output for an empty history.
    """

    rows: Floats
    per_lot: Floats
    per_exposure: Floats
    left: Floats
    bias: Floats
    out: Floats
    nothing: float

    def fade(self, faded: Floats, sums: Floats, number: Ints, new: Ints) -> Floats:
        """Return the exposure's input to the hidden layer after new lots.

        Args:
            faded: float64 (n, K), the same before the round.
            sums: float64 (n, 2 * K), over all lots.
            number: int64 (n,), all lots N.
            new: int64 (n,), lots m of the round.

        Returns:
            float64 (n, K).
        """
        seen = sums[:, len(self.out) :] * (new * self.per_exposure[number])[:, None]
        seen += faded * self.left[new][:, None]
        return seen

    def quality(self, faded: Floats, sums: Floats, number: Ints) -> Floats:
        """Return the quality, float64 (n,), after `fade`; arguments as there."""
        hidden = sums[:, : len(self.out)] * self.per_lot[number][:, None]
        hidden += self.bias
        hidden += faded
        return activated_sum(hidden, self.out) - self.nothing


def activated_sum(hidden: Floats, out: Floats) -> Floats:
    """Return the output of a hidden layer, summed by halves: a fixed order for all lengths.

    Args:
        hidden: float64 (..., K), the layer's input, K a power of two; it is overwritten.
        out: float64 (K,), output weights.

    Returns:
        float64 (...).
    """
    scale = np.abs(hidden)
    scale += 1.0
    hidden /= scale
    hidden *= out
    while hidden.shape[-1] > 1:
        half = hidden.shape[-1] // 2
        hidden = hidden[..., :half] + hidden[..., half:]
    return hidden[..., 0]


def make_increments(surrogate: ExposureSurrogate) -> Increments:
    """Return what lots add to the sums of a surrogate.

    Args:
        surrogate: the surrogate.

    Returns:
        The increments.
    """
    rounds, holders = surrogate.shape
    rows = np.concatenate([surrogate.shares, surrogate.exposures], axis=1)
    largest = rounds * np.abs(rows).sum(axis=0)
    grid = 2.0 ** (np.ceil(np.log2(np.maximum(largest, 1e-300))) - _DIGITS)
    number = np.arange(1, rounds * holders + 1)
    bias, out = surrogate.bias, surrogate.out
    return Increments(
        rows=np.rint(rows / grid) * grid,
        per_lot=np.append(0.0, 1 / number),
        per_exposure=np.append(0.0, 1 / (number * rounds)),
        left=np.cumprod(np.append(1.0, np.full(holders, surrogate.fade))),
        bias=bias,
        out=out,
        nothing=float(activated_sum(bias.copy(), out)),
    )


class ExposureHistories:
    """n purchase histories side by side; see `copyright_gym.quality.Histories`."""

    def __init__(self, surrogate: ExposureSurrogate, n: int) -> None:
        """Make n empty histories.

        Args:
            surrogate: what evaluates them.
            n: number of histories.
        """
        self._surrogate = surrogate
        self._add = surrogate.increments
        hidden = len(self._add.out)
        self._sums = np.zeros((n, 2 * hidden))
        self._faded = np.zeros((n, hidden))
        # All lots bought, then those of the open round.
        self._number, self._new = np.zeros((2, n), np.int64)

    def clear(self, rows: Rows) -> None:
        """Forget all purchases of some histories."""
        for array in (self._sums, self._faded, self._number, self._new):
            array[rows] = 0

    def begin_round(self, rows: Rows, t: Ints | int) -> None:
        """Prepare for purchases in a round."""
        self._faded[rows] = self._add.fade(
            self._faded[rows], self._sums[rows], self._number[rows], self._new[rows]
        )
        self._new[rows] = 0

    def buy(self, rows: Ints, t: Ints | int, holder: Ints | int) -> Floats:
        """Add a lot to some histories; return their qualities."""
        add = self._add
        sums = self._sums[rows]
        sums += add.rows[holder]
        number, new = self._number[rows] + 1, self._new[rows] + 1
        self._sums[rows], self._number[rows], self._new[rows] = sums, number, new
        return add.quality(add.fade(self._faded[rows], sums, number, new), sums, number)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_add"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._add = self._surrogate.increments


class ExposureHistory:
    """One purchase history; see `copyright_gym.quality.History`."""

    def __init__(self, surrogate: ExposureSurrogate) -> None:
        """Make an empty history.

        Args:
            surrogate: what evaluates it.
        """
        self._surrogate = surrogate
        self._add = add = surrogate.increments
        # Plain numbers: NumPy takes longer to look one up.
        self._per_lot, self._per_exposure = add.per_lot.tolist(), add.per_exposure.tolist()
        self._left = add.left.tolist()
        self._split = len(add.out)
        self.clear()

    def clear(self) -> None:
        """Forget all purchases."""
        self._sums, self._faded = np.zeros(2 * self._split), np.zeros(self._split)
        self._number = self._new = 0

    def begin_round(self, t: int) -> None:
        """Prepare for purchases in round t."""
        self._faded = self._exposed()
        self._new = 0

    def buy(self, t: int, holder: int) -> float:
        """Add a holder's lot of round t, which was begun last; return the quality."""
        add = self._add
        self._sums += add.rows[holder]
        self._number += 1
        self._new += 1
        hidden = self._sums[: self._split] * self._per_lot[self._number]
        hidden += add.bias
        hidden += self._exposed()
        return float(activated_sum(hidden, add.out)) - add.nothing

    def _exposed(self) -> Floats:
        """Return the exposure's input to the hidden layer; see `Increments.fade`."""
        seen: Floats = self._sums[self._split :] * (self._new * self._per_exposure[self._number])
        seen += self._faded * self._left[self._new]
        return seen

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self._surrogate, self._sums, self._faded, self._number, self._new)


def _restored(surrogate: ExposureSurrogate, *state: Any) -> ExposureHistory:
    history = surrogate.history()
    history._sums, history._faded, history._number, history._new = state
    return history
