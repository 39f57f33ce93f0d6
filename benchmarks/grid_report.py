"""Tables and charts from the cells of a benchmark.

A trained policy's value on a market is its mean over the training seeds.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from copyright_gym.benchmarks.contestants import ORACLE
from copyright_gym.benchmarks.grid import read_grid
from copyright_gym.benchmarks.learning_curves import write_curves
from copyright_gym.benchmarks.statistics import (
    bootstrap,
    interquartile_mean,
    paired_difference,
    performance_profile,
    probability_of_improvement,
)
from copyright_gym.benchmarks.text import interval_text, markdown_table
from copyright_gym.errors import OptionError
from copyright_gym.whole_file import write_whole

Floats = NDArray[np.float64]
Group = tuple[str, float]

_HEADER = (
    "pack",
    "rho",
    "policy",
    "mean quality [95 %]",
    "IQM [95 %]",
    "share of oracle",
    "difference to {} [95 %]",
    "P(better than {}) [95 %]",
)


def qualities(folder: Path) -> dict[Group, dict[str, Floats]]:
    """Read the final qualities of a benchmark.

    Args:
        folder: what `bench run` wrote.

    Returns:
        By pack and budget, then by policy: float64 (n,), a value per market, the same markets in
        the same order for all.

    Raises:
        OptionError: there are no cells, or policies met different markets.
    """
    columns = read_grid(folder).to_pydict()
    sums: dict[Group, dict[str, dict[int, list[float]]]] = {}
    for pack, rho, policy, seed, quality in zip(
        *(columns[name] for name in ("pack", "rho", "policy", "seed", "quality")), strict=True
    ):
        markets = sums.setdefault((pack, rho), {}).setdefault(policy, {})
        markets.setdefault(seed, []).append(quality)
    for (pack, rho), policies in sums.items():
        if len({tuple(sorted(markets)) for markets in policies.values()}) > 1:
            raise OptionError(f"policies met different markets of {pack!r} at rho = {rho}")
    return {
        group: {
            policy: np.array([np.mean(markets[seed]) for seed in sorted(markets)])
            for policy, markets in policies.items()
        }
        for group, policies in sorted(sums.items())
    }


def write_report(folder: Path, *, reference: str | None = None) -> str:
    """Write `report.md`, `report.csv`, `report.tex`, `quality.png` and `profiles.png`.

    Where something was trained, also `learning.csv` and `learning.png`.

    Args:
        folder: what `bench run` wrote.
        reference: the policy to compare with; None for the one with the highest mean over all
            packs and budgets, without the oracle.

    Returns:
        The table in Markdown.

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
        oracle = policies.get(ORACLE)
        for policy in sorted(policies, key=lambda name: -float(policies[name].mean())):
            values, other = policies[policy], policies[reference]
            finite = bool(np.isfinite(values).all())
            compared = finite and policy != reference
            rows.append(
                (
                    pack,
                    f"{rho:g}",
                    policy,
                    interval_text(bootstrap(values, seed=0)) if finite else "–",
                    interval_text(bootstrap(values, interquartile_mean, seed=0)) if finite else "–",
                    "–" if oracle is None else f"{values.mean() / oracle.mean():.3f}",
                    interval_text(paired_difference(values, other, seed=0), "+.4f")
                    if compared
                    else "–",
                    interval_text(probability_of_improvement(values, other, seed=0), ".2f")
                    if compared
                    else "–",
                )
            )
    header = tuple(title.format(reference) for title in _HEADER)
    markdown = markdown_table(header, rows)
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
    _charts(groups, folder)
    write_curves(folder)
    return markdown


def _best(groups: dict[Group, dict[str, Floats]]) -> str:
    shared = set.intersection(*(set(policies) for policies in groups.values()))
    names = sorted(shared - {ORACLE})
    if not names:
        raise OptionError("no policy but the oracle was played everywhere; give a reference")
    return max(names, key=lambda name: sum(float(p[name].mean()) for p in groups.values()))


def _charts(groups: dict[Group, dict[str, Floats]], folder: Path) -> None:
    """Draw mean qualities by budget, and performance profiles, a panel per pack."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    packs = sorted({pack for pack, _ in groups})
    grid = np.linspace(0, 1.05, 211)
    for name, label in (("quality", "budget rho"), ("profiles", "share of the oracle's quality")):
        figure = Figure(figsize=(9.0, 5.0 * len(packs)), layout="constrained")
        FigureCanvasAgg(figure)
        for axes, pack in zip(figure.subplots(len(packs), squeeze=False)[:, 0], packs, strict=True):
            here = {rho: policies for (p, rho), policies in groups.items() if p == pack}
            for policy in sorted({policy for policies in here.values() for policy in policies}):
                played = {r: p[policy] for r, p in here.items() if policy in p}
                if name == "quality":
                    means = [float(values.mean()) for values in played.values()]
                    axes.plot(list(played), means, "o-", label=policy)
                    continue
                shares = [
                    values / np.maximum(here[rho][ORACLE], 1e-9)
                    for rho, values in played.items()
                    if ORACLE in here[rho] and policy != ORACLE
                ]
                if shares:
                    profile = performance_profile(np.concatenate(shares), grid)
                    axes.plot(grid, profile, label=policy)
            axes.set_title(pack)
            axes.set_xlabel(label)
            axes.set_ylabel("final quality" if name == "quality" else "part of markets above")
            if axes.lines:
                axes.legend(loc="best", fontsize="x-small")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=120)
        write_whole(folder / f"{name}.png", buffer.getvalue())


def _escaped(text: str) -> str:
    return text.replace("%", r"\%").replace("_", r"\_").replace("–", "--")
