"""Errors on whole held-out histories, and settings that are chosen by them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from copyright_gym.art.measured import Bools, Floats, Ints, Measured

Predict = Callable[[Bools], Floats]
"""From purchase histories, bool (n, T, H), to qualities, (n,)."""

FOLDS: Final = 5


@dataclass(frozen=True)
class Form:
    """A form of surrogate with the settings to choose from.

    Attributes:
        fit: From rows and one of the settings, as keyword arguments, to a prediction.
        settings: The settings.
    """

    fit: Callable[..., Predict]
    settings: tuple[dict[str, Any], ...]


def folds(groups: Ints) -> Iterator[NDArray[np.bool_]]:
    """Yield the held-out rows of each fold, bool (n,); rows of one group stay together."""
    dense = np.unique(groups, return_inverse=True)[1]
    number = int(dense.max()) + 1
    fold = np.random.default_rng(0).permutation(number)[dense] % FOLDS
    for index in range(min(FOLDS, number)):
        yield fold == index


def held_out_errors(train: Callable[[Measured], Predict], rows: Measured) -> Floats:
    """Return prediction minus measured quality (n,), each by a fit that saw none of its history.

    Args:
        train: From rows to a prediction.
        rows: Measured qualities.
    """
    errors = np.zeros(len(rows.quality))
    for held_out in folds(rows.group):
        predict = train(rows[~held_out])
        errors[held_out] = predict(rows.bought[held_out]) - rows.quality[held_out]
    return errors


def choose(form: Form, rows: Measured) -> dict[str, Any]:
    """Return the settings of the least squared error on held-out histories."""
    if len(form.settings) == 1:
        return form.settings[0]

    def error(settings: dict[str, Any]) -> float:
        train = functools.partial(form.fit, **settings)
        return float(np.square(held_out_errors(train, rows)).mean())

    return min(form.settings, key=error)


def fit_chosen(form: Form, rows: Measured) -> Predict:
    """Choose the settings on held-out histories, then fit to all rows."""
    return form.fit(rows, **choose(form, rows))


def fit_noise(errors: Floats, rows: Measured) -> Floats:
    """Return the standard deviation of a measured quality around the prediction, by lots.

    The variance is modelled as a + b / N with a and b of at least 0: histories of few lots N are
    harder to foresee.

    Args:
        errors: (n,) held-out prediction minus measured quality.
        rows: The measured qualities.

    Returns:
        float64 (T * H + 1,), 0 for no lots.
    """
    most = rows.bought[0].size
    design = np.stack([np.ones(len(errors)), 1 / rows.lots], axis=1)
    level, rise = nnls(design, errors**2)[0]
    return np.append(0.0, np.sqrt(level + rise / np.arange(1, most + 1)))
