"""Purchase histories that the tanh surrogate evaluates lot by lot: one, or many side by side.

A purchase adds to the input of the hidden layer as it stands in the open round. What the next
round starts from needs two sums per hidden unit: what the counts add, and what the recencies
add before they are scaled. Both sums are exact, for `make_increments` rounds their terms to a
common grid. So it does not matter in which order they are added, and many histories add them
once a round by a matrix product, one history as it goes, with the same bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from copyright_gym.tanh_surrogate import TanhSurrogate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rows = Ints | slice

_DIGITS = 52

_add, _multiply, _tanh = np.add, np.multiply, np.tanh


class Increments(NamedTuple):
    """What lots add to the sums; K hidden units, H holders, T rounds.

    Attributes:
        lots: float64 (T, H, 3 * K), what a lot adds: to the hidden layer's input in its round,
            then to the sums of the counts and of the recencies.
        rows: the same by round and holder, float64 (3 * K,) each.
        sums: float64 (H, 2 * K), the last two again; they are the same in all rounds.
        empty: float64 (2 * K,), the sums of an empty history; the bias counts as a count.
        decay: factor of the recencies' sum from round to round.
        scale: float64 (T,), factor of the recencies' sum in the hidden layer's input.
        out: float64 (K,), output weights.
        nothing: output for an empty history.
    """

    lots: Floats
    rows: list[list[Floats]]
    sums: Floats
    empty: Floats
    decay: float
    scale: Floats
    out: Floats
    nothing: float


def make_increments(surrogate: TanhSurrogate) -> Increments:
    """Return what lots add to the sums of a surrogate.

    Args:
        surrogate: the surrogate.

    Returns:
        The increments.
    """
    rounds, holders = surrogate.shape
    counts, recencies = surrogate.weights.reshape(2, holders, -1)
    total = np.cumsum(surrogate.decay ** np.arange(rounds))
    sums = np.concatenate([counts / rounds, recencies], axis=1)
    empty = np.concatenate([surrogate.bias, 0 * surrogate.bias])
    largest = np.abs(empty) + rounds * np.abs(sums).sum(axis=0)
    grid = 2.0 ** (np.ceil(np.log2(np.maximum(largest, 1e-300))) - _DIGITS)
    sums, empty = (np.rint(values / grid) * grid for values in (sums, empty))
    split = len(surrogate.bias)
    now = sums[:, :split] + sums[:, split:] / total[:, None, None]
    lots = np.concatenate([now, np.broadcast_to(sums, (rounds, *sums.shape))], axis=2)
    return Increments(
        lots=lots,
        rows=[list(lots_of_round) for lots_of_round in lots],
        sums=sums,
        empty=empty,
        decay=surrogate.decay,
        scale=surrogate.decay / total,
        out=surrogate.out,
        nothing=float(np.tanh(empty[:split]).dot(surrogate.out)),
    )


class TanhHistories:
    """n purchase histories side by side; see `copyright_gym.quality.Histories`."""

    def __init__(self, surrogate: TanhSurrogate, n: int) -> None:
        """Make n empty histories.

        Args:
            surrogate: what evaluates them.
            n: number of histories.
        """
        self._surrogate = surrogate
        self._add = surrogate.increments
        # The hidden layer's input, a row per history: it is read and written for a few at a time.
        self._now = np.zeros((n, len(self._add.out)))
        self._sums = np.tile(self._add.empty[:, None], n)
        # Lots bought in the open round, which the sums don't hold yet.
        self._bought = np.zeros((len(self._add.sums), n))

    def clear(self, rows: Rows) -> None:
        """Forget all purchases of some histories."""
        self._sums[:, rows] = self._add.empty[:, None]
        self._bought[:, rows] = 0

    def begin_round(self, rows: Rows, t: Ints | int) -> None:
        """Prepare for purchases in a round."""
        add, sums = self._add, self._sums[:, rows]
        split = len(add.out)
        counts, recencies = sums[:split], sums[split:]
        recencies *= add.decay
        sums += add.sums.T @ self._bought[:, rows]
        self._bought[:, rows] = 0
        now = recencies * add.scale[t]
        now += counts
        self._now[rows] = now.T
        if not isinstance(rows, slice):
            self._sums[:, rows] = sums

    def buy(self, rows: Ints, t: Ints | int, holder: Ints | int) -> Floats:
        """Add a lot to some histories; return their qualities."""
        add = self._add
        held = self._now.take(rows, 0)
        held += add.lots[t, holder, ..., : held.shape[1]]
        # As plain bytes, a row in one piece: twice as fast.
        whole = f"V{held.strides[0]}"
        self._now.view(whole).put(rows, held.view(whole))
        self._bought[holder, rows] = 1
        np.tanh(held, held)
        # A product per row, which has the same bits for any number of rows.
        quality = np.vecdot(held, add.out)
        quality -= add.nothing
        return np.asarray(quality)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_add"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._add = self._surrogate.increments


class TanhHistory:
    """One purchase history; see `copyright_gym.quality.History`."""

    def __init__(self, surrogate: TanhSurrogate) -> None:
        """Make an empty history.

        Args:
            surrogate: what evaluates it.
        """
        self._surrogate = surrogate
        add = surrogate.increments
        split = len(add.out)
        self._sums, self._empty = add.empty.copy(), add.empty
        self._counts, self._recencies = self._sums[:split], self._sums[split:]
        # The hidden layer's input, then what the open round adds to the sums.
        self._open = np.zeros(3 * split)
        self._now, self._fresh = self._open[:split], self._open[split:]
        self._active = np.zeros(split)
        self._out, self._nothing = add.out, add.nothing
        self._rows = add.rows
        # Arrays: NumPy takes longer to read a plain number.
        self._decay = np.full(split, add.decay)
        self._scales = list(np.repeat(add.scale[:, None], split, axis=1))

    def clear(self) -> None:
        """Forget all purchases."""
        self._sums[:] = self._empty
        self._fresh.fill(0)

    def begin_round(self, t: int) -> None:
        """Prepare for purchases in round t."""
        recencies, now, fresh = self._recencies, self._now, self._fresh
        _multiply(recencies, self._decay, recencies)
        _add(self._sums, fresh, self._sums)
        fresh.fill(0)
        _multiply(recencies, self._scales[t], now)
        _add(now, self._counts, now)

    def buy(self, t: int, holder: int) -> float:
        """Add a holder's lot of round t, which was begun last; return the quality."""
        added, active = self._open, self._active
        _add(added, self._rows[t][holder], added)
        _tanh(self._now, active)
        return float(active.dot(self._out)) - self._nothing

    def __reduce__(self) -> tuple[Any, ...]:
        # A plain copy would take parts of arrays for arrays of their own.
        return _restored, (self._surrogate, self._sums, self._open)


def _restored(surrogate: TanhSurrogate, sums: Floats, added: Floats) -> TanhHistory:
    history = surrogate.history()
    history._sums[:] = sums
    history._open[:] = added
    return history
