"""Ranking table and chart from the rows of an evaluation."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from copyright_gym.benchmarks.statistics import (
    Interval,
    bootstrap,
    interquartile_mean,
    paired_difference,
)
from copyright_gym.benchmarks.text import interval_text
from copyright_gym.errors import OptionError
from copyright_gym.whole_file import write_whole


@dataclass(frozen=True)
class Standing:
    """One policy's line in the ranking.

    Attributes:
        policy: Its name.
        quality: Mean final quality with its 95 % interval.
        iqm: Interquartile mean of the final quality with its 95 % interval.
        lead: Paired difference to the reference policy's mean, or None for the reference.
        spent: Mean part of the budget that was spent.
        acceptance: Mean part of the offers that were accepted.
    """

    policy: str
    quality: Interval
    iqm: Interval
    lead: Interval | None
    spent: float
    acceptance: float


def rank(
    columns: Mapping[str, Sequence[object]], reference: str, *, seed: int = 0
) -> list[Standing]:
    """Rank policies by their mean final quality, on the markets that all of them met.

    Args:
        columns: Columns of the rows of `evaluate`: at least policy, pack, rho, seed, quality,
            spent and acceptance.
        reference: The policy that the others are compared with, market by market.
        seed: Seed of the bootstrap.

    Returns:
        Standings, best first.

    Raises:
        OptionError: If the reference has no rows or the policies met different markets.
    """
    names = np.array(columns["policy"], dtype=object)
    cells = list(zip(columns["pack"], columns["rho"], columns["seed"], strict=True))
    values = {
        name: np.array(columns[name], dtype=np.float64)
        for name in ("quality", "spent", "acceptance")
    }
    index = {name: np.flatnonzero(names == name) for name in dict.fromkeys(names)}
    if reference not in index:
        raise OptionError(f"no rows of the policy {reference!r}; known: {', '.join(index)}")
    # Sorted by market, so that row k of every policy is the same market.
    index = {name: np.array(sorted(rows, key=lambda i: cells[i])) for name, rows in index.items()}
    markets = [cells[i] for i in index[reference]]
    for name, rows in index.items():
        if [cells[i] for i in rows] != markets:
            raise OptionError(f"{name!r} and {reference!r} were evaluated on different markets")
    groups = _strata(markets)
    quality = {name: values["quality"][rows][groups] for name, rows in index.items()}
    standings = [
        Standing(
            policy=name,
            quality=bootstrap(quality[name], seed=seed),
            iqm=bootstrap(quality[name], interquartile_mean, seed=seed),
            lead=None
            if name == reference
            else paired_difference(quality[name], quality[reference], seed=seed),
            spent=float(values["spent"][rows].mean()),
            acceptance=float(values["acceptance"][rows].mean()),
        )
        for name, rows in index.items()
    ]
    return sorted(standings, key=lambda standing: -standing.quality.estimate)


def _strata(markets: Sequence[tuple[object, ...]]) -> NDArray[np.int64]:
    """Group sorted markets by pack and rho; returns row numbers (strata, markets per stratum)."""
    kinds = [market[:2] for market in markets]
    sizes = {kinds.count(kind) for kind in set(kinds)}
    if len(sizes) != 1:
        raise OptionError("every pack and budget needs the same number of markets")
    return np.arange(len(markets)).reshape(-1, sizes.pop())


def ranking_table(standings: Sequence[Standing]) -> str:
    """Write a ranking as aligned text.

    Args:
        standings: What `rank` returned.

    Returns:
        The table, without a newline at its end.
    """
    reference = next(s.policy for s in standings if s.lead is None)
    header = [
        "",
        "policy",
        "quality [95 %]",
        "IQM [95 %]",
        f"difference to {reference} [95 %]",
        "spent",
        "accepted",
    ]
    rows = [
        [
            str(place),
            s.policy,
            interval_text(s.quality, ".4f"),
            interval_text(s.iqm, ".4f"),
            "–" if s.lead is None else interval_text(s.lead, "+.4f"),
            f"{s.spent:.0%}",
            f"{s.acceptance:.0%}",
        ]
        for place, s in enumerate(standings, 1)
    ]
    widths = [max(len(line[i]) for line in [header, *rows]) for i in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [header, *rows]
    )


def ranking_chart(standings: Sequence[Standing], title: str, path: str | Path) -> None:
    """Draw mean qualities with their intervals into a PNG file.

    Args:
        standings: What `rank` returned.
        title: Title of the chart.
        path: The file; written through a temporary file next to it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 1.2 + 0.38 * len(standings)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for place, s in enumerate(standings):
        colour = "tab:red" if s.lead is None else "tab:blue"
        axes.plot([s.quality.low, s.quality.high], [place, place], color=colour, linewidth=2)
        axes.plot(s.quality.estimate, place, "o", color=colour)
    axes.set_yticks(range(len(standings)), [s.policy for s in standings])
    axes.invert_yaxis()
    axes.set_xlabel("final quality (mean with 95 % bootstrap interval)")
    axes.set_title(title)
    axes.grid(axis="x", alpha=0.3)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    write_whole(path, buffer.getvalue())
