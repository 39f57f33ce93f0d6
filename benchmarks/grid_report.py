"""Tables and charts from the cells of a benchmark.

A trained policy's value on a market is its mean over the training seeds; intervals are over
trainings and markets.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from copyright_gym.benchmarks.budgets import budget_notes, training_steps
from copyright_gym.benchmarks.contestant_names import ORACLE
from copyright_gym.benchmarks.crossed_bootstrap import (
    crossed_difference,
    crossed_improvement,
    crossed_interval,
)
from copyright_gym.benchmarks.economics_report import write_economics
from copyright_gym.benchmarks.grid import read_grid
from copyright_gym.benchmarks.grid_charts import Line, draw_grid, oracle_shares
from copyright_gym.benchmarks.grid_values import Floats, Group, Table, by_training
from copyright_gym.benchmarks.learning_curves import write_curves
from copyright_gym.benchmarks.statistics import Interval, interquartile_mean
from copyright_gym.benchmarks.text import (
    NOTHING,
    csv_interval,
    csv_names,
    csv_table,
    interval_text,
    latex_table,
    latex_text,
    markdown_table,
)
from copyright_gym.errors import OptionError, listed
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
_FORMS = (".4f", ".4f", ".3f", "+.4f", ".2f")
_NAMES = ("quality", "iqm", "share_of_oracle", "difference", "p_better")
"""Of the intervals, as `_intervals` orders them: formats, and names of the columns in CSV."""

_Lines = dict[Group, dict[str, Line]]
_Cells = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""Header and rows of a table."""


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
        pack and budget; then who was trained on how much, if that is not the same for all.

    Raises:
        OptionError: there are no cells, no rows of the reference somewhere, cells do not go
            together, or a learning curve is damaged.
    """
    rows = read_grid(folder)
    groups, steps = by_training(rows), training_steps(rows)
    reference = reference or _best(groups)
    lines: _Lines = {}
    for (pack, rho), policies in groups.items():
        if reference not in policies:
            raise OptionError(
                f"no cell of {reference!r} for the pack {pack!r} and rho = {rho}; there are cells "
                f"of {listed(policies)}"
            )
        order = sorted(policies, key=lambda name: -float(policies[name].mean()))
        lines[pack, rho] = {policy: _line(policies, policy, reference) for policy in order}
    header = tuple(title.format(reference) for title in _HEADER)
    body = [
        (pack, f"{rho:g}", policy, str(n) if policy in steps else NOTHING, *_texts(line))
        for (pack, rho), found in lines.items()
        for policy, line in found.items()
        for n in [len(groups[pack, rho][policy])]
    ]
    tables: list[_Cells] = [(header, body)]
    if any(ORACLE in policies for policies in groups.values()):
        tables.insert(0, _summary(groups, set(steps)))
    notes = budget_notes(steps)
    markdown = "\n\n".join([*(markdown_table(*table) for table in tables), *notes])
    latex = "\n\n".join([*(latex_table(*table) for table in tables), *map(latex_text, notes)])
    numbers = _numbers(groups, lines, steps, reference)
    for name, text in (("md", markdown), ("csv", numbers), ("tex", latex)):
        write_whole(folder / f"report.{name}", text.rstrip() + "\n")
    draw_grid(groups, lines, reference, folder)
    write_economics(rows, steps, folder)
    write_curves(folder)
    return markdown


def _numbers(groups: Table, lines: _Lines, steps: dict[str, int], reference: str) -> str:
    """Write the lines by pack and budget as CSV, with a column for each number."""
    header = ("pack", "rho", "policy", "trainings", "training_steps", "reference")
    rows = [
        (
            pack,
            rho,
            policy,
            len(groups[pack, rho][policy]) if policy in steps else 0,
            steps.get(policy, 0),
            reference,
            *(number for interval in _intervals(line) for number in csv_interval(interval)),
        )
        for (pack, rho), found in lines.items()
        for policy, line in found.items()
    ]
    return csv_table((*header, *(end for name in _NAMES for end in csv_names(name))), rows)


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


def _intervals(line: Line) -> tuple[Interval | None, ...]:
    return line.quality, line.iqm, line.share, line.lead, line.better


def _texts(line: Line) -> list[str]:
    shown = zip(_intervals(line), _FORMS, strict=True)
    return [interval_text(interval, form) for interval, form in shown]


def _summary(groups: Table, trained: set[str]) -> _Cells:
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

    titles = (f"rho {rho:g}, {len(packs[rho])} pack{'s' * (len(packs[rho]) > 1)}" for rho in rhos)
    return ("share of oracle [95 %]", "trainings", *titles), [
        (
            name,
            _trainings(groups, name) if name in trained else NOTHING,
            *(interval_text(share, ".3f") for share in lines[name]),
        )
        for name in sorted((name for name in lines if any(lines[name])), key=place)
    ]


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
