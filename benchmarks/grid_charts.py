"""Charts of a benchmark: policies by budget, and performance profiles, with 95 % intervals."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from copyright_gym.benchmarks.contestant_names import ORACLE
from copyright_gym.benchmarks.crossed_bootstrap import crossed_means
from copyright_gym.benchmarks.grid_values import Floats, Group, Table
from copyright_gym.benchmarks.statistics import Interval
from copyright_gym.whole_file import write_whole


@dataclass(frozen=True)
class Line:
    """What is measured of a policy on the markets of one pack and budget.

    Attributes:
        quality: mean final quality.
        iqm: its interquartile mean.
        share: mean share of the oracle's quality; None without an oracle.
        lead: difference to the reference; None for the reference itself.
        better: probability of doing better than the reference; likewise.
    """

    quality: Interval
    iqm: Interval
    share: Interval | None
    lead: Interval | None
    better: Interval | None

    @property
    def gap(self) -> Interval | None:
        """What is missing to the oracle's quality, as a share of it."""
        share = self.share
        return None if share is None else Interval(*(1 - share[i] for i in (0, 2, 1)))


Measure = Callable[[Line], Interval | None]
Styles = dict[str, dict[str, Any]]


def oracle_shares(policies: dict[str, Floats], policy: str) -> Floats:
    """Return a policy's quality over the oracle's on the same market.

    Args:
        policies: by policy its qualities, float64 (trainings, n); the oracle is among them.
        policy: one of them.

    Returns:
        float64 (trainings, n).
    """
    return policies[policy] / np.maximum(policies[ORACLE], 1e-9)


def draw_grid(
    groups: Table, lines: dict[Group, dict[str, Line]], reference: str, folder: Path
) -> None:
    """Draw `quality.png`, `comparison.png` and `profiles.png`; a row of panels per pack.

    Args:
        groups: what `by_training` returned.
        lines: what was measured, by pack and budget, then by policy.
        reference: the policy that others are compared with.
        folder: where the charts go.
    """
    mean: dict[str, Measure] = {"final quality": lambda line: line.quality}
    others: dict[str, Measure] = {
        "interquartile mean of the final quality": lambda line: line.iqm,
        f"P(better than {reference})": lambda line: line.better,
        "gap to the oracle, as a share": lambda line: line.gap,
    }
    packs = sorted({pack for pack, _ in groups})
    styles = _styles(sorted({policy for policies in groups.values() for policy in policies}))
    for name, measures in (("quality", mean), ("comparison", others)):
        figure, panels = _figure(len(packs), len(measures))
        for row, pack in zip(panels, packs, strict=True):
            here = {rho: found for (p, rho), found in lines.items() if p == pack}
            for axes, (label, measure) in zip(row, measures.items(), strict=True):
                _draw_by_budget(axes, here, measure, styles)
                axes.set(title=pack, xlabel="budget rho", ylabel=label)
            _add_legend(row)
        _save(figure, folder / f"{name}.png")
    figure, panels = _figure(len(packs), 1)
    for row, pack in zip(panels, packs, strict=True):
        _draw_profiles(row[0], [found for (p, _), found in groups.items() if p == pack], styles)
        x, y = "share of the oracle's quality", "part of markets above"
        row[0].set(title=pack, xlabel=x, ylabel=y)
        _add_legend(row)
    _save(figure, folder / "profiles.png")


def _draw_by_budget(
    axes: Any, here: dict[float, dict[str, Line]], measure: Measure, styles: Styles
) -> None:
    for number, (policy, style) in enumerate(styles.items()):
        found = {rho: measure(lines[policy]) for rho, lines in here.items() if policy in lines}
        points = [(rho, interval) for rho, interval in found.items() if interval is not None]
        if not points:
            continue
        means = [interval.estimate for _, interval in points]
        # Moved aside a little, so that intervals do not hide each other.
        aside = 0.03 * (number / len(styles) - 0.5)
        axes.errorbar(
            [rho + aside for rho, _ in points],
            means,
            yerr=[
                [interval.estimate - interval.low for _, interval in points],
                [interval.high - interval.estimate for _, interval in points],
            ],
            marker=".",
            capsize=2,
            linewidth=1,
            label=policy,
            **style,
        )


def _draw_profiles(axes: Any, here: Sequence[dict[str, Floats]], styles: Styles) -> None:
    """Draw which part of the markets lies above each share; who missed a budget is left out."""
    thresholds = np.linspace(0, 1.05, 106)
    here = [policies for policies in here if ORACLE in policies]
    for policy, style in styles.items():
        above = [
            oracle_shares(policies, policy)[:, :, None] > thresholds
            for policies in here
            if policy in policies and policy != ORACLE
        ]
        if above and len(above) == len(here):
            estimates, lows, highs = np.transpose(crossed_means(*above, seed=0))
            axes.plot(thresholds, estimates, label=policy, linewidth=1, **style)
            axes.fill_between(thresholds, lows, highs, color=style["color"], alpha=0.2)


def _figure(rows: int, columns: int) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0 * columns, 5.0 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _styles(policies: Sequence[str]) -> Styles:
    """Give each policy a colour and a line style, the same in all panels."""
    from matplotlib import colormaps

    colours = colormaps["tab20"](range(20))
    return {
        policy: {
            "color": colours[number % len(colours)],
            "linestyle": ("-", "--", ":")[number // len(colours) % 3],
        }
        for number, policy in enumerate(policies)
    }


def _add_legend(row: Any) -> None:
    """Name the lines beside a row of panels."""
    handles = {
        name: handle
        for axes in row
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if handles:
        row[-1].legend(
            handles.values(),
            handles.keys(),
            loc="center left",
            bbox_to_anchor=(1.01, 0.5),
            fontsize="x-small",
        )


def _save(figure: Any, path: Path) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    write_whole(path, buffer.getvalue())
