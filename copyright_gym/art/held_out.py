"""Errors on whole held-out histories, the settings being chosen without them."""

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
    fold = np.random.default_rng(0).permutation(dense.max() + 1)[dense] % FOLDS
    for index in range(FOLDS):
        yield fold == index


def choose(form: Form, rows: Measured) -> tuple[dict[str, Any], Floats]:
    """Choose the settings of the least squared error on held-out histories.

    Returns:
        The settings, and their errors (n,): prediction minus measured quality.
    """
    best: tuple[float, dict[str, Any], Floats] | None = None
    for settings in form.settings:
        fit = functools.partial(form.fit, **settings)
        errors = np.zeros(len(rows.quality))
        for held_out in folds(rows.group):
            errors[held_out] = fit(rows[~held_out])(rows.bought[held_out]) - rows.quality[held_out]
        score = float(np.square(errors).mean())
        if best is None or score < best[0]:
            best = score, settings, errors
    if best is None:
        raise ValueError("the form has no settings")
    return best[1:]


def honest_errors(form: Form, rows: Measured, groups: Ints) -> tuple[Floats, Floats]:
    """Return errors on held-out groups; settings and uncertainty come from the other groups.

    Args:
        form: The form of surrogate.
        rows: Measured qualities.
        groups: Index (n,) of what is held out together, for example `rows.group`.

    Returns:
        Prediction minus measured quality (n,), and its foreseen standard deviation (n,).
    """
    errors, foreseen = np.zeros((2, len(rows.quality)))
    for held_out in folds(groups):
        training = rows[~held_out]
        settings, inner = choose(form, training)
        predict = form.fit(training, **settings)
        errors[held_out] = predict(rows.bought[held_out]) - rows.quality[held_out]
        foreseen[held_out] = fit_noise(inner, training)[rows.lots[held_out]]
    return errors, foreseen


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
