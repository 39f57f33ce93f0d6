"""Tables and charts from the cells of a benchmark.

A trained policy's value on a market is its mean over the training seeds; intervals are over
trainings and markets.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from copyright_gym.benchmarks.contestants import ORACLE, is_trained
from copyright_gym.benchmarks.crossed_bootstrap import (
    crossed_difference,
    crossed_improvement,
    crossed_interval,
)
from copyright_gym.benchmarks.grid import read_grid
from copyright_gym.benchmarks.grid_charts import draw_grid, oracle_shares
from copyright_gym.benchmarks.learning_curves import write_curves
from copyright_gym.benchmarks.statistics import Interval, interquartile_mean
from copyright_gym.benchmarks.text import interval_text, markdown_table
from copyright_gym.errors import OptionError
from copyright_gym.whole_file import write_whole

Floats = NDArray[np.float64]
Group = tuple[str, float]

_COLUMNS = ("pack", "rho", "policy", "training_seed", "seed")
_HEADER = (
    "pack",
    "rho",
    "policy",
    "trainings",
    "mean quality [95 %]",
    "IQM [95 %]",
    "share of oracle",
    "difference to {} [95 %]",
    "P(better than {}) [95 %]",
)


def qualities(
    folder: Path, cells: str = "cells", column: str = "quality"
) -> dict[Group, dict[str, Floats]]:
    """Read the final qualities of a benchmark.

    Args:
        folder: what `bench run` wrote.
        cells: which of its cells, see `read_grid`.
        column: what to read of each episode.

    Returns:
        By pack and budget, then by policy: float64 (trainings, n), a column per market, the same
        markets in the same order for all; one row if nothing was trained.

    Raises:
        OptionError: there are no cells, or policies met different markets.
    """
    columns = read_grid(folder, cells).to_pydict()
    found: dict[Group, dict[str, dict[int | None, dict[int, float]]]] = {}
    for pack, rho, policy, training, seed, quality in zip(
        *(columns[name] for name in (*_COLUMNS, column)), strict=True
    ):
        trainings = found.setdefault((pack, rho), {}).setdefault(policy, {})
        trainings.setdefault(training, {})[seed] = quality
    for (pack, rho), policies in found.items():
        markets = {tuple(sorted(row)) for rows in policies.values() for row in rows.values()}
        if len(markets) > 1:
            raise OptionError(f"policies met different markets of {pack!r} at rho = {rho}")
    return {
        group: {
            policy: np.array([[row[seed] for seed in sorted(row)] for row in rows.values()])
            for policy, rows in policies.items()
        }
        for group, policies in sorted(found.items())
    }


def write_report(folder: Path, *, reference: str | None = None) -> str:
    """Write `report.md`, `report.csv`, `report.tex`, `quality.png` and `profiles.png`.

    Where something was trained, also `learning.csv` and `learning.png`.

    Args:
        folder: what `bench run` wrote.
        reference: the policy to compare with; None for the one with the highest mean over all
            packs and budgets, without the oracle.

    Returns:
        The tables in Markdown: shares of the oracle over all packs by budget, then all there is by
        pack and budget.

    Raises:
        OptionError: there are no cells, no rows of the reference somewhere, or a learning curve
            is damaged.
    """
    groups = qualities(folder)
    reference = reference or _best(groups)
    rows = []
    for (pack, rho), policies in groups.items():
        if reference not in policies:
            raise OptionError(f"no cell of {reference!r} for the pack {pack!r} and rho = {rho}")
        for policy in sorted(policies, key=lambda name: -float(policies[name].mean())):
            rows.append((pack, f"{rho:g}", *_row(policies, policy, reference)))
    header = tuple(title.format(reference) for title in _HEADER)
    tables = [_summary(groups)] if any(ORACLE in played for played in groups.values()) else []
    markdown = "\n\n".join([*tables, markdown_table(header, rows)])
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows((header, *rows))
    latex = "\n".join(
        [
            rf"\begin{{tabular}}{{{'l' * len(header)}}}",
            *(" & ".join(map(_escaped, line)) + r" \\" for line in (header, *rows)),
            r"\end{tabular}",
        ]
    )
    for name, text in (("md", markdown), ("csv", table.getvalue()), ("tex", latex)):
        write_whole(folder / f"report.{name}", (text.rstrip() + "\n").encode())
    draw_grid(groups, folder)
    write_curves(folder)
    return markdown


def _row(policies: dict[str, Floats], policy: str, reference: str) -> tuple[str, ...]:
    """Tell of a policy on the markets of one pack and budget, from its name on."""
    values, other = policies[policy], policies[reference]
    compared = policy != reference
    return (
        policy,
        _trainings(policy, len(values)),
        interval_text(crossed_interval(values, seed=0)),
        interval_text(crossed_interval(values, statistic=interquartile_mean, seed=0)),
        f"{values.mean() / policies[ORACLE].mean():.3f}" if ORACLE in policies else "–",
        interval_text(crossed_difference(values, other, seed=0), "+.4f") if compared else "–",
        interval_text(crossed_improvement(values, other, seed=0), ".2f") if compared else "–",
    )


def _trainings(policy: str, n: int) -> str:
    return str(n) if is_trained(policy) else "–"


def _summary(groups: dict[Group, dict[str, Floats]]) -> str:
    """Tell the shares of the oracle's quality over all packs, by budget; best policies first."""
    rhos = sorted({rho for _, rho in groups})
    packs = {rho: [group for group in groups if group[1] == rho] for rho in rhos}
    lines: dict[str, list[Interval | None]] = {}
    for policy in sorted({policy for policies in groups.values() for policy in policies}):
        for rho in rhos:
            played = all({policy, ORACLE} <= set(groups[group]) for group in packs[rho])
            shares = [oracle_shares(groups[g], policy) for g in packs[rho]] if played else []
            lines.setdefault(policy, []).append(
                crossed_interval(*shares, seed=0) if played else None
            )
    known = {name: [share.estimate for share in line if share] for name, line in lines.items()}
    order = sorted((name for name in lines if known[name]), key=lambda name: -np.mean(known[name]))
    return markdown_table(
        ("share of oracle [95 %]", *(f"rho {rho:g}, {len(packs[rho])} packs" for rho in rhos)),
        [
            (
                name,
                *("–" if share is None else interval_text(share, ".3f") for share in lines[name]),
            )
            for name in order
        ],
    )


def _best(groups: dict[Group, dict[str, Floats]]) -> str:
    shared = set.intersection(*(set(policies) for policies in groups.values()))
    names = sorted(shared - {ORACLE})
    if not names:
        raise OptionError("no policy but the oracle was played everywhere; give a reference")
    return max(names, key=lambda name: sum(float(p[name].mean()) for p in groups.values()))


def _escaped(text: str) -> str:
    return text.replace("%", r"\%").replace("_", r"\_").replace("–", "--")
