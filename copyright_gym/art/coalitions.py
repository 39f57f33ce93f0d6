"""All coalitions of one round, really fine-tuned: exact Shapley values and leave-one-out."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from itertools import chain, combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copyright_gym.art.corpus import Run, RunStore

SEEDS = 2


def all_coalitions(holders: int) -> list[tuple[int, ...]]:
    """Return all 2**H sets of holders; set number n holds i where bit i of n is set."""
    return [tuple(i for i in range(holders) if n >> i & 1) for n in range(2**holders)]


def coalition_runs(holders: int, seeds: int = SEEDS) -> list[Run]:
    """Return one round of every coalition; all coalitions have a first seed before a second.

    Small coalitions and their complements come first: they say most about Shapley values, should
    only part of the runs get done.
    """
    ordered = chain.from_iterable(
        combinations(range(holders), size)
        for size in sorted(range(holders + 1), key=lambda size: min(size, holders - size))
    )
    coalitions = list(ordered)
    return [Run((members,), seed) for seed in range(seeds) for members in coalitions]


def coalition_qualities(
    store: RunStore, holders: int, base_distance: float, seeds: int = SEEDS
) -> NDArray[np.float64]:
    """Return (2**H, seeds) measured qualities.

    Raises:
        ValueError: Runs are missing.
    """
    missing = sum(not store.finished(run) for run in coalition_runs(holders, seeds))
    if missing:
        raise ValueError(f"{missing} of {seeds * 2**holders} coalition runs are not finished")
    return np.array(
        [
            [1 - store.distances(Run((members,), seed))[0] / base_distance for seed in range(seeds)]
            for members in all_coalitions(holders)
        ]
    )


def shapley_values(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the exact Shapley value of each holder.

    Args:
        values: (2**H,) value of each coalition, numbered as in `all_coalitions`.

    Returns:
        (H,) values that sum to the value of all over that of none.
    """
    holders = len(values).bit_length() - 1
    numbers = np.arange(len(values))
    sizes = np.array([number.bit_count() for number in numbers.tolist()])
    weights = np.array([1 / (holders * math.comb(holders - 1, k)) for k in range(holders)])
    shares = []
    for i in range(holders):
        without = numbers[(numbers >> i & 1) == 0]
        gains = values[without | 1 << i] - values[without]
        shares.append((weights[sizes[without]] * gains).sum())
    return np.array(shares)


def leave_one_out(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (H,) losses of value when one holder leaves the coalition of all."""
    everyone = len(values) - 1
    return np.array([values[-1] - values[everyone ^ 1 << i] for i in range(everyone.bit_length())])


def coalition_rows(
    coalitions: Sequence[tuple[int, ...]], qualities: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """Return one row a coalition and seed: holders, seed, quality."""
    return [
        {"holders": list(members), "seed": seed, "quality": float(quality)}
        for members, row in zip(coalitions, qualities, strict=True)
        for seed, quality in enumerate(row)
    ]


def coalition_table(store: RunStore, holders: int, base_distance: float) -> bytes:
    """Return the Parquet table of all coalitions' qualities.

    Raises:
        ValueError: Runs are missing.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    qualities = coalition_qualities(store, holders, base_distance)
    buffer = io.BytesIO()
    table = pa.Table.from_pylist(coalition_rows(all_coalitions(holders), qualities))
    pq.write_table(table, buffer)
    return buffer.getvalue()
