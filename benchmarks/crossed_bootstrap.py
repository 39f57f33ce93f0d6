"""Bootstrap intervals over trainings and markets at once.

Each training of a policy plays the same markets, so its values are a matrix. A bootstrap sample
draws trainings, for each policy for itself, and markets, for all policies the same (Owen 2007,
"The pigeonhole bootstrap"). With one training the intervals are over markets alone. Strata as in
Agarwal et al. 2021, "Deep reinforcement learning at the edge of the statistical precipice".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from copyright_gym.benchmarks.statistics import Interval, Statistic, mean

Floats = NDArray[np.float64]


def crossed_interval(
    *strata: ArrayLike, statistic: Statistic = mean, seed: int, resamples: int = 2000
) -> Interval:
    """Compute a statistic of a policy's values, each market's being its mean over the trainings.

    Args:
        strata: Arrays (trainings, n), for example one per pack; each is resampled for itself.
        statistic: Reduces the values of all markets together.
        seed: Seed of the resampling.
        resamples: Number of bootstrap samples.

    Returns:
        The statistic with its 95 % interval.

    Raises:
        ValueError: If values are missing or not finite.
    """
    tables = [_table(values) for values in strata]
    rng = np.random.default_rng(seed)
    drawn = [_markets(table, _shares(rng, table, resamples), rng) for table in tables]
    return _interval(statistic(np.concatenate(drawn, axis=1)))


def crossed_difference(
    first: ArrayLike,
    second: ArrayLike,
    statistic: Statistic = mean,
    *,
    seed: int,
    resamples: int = 2000,
) -> Interval:
    """Compute the interval of first - second on the same markets.

    Args:
        first: Array (trainings, n).
        second: Array (other trainings, n), the same markets in the same order.
        statistic: Reduces the differences of the n markets.
        seed: Seed of the resampling.
        resamples: Number of bootstrap samples.

    Returns:
        The statistic of the differences with its 95 % interval.

    Raises:
        ValueError: If values are missing or not finite, or of different numbers of markets.
    """
    a, b = _pair(first, second)
    rng = np.random.default_rng(seed)
    shares = np.concatenate([_shares(rng, table, resamples) for table in (a, b)], axis=1)
    return _interval(statistic(_markets(np.concatenate([a, -b]), shares, rng)))


def crossed_improvement(
    first: ArrayLike, second: ArrayLike, *, seed: int, resamples: int = 2000
) -> Interval:
    """Compute how probably a training of the first policy does better than one of the second.

    On the same market; ties count as one half, as in the Mann-Whitney statistic of Agarwal et al.
    2021, where the runs are not paired by market.

    Args:
        first: Array (trainings, n).
        second: Array (other trainings, n), the same markets in the same order.
        seed: Seed of the resampling.
        resamples: Number of bootstrap samples.

    Returns:
        The probability with its 95 % interval.

    Raises:
        ValueError: If values are missing or not finite, or of different numbers of markets.
    """
    a, b = _pair(first, second)
    rng = np.random.default_rng(seed)
    one, other = (_shares(rng, table, resamples) for table in (a, b))
    wins = (np.sign(a[:, None] - b[None, :]) + 1) / 2
    shares = one[:, :, None] * other[:, None, :]
    size = len(a) * len(b)
    return _interval(mean(_markets(wins.reshape(size, -1), shares.reshape(-1, size), rng)))


def crossed_means(*strata: ArrayLike, seed: int, resamples: int = 500) -> list[Interval]:
    """Compute the means of k quantities of a policy's episodes at once.

    Args:
        strata: Arrays (trainings, n, k); each is resampled for itself. NaN is left out.
        seed: Seed of the resampling, the same draws for all quantities.
        resamples: Number of bootstrap samples.

    Returns:
        The k means with their 95 % intervals; NaN where nothing is known.
    """
    rng = np.random.default_rng(seed)
    sums = weights = np.zeros((1 + resamples, np.shape(strata[0])[2]))
    for values in strata:
        table = np.asarray(values, dtype=np.float64)
        shares, counts = _shares(rng, table, resamples), _counts(rng, table.shape[1], resamples)
        for share, rows in zip(shares.T[:, :, None], table, strict=True):
            known = np.isfinite(rows)
            sums = sums + share * (counts @ np.where(known, rows, 0.0))
            weights = weights + share * (counts @ known.astype(np.float64))
    means = np.divide(sums, weights, out=np.full_like(sums, np.nan), where=weights > 0)
    return [
        _interval(column[np.append(True, np.isfinite(column[1:]))])
        if np.isfinite(column).sum() > 1
        else Interval(np.nan, np.nan, np.nan)
        for column in means.T
    ]


def _table(values: ArrayLike) -> Floats:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.size == 0:
        raise ValueError(f"values must have the shape (trainings, n), got {table.shape}")
    if not np.isfinite(table).all():
        raise ValueError("values must be finite")
    return table


def _pair(first: ArrayLike, second: ArrayLike) -> tuple[Floats, Floats]:
    a, b = _table(first), _table(second)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"policies met {a.shape[1]} and {b.shape[1]} markets, not the same")
    return a, b


def _shares(rng: np.random.Generator, table: Floats, resamples: int) -> Floats:
    """Draw trainings with replacement, behind a first row with each training once.

    Returns:
        Each training's share, float64 (1 + resamples, trainings).
    """
    n = len(table)
    even = np.full((1, n), 1 / n)
    return np.concatenate([even, rng.multinomial(n, even[0], size=resamples) / n])


def _markets(table: Floats, shares: Floats, rng: np.random.Generator) -> Floats:
    """Weigh the rows of a table (k, n) and draw markets, behind a first row with each once.

    Returns:
        float64 (1 + resamples, n).
    """
    n = table.shape[1]
    markets = rng.integers(n, size=(len(shares), n))
    markets[0] = np.arange(n)
    return np.take_along_axis(shares @ table, markets, axis=1)


def _counts(rng: np.random.Generator, n: int, resamples: int) -> Floats:
    """Draw how often each of n markets comes, behind a first row with each once."""
    draws = rng.integers(n, size=(resamples, n)) + n * np.arange(resamples)[:, None]
    counts = np.bincount(draws.ravel(), minlength=resamples * n).reshape(resamples, n)
    return np.concatenate([np.ones((1, n)), counts])


def _interval(found: Floats) -> Interval:
    low, high = np.quantile(found[1:], [0.025, 0.975])
    return Interval(float(found[0]), float(low), float(high))
