"""The README's Python runs as it stands, on a made-up pack; results in docs are committed ones."""

import re
from pathlib import Path

import pytest
from markdown_tables import tables

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
REPORT = (ROOT / "benchmarks" / "results" / "report.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("code", BLOCKS)
def test_code_runs(code: str, synthetic_pack: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert '"portrait"' in code
    exec(code.replace('"portrait"', repr(synthetic_pack)), {})
    assert -1 <= float(capsys.readouterr().out) <= 1


def test_results_are_those_of_the_report() -> None:
    committed = tables(REPORT)
    checked = 0
    for table in [*tables(README), *tables(RESULTS)]:
        titles = set(table[0])
        if not titles & {"share of oracle [95 %]", "trainings"}:
            continue
        likely = [rows for rows in committed if titles <= set(rows[0])]
        assert len(likely) == 1, f"no table of the report has the columns {sorted(titles)}"
        shown = [{title: row[title] for title in table[0]} for row in likely[0]]
        assert [row for row in table if row not in shown] == []
        checked += len(table)
    assert checked >= 30


def test_ablations_are_those_of_the_report() -> None:
    column = "difference to hierarchical [95 %]"
    (report,) = (rows for rows in tables(REPORT) if "pack" in rows[0] and column in rows[0])
    committed = {(row["pack"], row["rho"], row["policy"]): row[column] for row in report}
    (ablations,) = (rows for rows in tables(RESULTS) if next(iter(rows[0])) == column)
    for row in ablations:
        policy = row.pop(column)
        assert row == {pack: committed[pack, "0.4", policy] for pack in row}
    assert len(ablations) == 11
