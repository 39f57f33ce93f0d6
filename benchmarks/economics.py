"""Who gets what: economic measures of episodes; `docs/economics.md` has the formulas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from copyright_gym.agents.round_games import shapley_values
from copyright_gym.config import MarketConfig
from copyright_gym.rollout import Episodes
from copyright_gym.tables import make_tables

Floats = NDArray[np.float64]


def gini(payments: Floats) -> Floats:
    """Return the Gini coefficient of the holders' payments.

    Args:
        payments: float64 (n, H), at least 0.

    Returns:
        float64 (n,): 0 if all get the same, (H - 1) / H if one gets all, NaN if nobody is paid.
    """
    holders = payments.shape[1]
    weights = 2 * np.arange(1, holders + 1) - holders - 1
    return _ratio(np.sort(payments, axis=1) @ weights, holders * payments.sum(axis=1))


def jain(payments: Floats) -> Floats:
    """Return Jain's fairness index (Jain et al. 1984) of the holders' payments.

    Args:
        payments: float64 (n, H), at least 0.

    Returns:
        float64 (n,): 1 if all get the same, 1 / H if one gets all, NaN if nobody is paid.
    """
    squares = payments.shape[1] * (payments**2).sum(axis=1)
    return _ratio(payments.sum(axis=1) ** 2, squares)


def correlation(payments: Floats, scores: Floats) -> Floats:
    """Return Pearson's correlation between payments and scores of the holders.

    Args:
        payments: float64 (n, H).
        scores: float64 (H,).

    Returns:
        float64 (n,); NaN if either does not vary.
    """
    x = payments - payments.mean(axis=1, keepdims=True)
    y = scores - scores.mean()
    return _ratio(x @ y, np.sqrt((x**2).sum(axis=1) * (y @ y)))


def measures(config: MarketConfig, episodes: Episodes) -> dict[str, Floats]:
    """Compute all measures of episodes.

    Args:
        config: options of the markets.
        episodes: what was played.

    Returns:
        By name, float64 (n,) each: `overspent` and `underpaid` (both 0 where the budget and
        individual rationality hold), `gini`, `jain`, `shapley_correlation`, `loss_payment` and
        `overpayment`. NaN where a measure is not defined.
    """
    tables = make_tables(config)
    paid, bought = episodes.payments, episodes.bought
    total, asked = paid.sum(axis=(1, 2)), np.where(bought, episodes.expectations, 0.0)
    holders = paid.sum(axis=1)
    return {
        "overspent": np.maximum(total / episodes.budget - 1, 0.0),
        "underpaid": np.maximum(asked - paid, 0.0).max(axis=(1, 2)),
        "gini": gini(holders),
        "jain": jain(holders),
        "shapley_correlation": correlation(holders, shapley_values(config).sum(axis=0)),
        "loss_payment": _ratio((paid * tables.loss).sum(axis=(1, 2)), total),
        "overpayment": _ratio(total - asked.sum(axis=(1, 2)), asked.sum(axis=(1, 2))),
    }


def _ratio(above: Floats, below: Floats) -> Floats:
    ratio: Floats = np.full(len(above), np.nan)
    return np.divide(above, below, out=ratio, where=below > 1e-12)
