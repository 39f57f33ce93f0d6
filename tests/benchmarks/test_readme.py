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
