"""The options of a market, checked at construction."""

from __future__ import annotations

import math
import operator
from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any

from copyright_gym.errors import OptionError, listed
from copyright_gym.quality import QUALITY_MODELS

ORDERS = ("index", "value", "random")
"""Visiting orders: by holder index; by falling contribution per base expectation; shuffled."""

_LARGEST = 1e6


@dataclass(frozen=True)
class MarketConfig:
    """Options of a market; all values are plain JSON types.

    Money has no unit of its own: `price` sets the scale.

    Attributes:
        pack: name of an embedded pack, or the path of a pack's folder.
        rounds: number of rounds T, at most the pack's; None for all of them.
        holders: number of holders H, the pack's first ones; None for all of them.
        rho: budget as a part of the sum of all base expectations (our reconstruction).
        sigma: spread of the hidden factor exp(sigma * z) of a holder (our reconstruction).
        alpha: weight of the contribution in the base expectation (our reconstruction).
        beta: weight of the copyright loss in the base expectation (our reconstruction).
        a: weight of the semantic similarity in the copyright loss (arXiv:2410.20180).
        b: weight of the perceptual similarity in the copyright loss; a + b = 1.
        price: money per unit of base expectation.
        copyright_weight: reward lost per unit of exposure; buying every lot is exposure 1.
        kappa: reward lost per budget spent.
        visible_expectations: whether observations tell the hidden expectations.
        noise: whether the quality after a round is measured with noise: what the quality model
            predicts plus its `noise` at the number of lots bought so far, times a z ~ N(0, 1)
            drawn anew for each round (our reconstruction). If not, it is the prediction.
        order: the visiting order of the holders in a round, one of `ORDERS`.
        quality: name of the quality model, a key of `copyright_gym.quality.QUALITY_MODELS`.

    Raises:
        OptionError: an option has the wrong type or is out of range; the message names it.
    """

    pack: str = "portrait"
    rounds: int | None = None
    holders: int | None = None
    rho: float = 0.4
    sigma: float = 0.25
    alpha: float = 0.5
    beta: float = 0.5
    a: float = 0.5
    b: float = 0.5
    price: float = 1.0
    copyright_weight: float = 0.0
    kappa: float = 0.0
    visible_expectations: bool = False
    noise: bool = False
    order: str = "index"
    quality: str = "surrogate"

    def __post_init__(self) -> None:
        if not isinstance(self.pack, str) or not self.pack:
            raise OptionError(
                f"pack must be a name or a folder path as a string, not {self.pack!r}"
            )
        for name in ("rounds", "holders"):
            self._set_count(name)
        for name in ("rho", "price"):
            self._set_number(name, positive=True)
        for name in ("alpha", "beta", "a", "b", "copyright_weight", "kappa"):
            self._set_number(name)
        self._set_number("sigma", largest=10.0)
        if self.alpha + self.beta == 0:
            raise OptionError("alpha and beta must not both be 0")
        if not math.isclose(self.a + self.b, 1.0, abs_tol=1e-9):
            raise OptionError(f"a and b must sum to 1, but a={self.a!r} and b={self.b!r}")
        for name in ("visible_expectations", "noise"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise OptionError(f"{name} must be True or False, not {value!r}")
        self._check_choice("order", ORDERS)
        self._check_choice("quality", QUALITY_MODELS)

    @classmethod
    def from_options(cls, **options: Any) -> MarketConfig:
        """Make a configuration from options by name.

        Args:
            **options: the options to change.

        Returns:
            The configuration.

        Raises:
            OptionError: an option is unknown, has the wrong type or is out of range.
        """
        known = [field.name for field in fields(cls)]
        unknown = set(options) - set(known)
        if unknown:
            raise OptionError(f"unknown option {listed(unknown)}; known: {listed(known)}")
        return cls(**options)

    def _set_count(self, name: str) -> None:
        value = getattr(self, name)
        if value is None:
            return
        try:
            count = operator.index(value)
        except TypeError:
            count = 0
        if isinstance(value, bool) or count < 1:
            raise OptionError(f"{name} must be a positive integer or None, not {value!r}")
        object.__setattr__(self, name, count)

    def _set_number(self, name: str, *, positive: bool = False, largest: float = _LARGEST) -> None:
        value: Any = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise OptionError(f"{name} must be a number, not {value!r}")
        # NaN fails the comparison, so it is refused as well.
        if not 0 <= value <= largest or (positive and value == 0):
            lowest = "above 0" if positive else "at least 0"
            raise OptionError(f"{name} must be {lowest} and at most {largest:g}, not {value!r}")
        object.__setattr__(self, name, float(value))

    def _check_choice(self, name: str, known: Collection[str]) -> None:
        value = getattr(self, name)
        if not isinstance(value, str) or value not in known:
            raise OptionError(f"unknown {name} {value!r}; known: {listed(known)}")
