"""Fit the surrogate to real fine-tuning histories and measure its error on held-out ones."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, nnls

from copyright_gym.art.corpus import History
from copyright_gym.exposure_surrogate import ExposureSurrogate

Floats = NDArray[np.float64]

_HIDDEN: Final = (8, 16)
_FADES: Final = (0.86, 0.9, 0.95)
_PENALTIES: Final = (3e-5, 1e-4, 3e-4, 1e-3)
_ITERATIONS: Final = 500
_FOLDS: Final = 5


@dataclass(frozen=True)
class Measured:
    """Measured qualities: one row for each finished round of each run.

    Attributes:
        bought: (n, T, H) bool, what was bought up to that round.
        quality: (n,) measured quality.
        group: (n,) index of the history; replicates share it.
    """

    bought: NDArray[np.bool_]
    quality: Floats
    group: NDArray[np.int64]

    def __getitem__(self, chosen: NDArray[np.bool_]) -> Measured:
        """Return the chosen rows."""
        return Measured(self.bought[chosen], self.quality[chosen], self.group[chosen])


def measured_rows(
    records: Sequence[tuple[History, Sequence[float]]],
    base_distance: float,
    rounds: int,
    holders: int,
) -> Measured:
    """Turn histories with their distances into rows.

    Args:
        records: Pairs of a history and the distance after each of its rounds.
        base_distance: Distance D0 of the base model.
        rounds: Number of rounds T.
        holders: Number of holders H.
    """
    bought, quality, group = [], [], []
    groups: dict[History, int] = {}
    for history, distances in records:
        index = groups.setdefault(history, len(groups))
        so_far = np.zeros((rounds, holders), bool)
        for t, distance in enumerate(distances):
            so_far[t, list(history[t])] = True
            bought.append(so_far.copy())
            quality.append(1 - distance / base_distance)
            group.append(index)
    return Measured(np.array(bought), np.array(quality), np.array(group))


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


def fit_exposure(
    rows: Measured, rounds: int, hidden: int, fade: float, penalty: float, seed: int = 0
) -> ExposureSurrogate:
    """Fit an exposure surrogate by L-BFGS on squared error; its noise is left at 0.

    Args:
        rows: Measured qualities.
        rounds: Number of rounds T of the pack.
        hidden: Width of the layer, a power of two.
        fade: What a new lot leaves of earlier exposures.
        penalty: Weight of the mean squared weights in the loss.
        seed: Seed of the starting weights.
    """
    rng = np.random.default_rng(seed)
    inputs, target = exposure_features(rows.bought, fade), rows.quality
    size = inputs.shape[1]
    shapes = ((size, hidden), (hidden,), (hidden,))
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
        value = np.mean(error**2) + penalty * (np.sum(weights**2) + np.sum(out**2)) / hidden
        slope = 2 * error[:, None] / len(target)
        back = slope * out / scale**2
        gradient = (
            inputs.T @ back + 2 * penalty * weights / hidden,
            back.sum(axis=0) - slope.sum() * out / start**2,
            (slope * (active - still)).sum(axis=0) + 2 * penalty * out / hidden,
        )
        return float(value), np.concatenate([part.ravel() for part in gradient])

    start = [rng.standard_normal(shapes[0]) / size**0.5, np.zeros(hidden)]
    start.append(rng.standard_normal(hidden) / hidden**0.5)
    best = minimize(
        loss,
        np.concatenate([part.ravel() for part in start]),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _ITERATIONS},
    )
    weights, bias, out = unpack(best.x)
    shares, exposures = np.split(weights, 2)
    noise = np.zeros(rounds * len(shares) + 1)
    return ExposureSurrogate(rounds, fade, shares, exposures, bias, out, noise)


def fit_noise(errors: Floats, number: NDArray[np.int64], most: int) -> Floats:
    """Return the standard deviation of held-out errors by the number of lots bought.

    The variance is modelled as a + b / N with a and b of at least 0: histories of few lots are
    harder to foresee.

    Args:
        errors: (n,) prediction minus measured quality.
        number: (n,) lots bought N; rows of nothing bought don't count.
        most: Largest number of lots.

    Returns:
        float64 (most + 1,), 0 for no lots.
    """
    some = number > 0
    design = np.stack([np.ones(some.sum()), 1 / number[some]], axis=1)
    level, rise = nnls(design, errors[some] ** 2)[0]
    return np.append(0.0, np.sqrt(level + rise / np.arange(1, most + 1)))


def _held_out_errors(rows: Measured, rounds: int, *choice: Any) -> Floats:
    """Return prediction minus truth of each row, predicted by fits that saw none of its history."""
    errors = np.zeros(len(rows.quality))
    fold = np.random.default_rng(0).permutation(rows.group.max() + 1)[rows.group] % _FOLDS
    for index in range(_FOLDS):
        surrogate = fit_exposure(rows[fold != index], rounds, *choice)
        errors[fold == index] = (
            surrogate.quality(rows.bought[fold == index]) - rows.quality[fold == index]
        )
    return errors


def fit_surrogate(
    rows: Measured, rounds: int, noise_std: float
) -> tuple[ExposureSurrogate, dict[str, Any]]:
    """Choose the settings by cross-validation over whole histories, then fit on all rows.

    The reported errors are those of the same folds that chose the settings.

    Args:
        rows: Measured qualities.
        rounds: Number of rounds T of the pack.
        noise_std: Seed-to-seed standard deviation of the quality.

    Returns:
        The surrogate and its report: held-out R², mean absolute error next to the seed noise.
    """
    candidates = {
        choice: _held_out_errors(rows, rounds, *choice)
        for choice in itertools.product(_HIDDEN, _FADES, _PENALTIES)
    }
    best = min(candidates, key=lambda key: float(np.square(candidates[key]).mean()))
    errors = candidates[best]
    variance = float(rows.quality.var())
    report = {
        "form": "exposure",
        "hidden": best[0],
        "fade": best[1],
        "penalty": best[2],
        "rows": len(rows.quality),
        "histories": int(rows.group.max()) + 1,
        "folds": _FOLDS,
        "held_out_r2": 1 - float(np.square(errors).mean()) / variance,
        "held_out_r2_of_explainable": 1
        - (float(np.square(errors).mean()) - noise_std**2) / (variance - noise_std**2),
        "held_out_mean_absolute_error": float(np.abs(errors).mean()),
        "seed_noise_std": noise_std,
    }
    number = rows.bought.sum(axis=(1, 2))
    noise = fit_noise(errors, number, rows.bought[0].size)
    return replace(fit_exposure(rows, rounds, *best), noise=noise), report
