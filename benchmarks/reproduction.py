"""The quick benchmark: a stated subset of the committed results, to be reproduced exactly.

The subset: the pack portrait, rho 0.4, evaluation seed 0, 1,000 markets, all policies that need no
training.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from copyright_gym.benchmarks.cells import Cell, make_cells
from copyright_gym.benchmarks.contestants import GROUPS, ORACLE, is_trained
from copyright_gym.benchmarks.grid import run_grid

RESULTS = Path(__file__).resolve().parent / "results"
_NUMBERS = ("seed", "quality", "spent", "acceptance")


def quick_cells() -> list[Cell]:
    """Return the cells of the subset."""
    names = [name for group in GROUPS.values() for name in group if not is_trained(name)]
    return make_cells(
        [*names, ORACLE],
        packs=["portrait"],
        rhos=[0.4],
        seeds=[],
        steps=0,
        evaluation_seed=0,
        episodes=1000,
    )


def run_quick(out: Path, workers: int = 1, results: Path = RESULTS) -> str:
    """Run the subset and compare it with committed results.

    Args:
        out: folder for the cells.
        workers: number of processes.
        results: folder of the committed benchmark.

    Returns:
        What agrees and what differs, in words.
    """
    cells = quick_cells()
    run_grid(cells, out, workers)
    return compare([cell.key for cell in cells], out, results)


def compare(keys: list[str], out: Path, results: Path) -> str:
    """Compare cells number by number.

    Args:
        keys: names of the cells.
        out: folder of one benchmark.
        results: folder of the other.

    Returns:
        What agrees and what differs, in words; a cell that is missing in `results` is named.
    """
    lines = []
    for key in keys:
        paths = [folder / "cells" / f"{key}.parquet" for folder in (out, results)]
        if not paths[1].is_file():
            lines.append(f"not among the committed results: {key}")
            continue
        fresh, kept = (pq.read_table(path, columns=list(_NUMBERS)) for path in paths)
        if not fresh.to_pandas().equals(kept.to_pandas()):
            lines.append(f"differs from the committed results: {key}")
    equal = len(keys) - len(lines)
    return "\n".join([f"{equal} of {len(keys)} cells equal the committed results exactly", *lines])
