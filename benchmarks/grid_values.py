"""The rows of a benchmark as matrices: trainings by markets."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from copyright_gym.errors import OptionError

Floats = NDArray[np.float64]
Group = tuple[str, float]
"""Name of a pack, and rho."""
Table = dict[Group, dict[str, Floats]]
"""By pack and budget, then by policy: (trainings, n), a column per market."""

_COLUMNS = ("pack", "rho", "policy", "training_seed", "seed")


def by_training(rows: pa.Table, column: str = "quality") -> Table:
    """Arrange rows by policy, training and market.

    Args:
        rows: what `read_grid` returned.
        column: what to read of each episode.

    Returns:
        By pack and budget, then by policy: float64 (trainings, n), a column per market, the same
        markets in the same order for all; one row if nothing was trained.

    Raises:
        OptionError: policies met different markets, or one training has two results on a market.
    """
    columns = rows.select([*_COLUMNS, column]).to_pydict()
    found: dict[Group, dict[str, dict[int | None, dict[int, float]]]] = {}
    for pack, rho, policy, training, seed, value in zip(
        *(columns[name] for name in (*_COLUMNS, column)), strict=True
    ):
        trainings = found.setdefault((pack, rho), {}).setdefault(policy, {})
        known = trainings.setdefault(training, {}).setdefault(seed, value)
        if known != value and not (np.isnan(known) and np.isnan(value)):
            raise OptionError(
                f"{policy!r} (training seed {training}) has two results on a market of {pack!r} "
                f"at rho = {rho}: a folder takes one --steps and, for each training seed, one "
                "policy file under a NAME; remove one of its cells, or use another NAME or --out"
            )
    for (pack, rho), policies in found.items():
        met: dict[tuple[int, ...], str] = {}
        for policy, trained in policies.items():
            for row in trained.values():
                met.setdefault(tuple(sorted(row)), policy)
        if len(met) > 1:
            told = ", ".join(
                f"{policy!r} {len(seeds)} with seeds {seeds[0]} to {seeds[-1]}"
                for seeds, policy in met.items()
            )
            raise OptionError(
                f"policies met different markets of {pack!r} at rho = {rho}: {told}; a folder "
                "takes one --episodes and one --evaluation-seed: remove the cells made with "
                "others, or use another --out"
            )
    return {
        group: {
            policy: np.array([[row[seed] for seed in sorted(row)] for row in trained.values()])
            for policy, trained in policies.items()
        }
        for group, policies in sorted(found.items())
    }
