"""Tables and charts from the cells of a benchmark.

A trained policy's value on a market is its mean over the training seeds; intervals are over
trainings and markets.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from copyright_gym.benchmarks.contestants import ORACLE
from copyright_gym.benchmarks.crossed_bootstrap import (
    crossed_difference,
    crossed_improvement,
    crossed_interval,
)
from copyright_gym.benchmarks.economics_report import write_economics
from copyright_gym.benchmarks.grid import read_grid
from copyright_gym.benchmarks.grid_charts import Line, draw_grid, oracle_shares
from copyright_gym.benchmarks.grid_values import Floats, Group, Table, by_training, trained_policies
from copyright_gym.benchmarks.learning_curves import write_curves
from copyright_gym.benchmarks.statistics import Interval, interquartile_mean
from copyright_gym.benchmarks.text import interval_text, markdown_table
from copyright_gym.errors import OptionError
from copyright_gym.whole_file import write_whole

_HEADER = (
    "pack",
    "rho",
    "policy",
    "trainings",
    "mean quality [95 %]",
    "IQM [95 %]",
    "share of oracle [95 %]",
    "difference to {} [95 %]",
    "P(better than {}) [95 %]",
)


def write_report(folder: Path, *, reference: str | None = None) -> str:
    """Write `report.md`, `report.csv`, `report.tex` and charts.

    The charts are `quality.png`, `comparison.png` and `profiles.png`. Economic measures go to
    `economics.md` and `economics.csv`. Where something was trained, there are also `learning.csv`
    and `learning.png`.

    Args:
        folder: what `bench run` wrote.
        reference: the policy to compare with; None for the one with the highest mean over all
            packs and budgets, without the oracle.

    Returns:
        The tables in Markdown: shares of the oracle over all packs by budget, then all there is by
        pack and budget.

    Raises:
        OptionError: there are no cells, no rows of the reference somewhere, cells do not go
            together, or a learning curve is damaged.
    """
    rows = read_grid(folder)
    groups, trained = by_training(rows), trained_policies(rows)
    reference = reference or _best(groups)
    lines: dict[Group, dict[str, Line]] = {}
    for (pack, rho), policies in groups.items():
        if reference not in policies:
            raise OptionError(f"no cell of {reference!r} for the pack {pack!r} and rho = {rho}")
        order = sorted(policies, key=lambda name: -float(policies[name].mean()))
        lines[pack, rho] = {policy: _line(policies, policy, reference) for policy in order}
    header = tuple(title.format(reference) for title in _HEADER)
    body = [
        (pack, f"{rho:g}", policy, str(n) if policy in trained else "–", *_texts(line))
        for (pack, rho), found in lines.items()
        for policy, line in found.items()
        for n in [len(groups[pack, rho][policy])]
    ]
    tables = []
    if any(ORACLE in policies for policies in groups.values()):
        tables = [_summary(groups, trained)]
    markdown = "\n\n".join([*tables, markdown_table(header, body)])
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows((header, *body))
    latex = "\n".join(
        [
            rf"\begin{{tabular}}{{{'l' * len(header)}}}",
            *(" & ".join(map(_escaped, line)) + r" \\" for line in (header, *body)),
            r"\end{tabular}",
        ]
    )
    for name, text in (("md", markdown), ("csv", table.getvalue()), ("tex", latex)):
        write_whole(folder / f"report.{name}", text.rstrip() + "\n")
    draw_grid(groups, lines, reference, folder)
    write_economics(rows, trained, folder)
    write_curves(folder)
    return markdown


def _line(policies: dict[str, Floats], policy: str, reference: str) -> Line:
    """Measure a policy on the markets of one pack and budget."""
    values, other = policies[policy], policies[reference]
    compared = policy != reference
    return Line(
        crossed_interval(values, seed=0),
        crossed_interval(values, statistic=interquartile_mean, seed=0),
        crossed_interval(oracle_shares(policies, policy), seed=0) if ORACLE in policies else None,
        crossed_difference(values, other, seed=0) if compared else None,
        crossed_improvement(values, other, seed=0) if compared else None,
    )


def _texts(line: Line) -> list[str]:
    forms = (".4f", ".4f", ".3f", "+.4f", ".2f")
    shown = (line.quality, line.iqm, line.share, line.lead, line.better)
    return [_text(interval, form) for interval, form in zip(shown, forms, strict=True)]


def _text(interval: Interval | None, form: str) -> str:
    return "–" if interval is None else interval_text(interval, form)


def _summary(groups: Table, trained: set[str]) -> str:
    """Tell the shares of the oracle's quality over all packs, by budget.

    Policies that were played everywhere come first, and then those of which shares are missing;
    each best first.
    """
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

    def place(name: str) -> tuple[int, float]:
        known = [share.estimate for share in lines[name] if share]
        return len(rhos) - len(known), -float(np.mean(known))

    return markdown_table(
        (
            "share of oracle [95 %]",
            "trainings",
            *(f"rho {rho:g}, {len(packs[rho])} packs" for rho in rhos),
        ),
        [
            (
                name,
                _trainings(groups, name) if name in trained else "–",
                *(_text(share, ".3f") for share in lines[name]),
            )
            for name in sorted((name for name in lines if any(lines[name])), key=place)
        ],
    )


def _trainings(groups: Table, policy: str) -> str:
    """Tell how many trainings a policy has on a pack and budget: "2", or "1 to 3"."""
    counts = {len(policies[policy]) for policies in groups.values() if policy in policies}
    return " to ".join(map(str, sorted({min(counts), max(counts)})))


def _best(groups: Table) -> str:
    shared = set.intersection(*(set(policies) for policies in groups.values()))
    names = sorted(shared - {ORACLE})
    if not names:
        raise OptionError("no policy but the oracle was played everywhere; give a reference")
    return max(names, key=lambda name: sum(float(p[name].mean()) for p in groups.values()))


def _escaped(text: str) -> str:
    return text.replace("%", r"\%").replace("_", r"\_").replace("–", "--")
