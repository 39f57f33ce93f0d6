"""Do policies rank with real fine-tuning as they do on the surrogate?

Trainings are those of `bench run` in the same folder, and the markets the first of its markets.
Rounds are kept where live play keeps them, so a run may be killed at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from copyright_gym.benchmarks.budgets import budget_notes, training_steps
from copyright_gym.benchmarks.cells import LIVE, Cell
from copyright_gym.benchmarks.crossed_bootstrap import crossed_difference, crossed_interval
from copyright_gym.benchmarks.grid import read_grid, run_grid
from copyright_gym.benchmarks.grid_values import by_training
from copyright_gym.benchmarks.text import interval_text, markdown_table
from copyright_gym.whole_file import write_whole

_HEADER = (
    "pack",
    "rho",
    "policy",
    "measured quality [95 %]",
    "surrogate, what it bought",
    "surrogate, same markets",
    "measured difference to the first [95 %]",
    "surrogate's difference [95 %]",
)


def play_live_cells(cells: Sequence[Cell], out: Path, workers: int = 1) -> str:
    """Play cells with real fine-tuning, and write `live.md`.

    Args:
        cells: what `make_cells` returned with `live`.
        out: folder of the benchmark; it may be that of a `bench run`.
        workers: number of processes.

    Returns:
        The table in Markdown.

    Raises:
        PackError: a pack cannot be fine-tuned on.
    """
    run_grid(cells, out, workers)
    table = live_table(out)
    write_whole(out / "live.md", (table + "\n").encode())
    return table


def live_table(out: Path) -> str:
    """Tell measured qualities next to the surrogate's, best measured first.

    Args:
        out: folder of the benchmark.

    Returns:
        The table in Markdown, with intervals over trainings and markets. Behind it, who was trained
        on how much, if not all alike.

    Raises:
        OptionError: there are no live cells, or as in `by_training` and `training_steps`.
    """
    rows = read_grid(out, LIVE)
    measured, predicted, played = (
        by_training(rows, column) for column in ("quality", "predicted", "surrogate_quality")
    )
    lines = []
    for group in measured:
        pack, rho = group
        here, there = measured[group], played[group]
        order = sorted(here, key=lambda name: -float(here[name].mean()))
        for policy in order:
            others = (
                interval_text(crossed_difference(some[policy], some[order[0]], seed=0), "+.4f")
                for some in (here, there)
            )
            lines.append(
                (
                    pack,
                    f"{rho:g}",
                    policy,
                    interval_text(crossed_interval(here[policy], seed=0)),
                    f"{predicted[group][policy].mean():.4f}",
                    f"{there[policy].mean():.4f}",
                    *(("–", "–") if policy == order[0] else others),
                )
            )
    return "\n\n".join([markdown_table(_HEADER, lines), *budget_notes(training_steps(rows))])
