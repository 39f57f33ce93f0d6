"""Committed tables are those of the committed cells, and tables in docs those of both."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from markdown_tables import Row, tables

from copyright_gym.benchmarks.live_ranking import live_table

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
MEASURES = ("gini", "jain", "shapley_correlation", "loss_payment", "overpayment")


def first(cell: str) -> float:
    """The number before the interval; NaN for a dash."""
    return float("nan") if cell == "–" else float(cell.split(" ")[0])


@pytest.fixture(scope="module")
def means() -> pd.DataFrame:
    """Means over episodes and trainings by pack, budget and policy."""
    columns = ["pack", "rho", "policy", "quality", *MEASURES]
    paths = sorted((RESULTS / "cells").glob("*.parquet"))
    rows = pd.concat(pq.read_table(path, columns=columns).to_pandas() for path in paths)
    found: pd.DataFrame = rows.groupby(["pack", "rho", "policy"]).mean()
    return found


def test_the_report_is_that_of_the_cells(means: pd.DataFrame) -> None:
    with (RESULTS / "report.csv").open(encoding="utf-8") as file:
        report = {
            (row["pack"], float(row["rho"]), row["policy"]): float(row["quality"])
            for row in csv.DictReader(file)
        }
    assert report.keys() == set(means.index)
    found = [report[key] for key in means.index]
    np.testing.assert_allclose(found, means["quality"], rtol=1e-9)


def test_economic_measures_in_the_docs_are_those_of_the_cells(means: pd.DataFrame) -> None:
    text = (ROOT / "docs" / "economics.md").read_text(encoding="utf-8")
    (table,) = (rows for rows in tables(text) if "overpayment [95 %]" in rows[0])
    for row in table:
        expected = means.loc[row["pack"], 0.4, row["policy"]]
        for name in MEASURES:
            assert first(row[f"{name} [95 %]"]) == pytest.approx(expected[name], abs=6e-4)


def test_the_live_ranking_is_that_of_the_cells() -> None:
    committed = (RESULTS / "live.md").read_text(encoding="utf-8")
    assert committed.strip() == live_table(RESULTS).strip()
    text = (ROOT / "docs" / "benchmark.md").read_text(encoding="utf-8")
    (shown,) = (rows for rows in tables(text) if "measured quality [95 %]" in rows[0])
    assert shown == [
        {title: value for title, value in row.items() if title != "rho"}
        for row in tables(committed)[0]
    ]


def test_the_transfer_is_that_of_the_cells() -> None:
    committed = tables((RESULTS / "transfer.md").read_text(encoding="utf-8"))[0]
    columns = ["pack", "policy", "quality"]
    paths = sorted((RESULTS / "transfer").glob("*.parquet"))
    rows = pd.concat(pq.read_table(path, columns=columns).to_pandas() for path in paths)
    means = rows.groupby(["pack", "policy"])["quality"].mean()
    text = (ROOT / "docs" / "benchmark.md").read_text(encoding="utf-8")
    (shown,) = (rows for rows in tables(text) if "128 churn" in rows[0])
    assert len(shown) == len(committed)
    for line, row in zip(committed, shown, strict=True):
        name, numbers = split(line)
        assert row.pop("policy (trained on)") == name
        told = {market: first(value) for market, value in row.items()}
        for market, value in numbers.items():
            brief = market.replace("-holders-like-portrait", "").replace("-churn0.2", " churn")
            np.testing.assert_equal(told.pop(brief), value)
            expected = means.get((market, name), float("nan"))
            np.testing.assert_allclose(value, expected, atol=6e-5)
        assert not told


def split(line: Row) -> tuple[str, dict[str, float]]:
    """Name of the policy, and its numbers by market."""
    values = dict(line)
    name = values.pop("policy (trained on)").removesuffix(" (portrait)")
    return name, {key.removesuffix(", rho 0.4"): first(value) for key, value in values.items()}
