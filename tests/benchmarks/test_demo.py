"""The demo from end to end on a made-up pack."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from copyright_gym.cli import main


def run(pack: str, out: Path) -> int:
    return main(["demo", "--pack", pack, "--out", str(out), "--episodes", "12", "--steps", "6000"])


def test_demo_twice(
    synthetic_pack: str, brief_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(synthetic_pack, tmp_path / "a") == 0
    output = capsys.readouterr()
    assert "training hierarchical" in output.err
    for name in ("hierarchical", "uniform+uniform", "learned+greedy", "random+random"):
        assert name in output.out
    assert run(synthetic_pack, tmp_path / "b") == 0
    files = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert files == ["episodes.parquet", "ranking.png", "summary.json"]
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    rows = pq.read_table(tmp_path / "a" / "episodes.parquet").to_pydict()
    assert len(rows["policy"]) == 10 * 12
    summary = json.loads((tmp_path / "a" / "summary.json").read_text())
    assert summary["command"].startswith("copyright-gym demo --pack synthetic --seed 0")
    assert summary["quality_model"] == "surrogate"
    assert len(summary["ranking"]) == 10
    assert summary["training_steps"]["hierarchical"] == 2 * 64 * 40
