"""The comparison with committed results sees one changed bit and a missing cell."""

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from copyright_gym.benchmarks.cells import make_cells
from copyright_gym.benchmarks.grid import run_grid
from copyright_gym.benchmarks.reproduction import compare, quick_cells


def test_compare(synthetic_pack: str, tmp_path: Path) -> None:
    cells = make_cells(
        ["uniform+uniform", "uniform+greedy"],
        packs=[synthetic_pack],
        rhos=[0.4],
        seeds=[],
        steps=0,
        evaluation_seed=0,
        episodes=3,
    )
    keys = [cell.key for cell in cells]
    for folder in ("a", "b"):
        run_grid(cells, tmp_path / folder)
    assert compare(keys, tmp_path / "a", tmp_path / "b").startswith("2 of 2 cells equal")
    path = tmp_path / "b" / "cells" / f"{keys[0]}.parquet"
    rows = pq.read_table(path)
    column = rows.schema.get_field_index("quality")
    changed = pc.add(rows["quality"], 1e-16 + 2**-50)
    pq.write_table(rows.set_column(column, "quality", changed), path)
    text = compare(keys, tmp_path / "a", tmp_path / "b")
    assert text.startswith("1 of 2 cells equal")
    assert f"differs from the committed results: {keys[0]}" in text
    path.unlink()
    assert "not among the committed" in compare(keys, tmp_path / "a", tmp_path / "b")


def test_quick_needs_no_training() -> None:
    cells = quick_cells()
    assert {cell.training_seed for cell in cells} == {None}
    assert {"oracle", "all+model-adaptive", "uniform+uniform"} <= {cell.policy for cell in cells}
