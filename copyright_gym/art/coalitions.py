"""All coalitions of the first round, really fine-tuned, each with several seeds."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from itertools import combinations, count, filterfalse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from copyright_gym.errors import PackError
from copyright_gym.pack_completeness import CORPUS
from copyright_gym.pack_files import COALITIONS

if TYPE_CHECKING:
    from copyright_gym.art.corpus import Run, RunStore

Members = tuple[int, ...]
Qualities = Mapping[Members, Mapping[int, float]]
"""Measured quality by coalition and seed."""

SEEDS: Final = 2


def coalition_runs(holders: int, known: Qualities, seeds: int = SEEDS) -> list[Run]:
    """Return the runs that give every coalition its seeds, one round each.

    All coalitions get a first seed before any gets a second. Small coalitions and their
    complements come first: they say most about Shapley values, should only part of the runs get
    done.

    Args:
        holders: Number of holders H.
        known: What needs no run.
        seeds: Seeds a coalition, those in `known` included.
    """
    from copyright_gym.art.corpus import Run  # loads torch, which readers of coalitions do without

    ranked: list[tuple[int, Run]] = []
    for size in sorted(range(holders + 1), key=lambda size: min(size, holders - size)):
        for members in combinations(range(holders), size):
            found = known.get(members, {})
            unused = filterfalse(found.__contains__, count())
            for rank, seed in zip(range(len(found), seeds), unused, strict=False):
                ranked.append((rank, Run((members,), seed)))
    return [run for _, run in sorted(ranked, key=lambda entry: entry[0])]


def finished_coalitions(store: RunStore, runs: Iterable[Run], base_distance: float) -> Qualities:
    """Return the qualities of those runs that are finished."""
    found: dict[Members, dict[int, float]] = {}
    for run in runs:
        if store.finished(run):
            quality = 1 - store.distances(run)[0] / base_distance
            found.setdefault(run.history[0], {})[run.seed] = quality
    return found


def measured_coalitions(folder: Path) -> Qualities:
    """Return what a pack knows: the first rounds of its corpus, and its table of coalitions.

    Args:
        folder: The pack's folder.

    Raises:
        PackError: The pack has no corpus.
    """
    import pyarrow.parquet as pq

    if not (folder / CORPUS).exists():
        raise PackError(
            f"pack {folder} has no {CORPUS}: nothing was fine-tuned for it that attribution could "
            "be compared with; take a pack made by `copyright-gym packs build`, such as 'portrait'"
        )
    found: dict[Members, dict[int, float]] = {}
    for row in pq.read_table(folder / CORPUS).to_pylist():
        if row["round"] == 1:
            members = tuple(json.loads(row["history"])[0])
            found.setdefault(members, {})[row["seed"]] = row["quality"]
    if (folder / COALITIONS).exists():
        for row in pq.read_table(folder / COALITIONS).to_pylist():
            found.setdefault(tuple(row["holders"]), {})[row["seed"]] = row["quality"]
    return found


def merged(first: Qualities, second: Qualities) -> Qualities:
    """Return all qualities of both; where they know the same run, the second's."""
    return {
        members: {**first.get(members, {}), **second.get(members, {})}
        for members in {**first, **second}
    }


def coalition_table(qualities: Qualities) -> bytes:
    """Return a Parquet table of qualities: holders, seed, quality."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [("holders", pa.list_(pa.int64())), ("seed", pa.int64()), ("quality", pa.float64())]
    )
    rows = [
        {"holders": list(members), "seed": seed, "quality": quality}
        for members, by_seed in sorted(qualities.items())
        for seed, quality in sorted(by_seed.items())
    ]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), buffer)
    return buffer.getvalue()
