"""Quality models: how good is the company's model after a history of purchases?

Quality is q = 1 - D / D0, where D is the Fréchet distance of the fine-tuned model's
images to held-out works and D0 that of the base model. Buying nothing gives q = 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from copyright_gym.errors import PackError, listed, load_attribute

if TYPE_CHECKING:
    from copyright_gym.pack import Pack

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class QualityModel(Protocol):
    """Answers for the quality of the company's model after a purchase history."""

    @property
    def marginal(self) -> bool:
        """Whether the model is cheap enough to be asked after every offer.

        If not, it is asked at the end of a round only, and the round's whole change of
        quality counts for its last offer.
        """
        ...

    def quality(self, bought: Bools) -> Floats:
        """Evaluate purchase histories.

        Args:
            bought: bool (n, T, H), whether the lot of a holder in a round was bought. T and
                H may be smaller than the pack's: missing rounds and holders are not bought.

        Returns:
            float64 (n,), the quality q <= 1; exactly 0 for an empty history.
        """
        ...


class Surrogate(QualityModel, Protocol):
    """A quality model fitted to real fine-tuning histories, evaluated in NumPy."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rounds T and holders H of the pack that it was fitted to."""
        ...

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Surrogate:
        """Build the surrogate from the arrays of a pack's `surrogate.npz`."""
        ...

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that `from_arrays` reads."""
        ...


@dataclass(frozen=True, eq=False)
class TanhSurrogate:
    """One hidden tanh layer over what was bought how often and how recently.

    The features of holder i are count_i / T and recency_i, the bought lots weighted by
    decay**(rounds before the last purchase) over the same sum for buying always.
    Then q = f(features) - f(0). Source: our reconstruction.

    Attributes:
        rounds: number of rounds T of the pack.
        decay: weight of a purchase relative to one a round later, in [0, 1].
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


SURROGATE_FORMS: dict[str, type[Surrogate]] = {"tanh": TanhSurrogate}
"""Surrogates by the name that a pack's `surrogate.npz` stores under "form"."""


def surrogate_from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Surrogate:
    """Build the surrogate of a pack.

    Args:
        arrays: the arrays of `surrogate.npz`; "form" names a key of `SURROGATE_FORMS`.

    Returns:
        The surrogate.

    Raises:
        PackError: the form is unknown or the arrays do not fit it.
    """
    form = str(arrays["form"]) if "form" in arrays else ""
    if form not in SURROGATE_FORMS:
        raise PackError(f"unknown surrogate form {form!r}; known: {listed(SURROGATE_FORMS)}")
    return SURROGATE_FORMS[form].from_arrays(arrays)


def pack_surrogate(pack: Pack) -> QualityModel:
    """Return the surrogate that came with a pack.

    Args:
        pack: the pack.

    Returns:
        The quality model.
    """
    return pack.surrogate


QUALITY_MODELS = {"surrogate": "copyright_gym.quality:pack_surrogate"}
"""Quality models by name: references to functions from a pack to a `QualityModel`."""


def make_quality(name: str, pack: Pack) -> QualityModel:
    """Build a quality model by name.

    Args:
        name: a key of `QUALITY_MODELS`.
        pack: the pack to play on.

    Returns:
        The quality model.
    """
    model: QualityModel = load_attribute(QUALITY_MODELS[name], extra="art")(pack)
    return model
