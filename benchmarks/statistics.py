"""Means, interquartile means and bootstrap intervals, seeded and vectorised.

Source: Agarwal et al. 2021, "Deep reinforcement learning at the edge of the statistical
precipice", for the interquartile mean and the stratified percentile bootstrap.

Intervals here are over markets; `crossed_bootstrap` has those over trainings and markets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Reduces the last axis of an array (..., n) to (...)."""


class Interval(NamedTuple):
    """An estimate with the ends of its confidence interval."""

    estimate: float
    low: float
    high: float


def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the mean over the last axis.

    Args:
        values: Array (..., n).

    Returns:
        Array (...).
    """
    return np.asarray(values.mean(axis=-1))


def interquartile_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the mean of the middle half over the last axis.

    floor(n/4) values are left out at each end, as in `scipy.stats.trim_mean(values, 0.25)`.

    Args:
        values: Array (..., n).

    Returns:
        Array (...).
    """
    n = values.shape[-1]
    cut = n // 4
    ordered = np.partition(values, (cut, n - cut - 1), axis=-1)
    return np.asarray(ordered[..., cut : n - cut].mean(axis=-1))


def bootstrap(
    values: ArrayLike,
    statistic: Statistic = mean,
    *,
    seed: int,
    resamples: int = 2000,
) -> Interval:
    """Compute a statistic with its stratified 95 % percentile bootstrap interval.

    Values are drawn with replacement within each stratum, so that each stratum keeps its weight.
    A paired interval for a difference is the interval of the differences.

    Args:
        values: Array (n,) or (strata, n), for example one stratum per pack. All must be finite.
        statistic: Applied to all values of all strata together.
        seed: Seed of the resampling.
        resamples: Number of bootstrap samples.

    Returns:
        The statistic of `values` and the ends of its interval.

    Raises:
        ValueError: If values are missing or not finite.
    """
    data = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if data.ndim != 2 or data.size == 0:
        raise ValueError(f"values must have the shape (n,) or (strata, n), got {data.shape}")
    if not np.isfinite(data).all():
        raise ValueError("values must be finite")
    rng = np.random.default_rng(seed)
    strata, n = data.shape
    draws = rng.integers(n, size=(resamples, strata, n))
    samples = np.take_along_axis(data[None], draws, axis=2).reshape(resamples, -1)
    low, high = np.quantile(statistic(samples), [0.025, 0.975])
    return Interval(float(statistic(data.reshape(-1))), float(low), float(high))


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    statistic: Statistic = mean,
    *,
    seed: int,
    resamples: int = 2000,
) -> Interval:
    """Compute the bootstrap interval of first - second on the same markets.

    Args:
        first: Array (n,) or (strata, n); a value per market.
        second: The same shape, the same markets in the same order.
        statistic: Applied to the differences.
        seed: Seed of the resampling.
        resamples: Number of bootstrap samples.

    Returns:
        The statistic of the differences and the ends of its interval.

    Raises:
        ValueError: If the shapes differ, or as in `bootstrap`.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"paired values need equal shapes, got {a.shape} and {b.shape}")
    return bootstrap(a - b, statistic, seed=seed, resamples=resamples)
