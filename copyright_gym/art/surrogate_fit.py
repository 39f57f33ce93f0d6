"""Fit the surrogate to real fine-tuning histories and measure its error on held-out ones."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from copyright_gym.art.held_out import FOLDS, Form, fit_noise, folds, held_out_errors
from copyright_gym.art.measured import Floats, Measured, seed_noise
from copyright_gym.art.surrogate_error import coverage_report, error_report
from copyright_gym.exposure_surrogate import ExposureSurrogate

_HIDDEN: Final = 16
# Chosen with the width on whole held-out histories of the three packs, for all of them.
_FADE: Final = 0.9
_PENALTY: Final = 2e-4
_ITERATIONS: Final = 300


def exposure_features(bought: NDArray[np.bool_], fade: float) -> Floats:
    """Return what `ExposureSurrogate` sees of histories: shares n_i / N, then exposures / T.

    Args:
        bought: (n, T, H) bool, the histories.
        fade: What a new lot leaves of earlier exposures.

    Returns:
        float64 (n, 2 * H).
    """
    n, rounds, holders = bought.shape
    counts, shares, exposures = np.zeros((3, n, holders))
    for t in range(rounds):
        new = bought[:, t].sum(axis=1, keepdims=True)
        counts += bought[:, t]
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        exposures = exposures * fade**new + new * shares
    return np.concatenate([shares, exposures / rounds], axis=1)


def fit_exposure(rows: Measured, fade: float, penalty: float) -> ExposureSurrogate:
    """Fit an exposure surrogate by L-BFGS on squared error.

    Args:
        rows: Measured qualities.
        fade: What a new lot leaves of earlier exposures.
        penalty: Weight of the mean squared weights in the loss.

    Returns:
        The surrogate; its noise is left at 0.
    """
    _, rounds, holders = rows.bought.shape
    inputs = exposure_features(rows.bought, fade)
    weights, bias, out = _fit_layer(inputs, rows.quality, penalty)
    shares, exposures = np.split(weights, 2)
    noise = np.zeros(rounds * holders + 1)
    return ExposureSurrogate(rounds, fade, shares, exposures, bias, out, noise)


def _fit_layer(inputs: Floats, target: Floats, penalty: float) -> tuple[Floats, Floats, Floats]:
    """Return input weights (F, K), bias (K,) and output weights (K,)."""
    rng = np.random.default_rng(0)
    size = inputs.shape[1]
    shapes = ((size, _HIDDEN), (_HIDDEN,), (_HIDDEN,))
    ends = np.cumsum([np.prod(shape) for shape in shapes])[:-1]

    def unpack(flat: Floats) -> list[Floats]:
        parts = np.split(flat, ends)
        return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights, bias, out = unpack(flat)
        before, start = inputs @ weights + bias, 1 + np.abs(bias)
        scale = 1 + np.abs(before)
        active, still = before / scale, bias / start
        error = (active - still) @ out - target
        value = np.mean(error**2) + penalty * (np.sum(weights**2) + np.sum(out**2)) / _HIDDEN
        slope = 2 * error[:, None] / len(target)
        back = slope * out / scale**2
        gradient = (
            inputs.T @ back + 2 * penalty * weights / _HIDDEN,
            back.sum(axis=0) - slope.sum() * out / start**2,
            (slope * (active - still)).sum(axis=0) + 2 * penalty * out / _HIDDEN,
        )
        return float(value), np.concatenate([part.ravel() for part in gradient])

    start = [rng.standard_normal(shapes[0]) / size**0.5, np.zeros(_HIDDEN)]
    start.append(rng.standard_normal(_HIDDEN) / _HIDDEN**0.5)
    best = minimize(
        loss,
        np.concatenate([part.ravel() for part in start]),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _ITERATIONS},
    )
    weights, bias, out = unpack(best.x)
    return weights, bias, out


EXPOSURE: Final = Form(
    lambda rows, **settings: fit_exposure(rows, **settings).quality,
    ({"fade": _FADE, "penalty": _PENALTY},),
)
"""The form that packs store."""


def fit_surrogate(rows: Measured) -> tuple[ExposureSurrogate, dict[str, Any]]:
    """Fit the surrogate of a pack, its uncertainty included, and measure its error.

    The reported errors are of histories that neither the fit nor its uncertainty has seen.

    Args:
        rows: Measured qualities.

    Returns:
        The surrogate and its report: the settings, the seed noise, and with `held_out_` before
        their names the figures of `error_report` and `coverage_report`.
    """
    surrogate, settings = _fit_with_noise(rows)
    errors, foreseen = np.zeros((2, len(rows.quality)))
    for held_out in folds(rows.group):
        fitted, _ = _fit_with_noise(rows[~held_out])
        errors[held_out] = fitted.quality(rows.bought[held_out]) - rows.quality[held_out]
        foreseen[held_out] = fitted.noise[rows.lots[held_out]]
    noise = seed_noise(rows)
    figures = error_report(rows, errors, noise)
    figures["coverage"] = coverage_report(rows, errors, foreseen)
    return surrogate, {
        "form": "exposure",
        "hidden": surrogate.bias.size,
        **settings,
        "measurements": len(rows.quality),
        "folds": FOLDS,
        "seed_noise": noise.report(),
        **{f"held_out_{name}": figure for name, figure in figures.items()},
    }


def _fit_with_noise(rows: Measured) -> tuple[ExposureSurrogate, dict[str, Any]]:
    """Fit, uncertainty included; return the settings too."""
    (settings,) = EXPOSURE.settings
    errors = held_out_errors(functools.partial(EXPOSURE.fit, **settings), rows)
    return replace(fit_exposure(rows, **settings), noise=fit_noise(errors, rows)), settings
