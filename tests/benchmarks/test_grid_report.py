"""The report by hand: order, trainings, shares, and economic measures with gaps."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from copyright_gym.benchmarks.grid import ECONOMICS, GRID_SCHEMA
from copyright_gym.benchmarks.grid_report import write_report

MARKETS = 20


def write_cell(
    folder: Path, policy: str, rho: float, quality: float, training: int | None = None
) -> None:
    """A policy whose quality differs between markets as everybody's does."""
    qualities = quality * np.linspace(0.5, 1.5, MARKETS)
    measures = {name: np.full(MARKETS, 0.25) for name in ECONOMICS}
    measures["gini"] = np.where(np.arange(MARKETS) < 10, np.nan, quality)
    columns = {
        "policy": [policy] * MARKETS,
        "training_seed": [training] * MARKETS,
        "training_steps": [0 if training is None else 9] * MARKETS,
        "pack": ["p"] * MARKETS,
        "pack_sha256": ["0"] * MARKETS,
        "rho": [rho] * MARKETS,
        "settings": [json.dumps({})] * MARKETS,
        "seed": range(MARKETS),
        "quality": qualities,
        **measures,
    }
    nothing = [None] * MARKETS
    table = pa.table(
        {name: columns.get(name, nothing) for name in GRID_SCHEMA.names}, schema=GRID_SCHEMA
    )
    path = folder / "cells" / f"{policy}-{rho}-{training}.parquet"
    path.parent.mkdir(exist_ok=True)
    pq.write_table(table, path)


@pytest.fixture(name="folder")
def make_folder(tmp_path: Path) -> Path:
    for rho in (0.2, 0.4):
        write_cell(tmp_path, "oracle", rho, 1.0)
        write_cell(tmp_path, "plain", rho, 0.5)
        for training in range(2 if rho == 0.2 else 3):
            write_cell(tmp_path, "trained", rho, 0.6 + 0.1 * (training % 2), training)
    write_cell(tmp_path, "seldom", 0.4, 0.9)
    return tmp_path


def table_of(text: str) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in text.splitlines() if "---" not in line]


def test_complete_rows_come_first_and_tell_their_trainings(folder: Path) -> None:
    summary, _, body = write_report(folder).partition("\n\n")
    header, *rows = table_of(summary)
    assert header[1:] == ["trainings", "rho 0.2, 1 packs", "rho 0.4, 1 packs"]
    assert [row[:2] for row in rows] == [
        ["oracle", "–"],
        ["trained", "2 to 3"],
        ["plain", "–"],
        ["seldom", "–"],
    ]
    assert rows[-1][2:] == ["–", "0.900 [0.900, 0.900]"]
    # Both tables tell the same share, with the interval over trainings.
    lines = {(row[1], row[2]): row for row in table_of(body)[1:]}
    share = table_of(body)[0].index("share of oracle [95 %]")
    assert lines["0.2", "trained"][share] == rows[1][2] == "0.650 [0.600, 0.700]"
    assert lines["0.4", "trained"][3] == "3"


def test_charts_and_economics(folder: Path) -> None:
    write_report(folder)
    for name in ("quality", "comparison", "profiles"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader((folder / "economics.csv").read_text().splitlines()))
    (row,) = (row for row in rows if (row["policy"], row["rho"]) == ("trained", "0.2"))
    # Markets without a value are left out; trainings differ.
    assert [float(row[f"gini{end}"]) for end in ("", "_low", "_high")] == pytest.approx(
        [0.65, 0.6, 0.7]
    )
    assert float(row["jain"]) == float(row["jain_high"]) == 0.25
    header, *lines = table_of((folder / "economics.md").read_text())
    line = next(line for line in lines if line[1:3] == ["0.2", "trained"])
    assert line[header.index("gini [95 %]")] == "0.650 [0.600, 0.700]"
    assert line[header.index("overspent")] == "0.2500"
    assert len(lines) == len(rows) == 7
