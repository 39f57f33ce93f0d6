"""The example's own policies, an SB3 model among them, join the benchmark and its report."""

import runpy
import sys
from pathlib import Path

import pytest

from copyright_gym import MarketConfig, cli, play, policies
from copyright_gym.benchmarks.grid import read_grid

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_policy.py"


def test_they_are_played_as_registered(
    synthetic_pack: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(policies, "_registry", dict(policies._registry))
    words = ["--pack", synthetic_pack, "--steps", "200", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", [EXAMPLE.name, *words])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    own = ("fixed", "generous", "ppo")
    rows = read_grid(tmp_path).to_pandas().groupby("policy")
    assert {f"uniform+{name}" for name in own} < set(rows.groups)
    for name in own:
        found = rows.get_group(f"uniform+{name}")
        config = MarketConfig(pack=synthetic_pack, rho=0.4)
        again = play(config, "uniform", name, found["seed"].tolist())
        assert found["quality"].tolist() == again.quality[:, -1].tolist()
    capsys.readouterr()
    assert cli.main(["bench", "report", str(tmp_path)]) == 0
    assert "| uniform+ppo | – |" in capsys.readouterr().out
