"""All coalitions of one round, really fine-tuned."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from copyright_gym.art.corpus import Run, RunStore
from copyright_gym.coalition_game import all_coalitions

SEEDS = 2


def coalition_runs(holders: int, seeds: int = SEEDS) -> Iterator[Run]:
    """Yield one round of every coalition; all coalitions have a first seed before a second.

    Small coalitions and their complements come first: they say most about Shapley values, should
    only part of the runs get done.
    """
    for seed in range(seeds):
        for size in sorted(range(holders + 1), key=lambda size: min(size, holders - size)):
            for members in combinations(range(holders), size):
                yield Run((members,), seed)


def has_all_coalitions(store: RunStore, holders: int) -> bool:
    """Tell whether every coalition's runs are finished."""
    return all(store.finished(run) for run in coalition_runs(holders))


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
            for members in _members(holders)
        ]
    )


def coalition_table(store: RunStore, holders: int, base_distance: float) -> bytes:
    """Return the Parquet table of all coalitions' qualities: holders, seed, quality.

    Raises:
        ValueError: Runs are missing.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    qualities = coalition_qualities(store, holders, base_distance)
    rows = [
        {"holders": list(members), "seed": seed, "quality": float(quality)}
        for members, row in zip(_members(holders), qualities, strict=True)
        for seed, quality in enumerate(row)
    ]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def _members(holders: int) -> list[tuple[int, ...]]:
    return [tuple(np.flatnonzero(row).tolist()) for row in all_coalitions(holders)]
