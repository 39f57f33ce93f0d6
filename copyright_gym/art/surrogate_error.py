"""What the errors of a surrogate on held-out histories say, with bootstrap intervals."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from copyright_gym.art.measured import Floats, Measured, SeedNoise, bootstrap_weights

BANDS: Final = {"1-4": (1, 4), "5-12": (5, 12), "13+": (13, np.inf)}
"""Numbers of lots bought, for a table."""

_COVERAGES: Final = (0.5, 0.9)


def error_report(rows: Measured, errors: Floats, noise: SeedNoise) -> dict[str, Any]:
    """Summarise errors on held-out histories.

    The intervals are those of 95 % of a bootstrap that draws whole histories. Those of
    `over_seed_noise`, the mean absolute error over the seed noise, draw the seed noise as well.

    Args:
        rows: Measured qualities.
        errors: (n,) prediction minus measured quality.
        noise: The seed noise.

    Returns:
        JSON-safe figures: `r2`, `r2_of_explainable` (of the total variance minus that of the
        seed noise), `mean_absolute_error` and `over_seed_noise`, each with `_interval`, and the
        last two again in `by_lots`. R² is NaN where the quality varies no more than
        the seed noise.
    """
    drawn = _drawn_rows(rows)
    everything = np.ones((1, len(errors)))
    report: dict[str, Any] = {}
    point = _figures(rows.quality, errors, everything, np.array([noise.std]))
    draws = _figures(rows.quality, errors, drawn, noise.draws)
    for name, value in point.items():
        report[name] = float(value[0])
        report[f"{name}_interval"] = _interval(draws[name])
    report["by_lots"] = {}
    for band, here in _bands(rows):
        mean = np.abs(errors[here]).mean()
        means = _drawn_means(drawn[:, here], np.abs(errors[here]))
        report["by_lots"][band] = {
            "rows": int(here.sum()),
            "mean_absolute_error": float(mean),
            "mean_absolute_error_interval": _interval(means),
            "over_seed_noise": float(mean / noise.std),
            "over_seed_noise_interval": _interval(means / noise.draws),
        }
    return report


def coverage_report(rows: Measured, errors: Floats, foreseen: Floats) -> dict[str, Any]:
    """Tell how often a measured quality lies in its normal interval around the prediction.

    Args:
        rows: Measured qualities.
        errors: (n,) prediction minus measured quality.
        foreseen: (n,) standard deviation foreseen for each, without knowing it.

    Returns:
        JSON-safe: for all rows and by number of lots, the shares of rows in the intervals that
        should hold 50 % and 90 %, and the root mean square of error / standard deviation.
    """
    scores = errors / foreseen
    drawn = _drawn_rows(rows)
    report = {}
    for band, here in [("all", np.ones(len(errors), bool)), *_bands(rows)]:
        entry: dict[str, Any] = {
            "rows": int(here.sum()),
            "score_root_mean_square": float(np.sqrt(np.square(scores[here]).mean())),
        }
        for nominal in _COVERAGES:
            inside = np.abs(scores[here]) <= NormalDist().inv_cdf(0.5 + nominal / 2)
            name = f"inside_{100 * nominal:.0f}"
            entry[name] = float(inside.mean())
            entry[f"{name}_interval"] = _interval(_drawn_means(drawn[:, here], inside))
        report[band] = entry
    return report


def _figures(quality: Floats, errors: Floats, weights: Floats, noise: Floats) -> dict[str, Floats]:
    """Return figures for each of (m, n) weights of the rows and (m,) noises, each (m,)."""
    total = weights.sum(axis=1)
    square = weights @ errors**2 / total
    variance = weights @ quality**2 / total - (weights @ quality / total) ** 2
    mean = weights @ np.abs(errors) / total
    # A draw of few histories may have nothing to explain.
    variance[variance <= noise**2] = np.nan
    return {
        "r2": 1 - square / variance,
        "r2_of_explainable": 1 - (square - noise**2) / (variance - noise**2),
        "mean_absolute_error": mean,
        "over_seed_noise": mean / noise,
    }


def _bands(rows: Measured) -> list[tuple[str, NDArray[np.bool_]]]:
    lots = rows.lots
    bands = [(name, (lots >= low) & (lots <= high)) for name, (low, high) in BANDS.items()]
    return [(name, here) for name, here in bands if here.any()]


def _drawn_rows(rows: Measured) -> Floats:
    """Return how often a bootstrap over histories draws each row, (DRAWS, n)."""
    dense = np.unique(rows.group, return_inverse=True)[1]
    return bootstrap_weights(int(dense.max()) + 1)[:, dense]


def _drawn_means(weights: Floats, values: NDArray[Any]) -> Floats:
    """Return the weighted means of (n,) values, (m,); not a number where no row was drawn."""
    total = weights.sum(axis=1)
    means = np.full(len(total), np.nan)
    np.divide(weights @ values, total, out=means, where=total > 0)
    return means


def _interval(draws: Floats) -> list[float]:
    some = draws[~np.isnan(draws)]
    return [float(x) for x in np.quantile(some, (0.025, 0.975))] if len(some) else [np.nan] * 2
