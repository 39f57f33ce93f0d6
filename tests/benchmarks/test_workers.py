"""A benchmark's worker processes know what they shall play, or it says so before it begins."""

import subprocess
import sys
from pathlib import Path

import pytest

from copyright_gym import policies
from copyright_gym.benchmarks.cells import Cell, make_cells
from copyright_gym.benchmarks.grid import read_grid, run_grid
from copyright_gym.errors import PolicyError
from copyright_gym.heuristics import AllRound, GreedyHolder

SCRIPT = """
import functools
import sys
from pathlib import Path

from copyright_gym import register_policy
from copyright_gym.benchmarks.cells import make_cells
from copyright_gym.benchmarks.grid import run_grid
from copyright_gym.heuristics import GreedyHolder

register_policy("mine", "holder", functools.partial(GreedyHolder, markup=2.0))

if __name__ == "__main__":
    cells = make_cells(
        ["uniform+mine"],
        packs=[sys.argv[1]],
        rhos=[0.4],
        seeds=[],
        steps=0,
        evaluation_seed=0,
        episodes=3,
    )
    run_grid(cells, Path(sys.argv[2]), workers=2)
"""


def cells(pack: str, *names: str) -> list[Cell]:
    return make_cells(
        names, packs=[pack], rhos=[0.4], seeds=[], steps=0, evaluation_seed=0, episodes=3
    )


def test_what_workers_do_not_know_is_told_before_anything_runs(
    synthetic_pack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "_registry", dict(policies._registry))
    policies.register_policy("mine", "holder", GreedyHolder)
    policies.register_policy("uniform", "round", AllRound)  # workers have another one
    work = cells(synthetic_pack, "random+random", "greedy+greedy", "uniform+mine")
    with pytest.raises(PolicyError, match=r"^mine, uniform: registered in this process only"):
        run_grid(work, tmp_path, workers=2)
    assert not list(tmp_path.iterdir())
    run_grid(work[:2], tmp_path, workers=2)  # they play neither
    run_grid(work, tmp_path)
    assert len(list((tmp_path / "cells").iterdir())) == 3


def test_what_the_script_registers_as_it_is_imported_plays(
    synthetic_pack: str, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    subprocess.run([sys.executable, script, synthetic_pack, tmp_path], check=True)
    assert set(read_grid(tmp_path)["policy"].to_pylist()) == {"uniform+mine"}
