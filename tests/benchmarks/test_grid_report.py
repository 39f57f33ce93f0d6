"""The report by hand: order, trainings, budgets, shares, formats, and measures with gaps."""

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
from copyright_gym.errors import OptionError

MARKETS = 20


def write_cell(
    folder: Path,
    policy: str,
    rho: float,
    quality: float,
    training: int | None = None,
    steps: int = 2_000_000,
    first_seed: int = 0,
    version: str = "0",
) -> None:
    """A policy whose quality differs between markets as everybody's does."""
    qualities = quality * np.linspace(0.5, 1.5, MARKETS)
    measures = {name: np.full(MARKETS, 0.25) for name in ECONOMICS}
    measures["gini"] = np.where(np.arange(MARKETS) < 10, np.nan, quality)
    columns = {
        "policy": [policy] * MARKETS,
        "training_seed": [training] * MARKETS,
        "training_steps": [0 if training is None else steps] * MARKETS,
        "pack": ["p"] * MARKETS,
        "pack_sha256": [version] * MARKETS,
        "rho": [rho] * MARKETS,
        "settings": [json.dumps({})] * MARKETS,
        "seed": range(first_seed, first_seed + MARKETS),
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
    assert header[1:] == ["trainings", "rho 0.2, 1 pack", "rho 0.4, 1 pack"]
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


def test_the_csv_has_a_number_in_each_column(folder: Path) -> None:
    write_report(folder, reference="plain")
    rows = list(csv.DictReader((folder / "report.csv").read_text().splitlines()))
    lines = {(row["rho"], row["policy"]): row for row in rows}
    assert len(lines) == len(rows) == 7
    words = {"pack": "p", "reference": "plain"}
    for (rho, policy), row in lines.items():
        assert words.items() <= row.items()
        empty = [name for name, cell in row.items() if not cell]
        starts = ("difference", "p_better") if policy == "plain" else ()
        assert empty == [f"{name}{end}" for name in starts for end in ("", "_low", "_high")]
        assert all(float(row[name]) >= 0 for name in row if name not in (*words, "policy", *empty))
        trained = {"0.2": ("2", "2000000"), "0.4": ("3", "2000000")}[rho]
        expected = trained if policy == "trained" else ("0", "0")
        assert (row["trainings"], row["training_steps"]) == expected
    row = lines["0.2", "trained"]
    assert [float(row[f"share_of_oracle{end}"]) for end in ("", "_low", "_high")] == pytest.approx(
        [0.65, 0.6, 0.7]
    )
    # Mean of all markets, of the middle half of them, and of the differences to "plain".
    assert float(row["quality"]) == pytest.approx(0.65)
    assert float(row["iqm"]) == pytest.approx(0.65)
    assert float(row["difference"]) == pytest.approx(0.15)
    assert float(row["difference_low"]) < 0.15 < float(row["difference_high"])
    assert [float(row[f"p_better{end}"]) for end in ("", "_low", "_high")] == [1, 1, 1]


def test_latex_has_the_tables_of_the_markdown(folder: Path) -> None:
    write_cell(folder, "a_b", 0.4, 0.1)
    markdown = write_report(folder)
    shown = []
    for block in (folder / "report.tex").read_text().rstrip().split("\n\n"):
        begin, *lines, end = block.splitlines()
        assert begin == rf"\begin{{tabular}}{{{'l' * (lines[0].count('&') + 1)}}}"
        assert end == r"\end{tabular}"
        assert all(line.endswith(r" \\") for line in lines)
        shown.append([line.removesuffix(r" \\").split(" & ") for line in lines])
    assert r"a\_b" in [line[0] for line in shown[0]]
    signs = {r"\%": "%", r"\_": "_", "--": "–"}
    for escaped, sign in signs.items():
        shown = [[[c.replace(escaped, sign) for c in line] for line in table] for table in shown]
    assert shown == [table_of(block) for block in markdown.split("\n\n")]


def test_unequal_budgets_are_told(folder: Path) -> None:
    assert "steps" not in write_report(folder)
    # A policy file's card tells the whole batches of 2,000,000 steps.
    write_cell(folder, "file", 0.4, 0.6, 0, steps=1_999_360)
    assert "steps" not in write_report(folder)
    write_cell(folder, "brief", 0.4, 0.6, 0, steps=3000)
    note = (
        "Not trained on equally many steps (holder decisions): "
        "brief 3,000, file 1,999,360, trained 2,000,000."
    )
    assert write_report(folder).split("\n\n")[2:] == [note]
    assert (folder / "report.tex").read_text().split("\n\n")[2:] == [note + "\n"]
    rows = csv.DictReader((folder / "report.csv").read_text().splitlines())
    assert {(row["policy"], row["training_steps"]) for row in rows} >= {
        ("brief", "3000"),
        ("file", "1999360"),
        ("plain", "0"),
    }
    write_cell(folder, "brief", 0.4, 0.6, 1, steps=6000)
    with pytest.raises(OptionError, match="trainings of 'brief' have 3,000 and 6,000 steps"):
        write_report(folder)


def test_cells_that_do_not_go_together_are_named(folder: Path) -> None:
    write_cell(folder, "late", 0.4, 0.5, first_seed=5)
    told = r"'late' 20 with seeds 5 to 24, 'oracle' 20 with seeds 0 to 19;.*--evaluation-seed"
    with pytest.raises(OptionError, match=told):
        write_report(folder)
    write_cell(folder, "late", 0.4, 0.5, version="1")
    write_cell(folder, "later", 0.2, 0.5, version="2")
    told = r"pack 'p': late-0.4-None.parquet, later-0.2-None.parquet differ from oracle-0.2-None"
    with pytest.raises(OptionError, match=told):
        write_report(folder)


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
    assert {row["trainings"] for row in rows} == {"0", "2", "3"}
    header, *lines = table_of((folder / "economics.md").read_text())
    line = next(line for line in lines if line[1:3] == ["0.2", "trained"])
    assert line[header.index("gini [95 %]")] == "0.650 [0.600, 0.700]"
    assert line[header.index("overspent")] == "0.2500"
    assert len(lines) == len(rows) == 7
