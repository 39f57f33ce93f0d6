"""The economic measures of a benchmark's cells: `economics.md` and `economics.csv`."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

import numpy as np
import pyarrow as pa

from copyright_gym.benchmarks.crossed_bootstrap import crossed_means
from copyright_gym.benchmarks.grid import ECONOMICS
from copyright_gym.benchmarks.grid_values import by_training
from copyright_gym.benchmarks.text import (
    NOTHING,
    csv_interval,
    csv_names,
    csv_table,
    interval_text,
    markdown_table,
)
from copyright_gym.whole_file import write_whole

_ALWAYS_ZERO = ("overspent", "underpaid")
"""Shown without an interval: 0 unless a rule of the market is broken."""


def write_economics(rows: pa.Table, trained: Container[str], folder: Path) -> None:
    """Write the means of all measures, by pack, budget and policy.

    An episode in which a measure is not defined is left out of its mean.

    Args:
        rows: what `read_grid` returned.
        trained: the policies that were trained.
        folder: where the tables go.
    """
    tables = {name: by_training(rows, name) for name in ECONOMICS}
    header = ("pack", "rho", "policy", "trainings")
    shown, numbers = [], []
    for group, policies in tables[ECONOMICS[0]].items():
        for policy in policies:
            values = np.stack([tables[name][group][policy] for name in ECONOMICS], axis=-1)
            means = crossed_means(values, seed=0)
            pack, rho = group
            count = len(values) if policy in trained else 0
            shown.append(
                (
                    *(pack, f"{rho:g}", policy, str(count) if count else NOTHING),
                    *(
                        f"{mean.estimate:.4f}"
                        if name in _ALWAYS_ZERO
                        else interval_text(mean, ".3f")
                        for name, mean in zip(ECONOMICS, means, strict=True)
                    ),
                )
            )
            cells = (number for mean in means for number in csv_interval(mean))
            numbers.append((*group, policy, count, *cells))
    titles = [name if name in _ALWAYS_ZERO else f"{name} [95 %]" for name in ECONOMICS]
    write_whole(folder / "economics.md", markdown_table((*header, *titles), shown) + "\n")
    ends = [end for name in ECONOMICS for end in csv_names(name)]
    write_whole(folder / "economics.csv", csv_table((*header, *ends), numbers))
