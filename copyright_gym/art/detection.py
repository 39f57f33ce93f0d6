"""How well scores tell copies from negatives: ROC-AUC, TPR at a FPR, bootstrap over works."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Values = NDArray[np.float64]
Statistic = Callable[[NDArray[np.int64]], float]


def auc(copies: Values, negatives: Values) -> float:
    """Return the probability that a copy scores above a negative; ties count half."""
    ranks = rankdata(np.concatenate([copies, negatives]))
    n, m = len(copies), len(negatives)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def true_positive_rate(
    copies: Values, negatives: Values, false_positive_rate: float = 0.01
) -> float:
    """Return the share of copies above the threshold that at most this share of negatives pass."""
    passing = int(false_positive_rate * len(negatives))
    threshold = np.sort(negatives)[len(negatives) - passing - 1]
    return float((copies > threshold).mean())


def bootstrap(statistic: Statistic, works: int, draws: int, seed: int = 0) -> NDArray[np.float64]:
    """Return (draws,) values of a statistic over works drawn anew; one seed, one set of draws.

    Copies and negatives of one work hang together, so whole works are drawn.

    Args:
        statistic: Takes (works,) indices of works.
        works: Number of works.
        draws: Number of draws.
        seed: Seed of the draws.
    """
    rng = np.random.default_rng(seed)
    return np.array([statistic(rng.integers(works, size=works)) for _ in range(draws)])


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % percentile interval."""
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)
