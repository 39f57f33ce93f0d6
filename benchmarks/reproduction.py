"""The quick benchmark: a stated subset of the committed results, to be reproduced.

The subset: the pack portrait, rho 0.4, evaluation seed 0, 1,000 markets, the oracle and those of
the baselines and rivals that need no training, but for gradient. Trained ones are left out: their
bits also depend on the build of torch and on the processor. So do those of gradient, whose ascent
turns other last bits into other offers in a few markets.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from copyright_gym.benchmarks.cells import Cell, make_cells
from copyright_gym.benchmarks.contestant_names import ORACLE, expand, is_trained
from copyright_gym.benchmarks.grid import ECONOMICS, run_grid
from copyright_gym.errors import CopyrightGymError, OptionError

RESULTS = Path(__file__).resolve().parent / "results"
_DEPENDS_ON_PROCESSOR = "gradient"
_NUMBERS = ("seed", "quality", "spent", "acceptance")
_ROUNDING = 1e-9
"""Economic measures may differ so much: the last bits of their sums depend on the processor."""


class DifferentResultsError(CopyrightGymError):
    """Cells differ from the committed results, or are not among them."""


def quick_cells() -> list[Cell]:
    """Return the cells of the subset."""
    names = expand(["baselines", "rivals", ORACLE])
    return make_cells(
        [name for name in names if not is_trained(name) and name != _DEPENDS_ON_PROCESSOR],
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
        out: folder for the cells, without any of them: all are computed.
        workers: number of processes.
        results: folder of the committed benchmark.

    Returns:
        That all agree, in words.

    Raises:
        OptionError: the folder holds a cell of the subset already.
        DifferentResultsError: a cell differs; the message is as of `compare`.
    """
    cells = quick_cells()
    if any((out / cell.path).exists() for cell in cells):
        raise OptionError(
            f"{out} holds cells of the quick benchmark already, which would not be computed "
            "again; give another folder as --out, or remove this one"
        )
    run_grid(cells, out, workers)
    return compare([cell.key for cell in cells], out, results)


def compare(keys: list[str], out: Path, results: Path) -> str:
    """Compare cells number by number, and the economic measures as far as `results` has them.

    Args:
        keys: names of the cells.
        out: folder of one benchmark.
        results: folder of the other.

    Returns:
        That all agree, in words.

    Raises:
        DifferentResultsError: a cell differs or is missing in `results`; the message names it.
    """
    lines = []
    for key in keys:
        paths = [folder / "cells" / f"{key}.parquet" for folder in (out, results)]
        if not paths[1].is_file():
            lines.append(f"not among the committed results: {key}")
            continue
        fresh, kept = (pq.read_table(path).to_pandas() for path in paths)
        measures = [name for name in ECONOMICS if name in kept]
        same = fresh[[*_NUMBERS]].equals(kept[[*_NUMBERS]])
        if not same or not np.allclose(
            fresh[measures], kept[measures], rtol=0, atol=_ROUNDING, equal_nan=True
        ):
            lines.append(f"differs from the committed results: {key}")
    equal = len(keys) - len(lines)
    text = (
        f"{equal} of {len(keys)} cells equal the committed results: quality, spending and "
        "acceptance exactly, economic measures but for rounding"
    )
    if lines:
        raise DifferentResultsError("\n".join([text, *lines]))
    return text
