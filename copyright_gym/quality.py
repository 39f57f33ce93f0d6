"""Quality models: how good is the company's model after a history of purchases?

Quality is q = 1 - D / D0, where D is the Fréchet distance of the fine-tuned model's
images to held-out works and D0 that of the base model. Buying nothing gives q = 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from copyright_gym.errors import OptionError, PackError, listed, load_attribute
from copyright_gym.exposure_surrogate import ExposureSurrogate as ExposureSurrogate
from copyright_gym.identity_surrogate import IdentitySurrogate

if TYPE_CHECKING:
    from copyright_gym.pack import Pack

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Rows = Ints | slice


class QualityModel(Protocol):
    """Answers for the quality of the company's model after a purchase history."""

    @property
    def marginal(self) -> bool:
        """Whether the model is cheap enough to be asked after every offer.

        If so, it is a `Surrogate`. If not, it is asked at the end of a round only, and the
        round's whole change of quality counts for its last offer.
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


class History(Protocol):
    """One purchase history, evaluated lot by lot."""

    def clear(self) -> None:
        """Forget all purchases."""
        ...

    def begin_round(self, t: int) -> None:
        """Prepare for purchases in round t."""
        ...

    def buy(self, t: int, holder: int) -> float:
        """Add a holder's lot of round t, which was begun last; return the quality."""
        ...


class Histories(Protocol):
    """n purchase histories side by side, evaluated lot by lot.

    Rounds are begun one after the other, from 0. The same purchases in the same order give the
    same bits as a `History`, whatever the other histories do.
    """

    def clear(self, rows: Rows) -> None:
        """Forget all purchases of some histories, int64 (k,) or a slice."""
        ...

    def begin_round(self, rows: Rows, t: Ints | int) -> None:
        """Prepare for purchases in a round.

        Args:
            rows: the histories, int64 (k,) or a slice.
            t: the round of each, int64 (k,), or an int, the same for all.
        """
        ...

    def buy(self, rows: Ints, t: Ints | int, holder: Ints | int) -> Floats:
        """Add a lot to some histories.

        Args:
            rows: the histories, int64 (k,).
            t: the round that was begun last, int64 (k,), or an int, the same for all.
            holder: the holder, likewise.

        Returns:
            float64 (k,), the qualities.
        """
        ...


class Surrogate(QualityModel, Protocol):
    """A quality model fitted to real fine-tuning histories, evaluated in NumPy.

    Markets ask it after every offer, so it evaluates histories lot by lot: one `History`, or
    many as `Histories`. A new form implements this protocol and is named in `SURROGATE_FORMS`.
    For the option `noise` it also has an attribute of this name; see `noise_of`.
    """

    def histories(self, n: int) -> Histories:
        """Return n empty histories."""
        ...

    def history(self) -> History:
        """Return an empty history."""
        ...

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


def as_surrogate(model: QualityModel) -> Surrogate | None:
    """Return a quality model that is to be asked after every offer.

    Args:
        model: the quality model.

    Returns:
        The model if it is marginal, else None.
    """
    return cast(Surrogate, model) if model.marginal else None


def noise_of(model: QualityModel) -> Floats:
    """Return how much measured qualities scatter around what a model predicts.

    Args:
        model: the quality model.

    Returns:
        Its attribute `noise`, float64 (T * H + 1,): the standard deviation by the number of
        lots bought.

    Raises:
        OptionError: it has none.
    """
    noise: Floats | None = getattr(model, "noise", None)
    if noise is None:
        raise OptionError(
            f"the option noise needs a quality model with an attribute noise, not {model!r}: "
            "leave the option off, or choose another quality"
        )
    return noise


SURROGATE_FORMS: dict[str, type[Surrogate]] = {
    "exposure": ExposureSurrogate,
    "identities": IdentitySurrogate,
}
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


QUALITY_MODELS = {
    "live": "copyright_gym.art.live:live_quality",
    "surrogate": "copyright_gym.quality:pack_surrogate",
}
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
