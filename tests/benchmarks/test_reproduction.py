"""The comparison with committed results sees one changed bit and a missing cell."""

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from copyright_gym import cli
from copyright_gym.benchmarks.cells import Cell, make_cells
from copyright_gym.benchmarks.grid import ECONOMICS, run_grid
from copyright_gym.benchmarks.reproduction import (
    DifferentResultsError,
    compare,
    quick_cells,
    run_quick,
)


def small_cells(pack: str, *policies: str) -> list[Cell]:
    return make_cells(
        policies, packs=[pack], rhos=[0.4], seeds=[], steps=0, evaluation_seed=0, episodes=3
    )


def test_compare(synthetic_pack: str, tmp_path: Path) -> None:
    cells = small_cells(synthetic_pack, "uniform+uniform", "uniform+greedy")
    keys = [cell.key for cell in cells]
    for folder in ("a", "b"):
        run_grid(cells, tmp_path / folder)
    assert compare(keys, tmp_path / "a", tmp_path / "b").startswith("2 of 2 cells equal")
    path = tmp_path / "b" / "cells" / f"{keys[0]}.parquet"
    rows = pq.read_table(path)
    column = rows.schema.get_field_index("quality")
    changed = pc.add(rows["quality"], 1e-16 + 2**-50)
    pq.write_table(rows.set_column(column, "quality", changed), path)
    with pytest.raises(DifferentResultsError) as caught:
        compare(keys, tmp_path / "a", tmp_path / "b")
    assert str(caught.value).startswith("1 of 2 cells equal")
    assert f"differs from the committed results: {keys[0]}" in str(caught.value)
    path.unlink()
    with pytest.raises(DifferentResultsError, match="not among the committed"):
        compare(keys, tmp_path / "a", tmp_path / "b")


def test_economic_measures_are_compared_but_for_rounding(
    synthetic_pack: str, tmp_path: Path
) -> None:
    cells = small_cells(synthetic_pack, "uniform+greedy")
    (key,) = (cell.key for cell in cells)
    for folder in ("a", "b"):
        run_grid(cells, tmp_path / folder)
    path = tmp_path / "b" / "cells" / f"{key}.parquet"
    rows = pq.read_table(path)
    column = rows.schema.get_field_index("gini")

    def compare_after(change: float) -> str:
        changed = pc.add(rows["gini"], change)
        pq.write_table(rows.set_column(column, "gini", changed), path)
        return compare([key], tmp_path / "a", tmp_path / "b")

    assert compare_after(1e-14).startswith("1 of 1 cells equal")
    with pytest.raises(DifferentResultsError, match="0 of 1 cells equal"):
        compare_after(1e-6)
    pq.write_table(rows.drop_columns(list(ECONOMICS)), path)
    assert compare([key], tmp_path / "a", tmp_path / "b").startswith("1 of 1 cells equal")


def test_the_command_computes_all_and_fails_where_they_differ(
    synthetic_pack: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    few = small_cells(synthetic_pack, "uniform+greedy")
    monkeypatch.setattr("copyright_gym.benchmarks.reproduction.quick_cells", lambda: few)
    words = ["bench", "run", "--quick", "--out", str(tmp_path)]
    assert cli.main(words) == 1
    assert "0 of 1 cells equal" in capsys.readouterr().err
    assert cli.main(words) == 1
    assert "holds cells of the quick benchmark already" in capsys.readouterr().err
    assert run_quick(tmp_path / "again", results=tmp_path).startswith("1 of 1 cells equal")


def test_quick_needs_no_training() -> None:
    cells = quick_cells()
    assert {cell.training_seed for cell in cells} == {None}
    assert {"oracle", "all+model-adaptive", "uniform+uniform"} <= {cell.policy for cell in cells}
