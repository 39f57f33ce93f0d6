"""A surrogate with one hidden tanh layer."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from copyright_gym.errors import PackError, listed

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Rows = Ints | slice

# Beyond this, weights that grow from round to round would leave float64 too few digits.
_LARGEST_GROWTH = 1e200


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
        if not (0 < decay <= 1 and decay ** -float(rounds) < _LARGEST_GROWTH):
            raise PackError(f"the surrogate's decay {decay} does not fit {rounds} rounds")
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

    def new_memory(self, n: int) -> Floats:
        """Return the memory of n empty histories.

        Three parts of K numbers each: the hidden layer's input if a lot is bought in the
        present round; what the counts add to it; what the recencies add, before decay.

        Args:
            n: number of histories.

        Returns:
            float64 (n, 3 * K).
        """
        return np.tile(np.concatenate([self.bias, self.bias, 0 * self.bias]), (n, 1))

    def begin_round(self, memory: Floats, rows: Rows, t: Ints | int) -> None:
        """Prepare for purchases in a round; see `Surrogate.begin_round`."""
        hidden = self.bias.size
        now = memory[rows, 2 * hidden :] * self._increments.fade[t]
        now += memory[rows, hidden : 2 * hidden]
        memory[rows, :hidden] = now

    def buy(self, memory: Floats, rows: Ints, t: Ints | int, holder: Ints | int) -> Floats:
        """Add a lot to each history; see `Surrogate.buy`."""
        held = memory.take(rows, axis=0)
        held += self._increments.lots[t, holder]
        memory[rows] = held
        active = np.tanh(held[:, : self.bias.size])
        active *= self.out
        # Summed row by row along contiguous memory, so the bits are the same for any k.
        return np.asarray(np.add.reduce(active, axis=1) - self._increments.nothing)

    def history(self) -> TanhHistory:
        """Return an empty history."""
        return TanhHistory(self, self._increments, self.new_memory(1)[0])

    @functools.cached_property
    def _increments(self) -> _Increments:
        hidden, (rounds, holders) = self.bias.size, self.shape
        t = np.arange(rounds)[:, None]
        fade = self.decay**t
        total = np.cumsum(fade)[:, None]
        counts, recencies = self.weights.reshape(2, holders, hidden)
        lots = np.empty((rounds, holders, 3 * hidden))
        lots[:, :, hidden : 2 * hidden] = counts / self.rounds
        lots[:, :, 2 * hidden :] = recencies / fade[:, None]
        lots[:, :, :hidden] = counts / self.rounds + recencies / total[:, None]
        nothing = float(np.add.reduce(np.tanh(self.bias) * self.out))
        return _Increments(fade / total, lots, nothing)

    def __getstate__(self) -> dict[str, Any]:
        # Copies rebuild the increments.
        return {field.name: getattr(self, field.name) for field in fields(self)}


class TanhHistory:
    """One purchase history; see `TanhSurrogate.new_memory` for its memory.

    Args:
        surrogate: what evaluates it.
        increments: what lots add to the memory.
        memory: float64 (3 * K,).
    """

    def __init__(self, surrogate: TanhSurrogate, increments: _Increments, memory: Floats) -> None:
        self._surrogate = surrogate
        self._increments = increments
        self._memory = memory
        self._empty = surrogate.new_memory(1)[0]
        self._hidden, self._counts, self._recencies = memory.reshape(3, -1)
        self._active = np.empty_like(self._hidden)
        self._out = surrogate.out
        self._nothing = increments.nothing
        self._lots = increments.lots

    def clear(self) -> None:
        """Forget all purchases."""
        self._memory[:] = self._empty

    def begin_round(self, t: int) -> None:
        """Prepare for purchases in round t."""
        np.multiply(self._recencies, self._increments.fade[t], self._hidden)
        np.add(self._hidden, self._counts, self._hidden)

    def buy(self, t: int, holder: int) -> float:
        """Add a holder's lot of round t, which was begun last; return the quality."""
        memory, active = self._memory, self._active
        np.add(memory, self._lots[t, holder], memory)
        np.tanh(self._hidden, active)
        np.multiply(active, self._out, active)
        return float(np.add.reduce(active)) - self._nothing

    def __reduce__(self) -> tuple[Any, ...]:
        # The views of the memory do not survive a plain copy.
        return _restored_history, (self._surrogate, self._memory)


def _restored_history(surrogate: TanhSurrogate, memory: Floats) -> TanhHistory:
    history = surrogate.history()
    history._memory[:] = memory
    return history


class _Increments(NamedTuple):
    """What a surrogate adds to memories.

    Attributes:
        fade: float64 (T, 1), factor of the recencies' part in each round.
        lots: float64 (T, H, 3 * K), what a lot adds to a memory.
        nothing: output of the layer for an empty history.
    """

    fade: Floats
    lots: Floats
    nothing: float
