"""Do scores say what holders really add? Compared with coalitions that were really fine-tuned.

The truth is as far as coalitions of the first round are measured: quality alone, leave-one-out
and, once all 2^H are there, exact Shapley values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from copyright_gym.art.coalitions import Qualities
from copyright_gym.art.rank_correlation import pearson, ranks
from copyright_gym.coalition_game import (
    all_coalitions,
    leave_one_out,
    round_shapley_values,
    shapley_values,
)
from copyright_gym.pack import Pack

Floats = NDArray[np.float64]

_DRAWS: Final = 2000
_FEWEST: Final = 4  # holders that a correlation is computed over


def pack_estimates(pack: Pack) -> dict[str, Floats]:
    """Return what a pack itself says of its holders in the first round, (H,) each."""
    holders = len(pack.holders)
    bought = np.zeros((holders, *pack.surrogate.shape), np.bool_)
    bought[:, 0] = np.eye(holders, dtype=np.bool_)
    method = pack.provenance.get("contribution", "given")
    return {
        f"contribution ({method})": pack.contribution[0],
        f"contribution ({method}), all rounds": pack.contribution.sum(axis=0),
        "surrogate, alone": pack.surrogate.quality(bought),
        "surrogate, Shapley": round_shapley_values(pack.surrogate)[0],
    }


def holder_report(
    qualities: Qualities, holders: int, estimates: Mapping[str, Floats]
) -> dict[str, Any]:
    """Compare estimates with all that measured coalitions say of single holders.

    Args:
        qualities: Measured qualities of coalitions.
        holders: Number of holders H.
        estimates: (H,) values of each estimator.

    Returns:
        JSON-safe figures: the truths by name, holder and seed, and for each truth that is known
        of four holders or more the correlations of each estimate with it, over those holders.
    """
    truths = _truths(qualities, holders)
    return {
        "coalitions": len(qualities),
        "all_coalitions": 2**holders,
        "seeds": min(map(len, qualities.values())),
        "truths": {
            name: {str(i): values.tolist() for i, values in by_holder.items()}
            for name, by_holder in truths.items()
        },
        "estimates": {name: values.tolist() for name, values in estimates.items()},
        "correlations": {
            truth: {
                name: correlations(values[list(by_holder)], list(by_holder.values()))
                for name, values in estimates.items()
            }
            for truth, by_holder in truths.items()
            if len(by_holder) >= _FEWEST
        },
    }


def _truths(qualities: Qualities, holders: int) -> dict[str, dict[int, Floats]]:
    """Return (seeds,) values of each holder that they are known of."""
    values = {members: np.array(list(by_seed.values())) for members, by_seed in qualities.items()}
    if len(values) == 2**holders:
        members = [tuple(np.flatnonzero(row).tolist()) for row in all_coalitions(holders)]
        seeds = min(map(len, values.values()))
        # Further seeds of a coalition count too: each column is a mean over a part of them.
        parts = [slice(first, None, seeds) for first in range(seeds)]
        table = np.array([[values[m][part].mean() for part in parts] for m in members])
        return {
            name: dict(enumerate(np.stack([value(column) for column in table.T], axis=1)))
            for name, value in (
                ("alone", lambda column: column[1 << np.arange(holders)] - column[0]),
                ("leave_one_out", leave_one_out),
                ("shapley", shapley_values),
            )
        }
    everyone = tuple(range(holders))
    without = {i: everyone[:i] + everyone[i + 1 :] for i in everyone}
    return {
        "alone": {i: values[(i,)] for i in everyone if (i,) in values},
        "leave_one_out": {
            i: values[everyone].mean() - values[rest]
            for i, rest in without.items()
            if everyone in values and rest in values
        },
    }


def correlations(estimate: Floats, truth: Sequence[Floats]) -> dict[str, float]:
    """Correlate an estimate with what was measured in one pack; see `pooled_correlations`."""
    return pooled_correlations([(estimate, truth)])


def pooled_correlations(pairs: Sequence[tuple[Floats, Sequence[Floats]]]) -> dict[str, float]:
    """Correlate an estimate with what was measured, over the holders of all packs.

    Only differences within a pack count: ranks (and values, for Pearson) are standardised in
    each pack before they are pooled.

    Args:
        pairs: For each pack (H,) values of the estimate, and measured values of its H holders,
            one or more seeds each.

    Returns:
        Spearman and Pearson correlation with the mean over seeds, and Spearman's 95 % bootstrap
        interval: holders of each pack drawn anew, and for each of them as many seeds as all have.
    """
    rng = np.random.default_rng(0)
    drawn = [_drawn_anew(estimate, truth, rng) for estimate, truth in pairs]
    low, high = np.quantile(_pooled([[*map(ranks, pair)] for pair in drawn]), (0.025, 0.975))
    points = [
        (estimate[:, None], np.array([seeds.mean() for seeds in truth])[:, None])
        for estimate, truth in pairs
    ]
    return {
        "spearman": float(_pooled([[*map(ranks, pair)] for pair in points])[0]),
        "low": float(low),
        "high": float(high),
        "pearson": float(_pooled(points)[0]),
    }


def _drawn_anew(
    estimate: Floats, truth: Sequence[Floats], rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return (H, draws) values of the estimate and of the truth."""
    holders, counts = len(truth), np.array([len(seeds) for seeds in truth])
    padded = np.stack([np.resize(seeds, counts.max()) for seeds in truth])
    rows = rng.integers(holders, size=(holders, _DRAWS))
    columns = rng.integers(counts[rows], size=(counts.min(), holders, _DRAWS))
    return estimate[rows], padded[rows, columns].mean(axis=0)


def _pooled(pairs: Iterable[Sequence[Floats]]) -> Floats:
    """Return the correlation of each column, (H, m) twice a pack, standardised in each."""
    standardised = [[_standardised(x) for x in pair] for pair in pairs]
    first, second = (np.concatenate(parts) for parts in zip(*standardised, strict=True))
    return pearson(first, second)


def _standardised(values: Floats) -> Floats:
    centred, spread = values - values.mean(axis=0), values.std(axis=0)
    return np.asarray(np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0))


def pooled_report(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Pool what `holder_report` returns of several packs.

    Returns:
        For each truth that is known of all holders of two packs or more: the numbers of packs and
        holders, and the correlations of the estimates that all of these have.
    """
    pooled: dict[str, Any] = {}
    for truth in dict.fromkeys(name for report in reports for name in report["truths"]):
        whole = [
            report
            for report in reports
            if 2 ** len(report["truths"].get(truth, {})) == report["all_coalitions"]
        ]
        if len(whole) < 2:
            continue
        measured = [[*map(np.array, report["truths"][truth].values())] for report in whole]
        pooled[truth] = {
            "packs": len(whole),
            "holders": sum(map(len, measured)),
            "correlations": {
                name: pooled_correlations(
                    [
                        (np.array(report["estimates"][name]), values)
                        for report, values in zip(whole, measured, strict=True)
                    ]
                )
                for name in whole[0]["estimates"]
                if all(name in report["estimates"] for report in whole)
            },
        }
    return pooled
