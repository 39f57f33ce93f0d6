"""The benchmark cell by cell: same markets for all, resumable, provenance in every row."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from copyright_gym import cli
from copyright_gym.agents.settings import Settings
from copyright_gym.benchmarks import grid
from copyright_gym.benchmarks.cells import Cell, make_cells
from copyright_gym.benchmarks.contestants import (
    HoldersError,
    expand,
    play_contestant,
    policy_settings,
)
from copyright_gym.benchmarks.grid import read_grid, run_grid
from copyright_gym.config import MarketConfig
from copyright_gym.errors import OptionError, PolicyError


def cells(pack: str, *policies: str) -> list[Cell]:
    return make_cells(
        policies,
        packs=[pack],
        rhos=[0.4],
        seeds=[0, 1],
        steps=3000,
        evaluation_seed=0,
        episodes=4,
    )


def test_the_command_runs_known_contestants_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Cell] = []
    monkeypatch.setattr(grid, "run_grid", lambda cells, out, workers: ran.extend(cells))
    assert cli.main(["bench", "run", "--out", "unused"]) == 0
    assert {"uniform+uniform", "gradient", "oracle"} <= {cell.policy for cell in ran}


def test_run_resume_and_read(
    synthetic_pack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = cells(synthetic_pack, "uniform+greedy", "uniform+learned", "oracle")
    assert len(work) == 4  # two trainings
    run_grid(work, tmp_path)
    files = {path: path.read_bytes() for path in (tmp_path / "cells").iterdir()}
    assert len(files) == 4
    lost = next(iter(files))
    lost.unlink()
    done: list[str] = []
    run_cell = grid.run_cell

    def counted(cell: Cell, out: Path, commit: str) -> None:
        done.append(cell.key)
        run_cell(cell, out, commit)

    monkeypatch.setattr(grid, "run_cell", counted)
    run_grid(work, tmp_path)
    assert done == [lost.stem]
    assert lost.read_bytes() == files[lost]
    rows = read_grid(tmp_path).to_pandas()
    assert (
        rows.groupby(["policy", "training_seed"], dropna=False)["seed"].apply(tuple).nunique() == 1
    )
    assert set(rows["training_seed"].dropna()) == {0, 1}
    quality = rows.groupby(["policy", "seed"])["quality"].mean().unstack(0)
    assert (quality["oracle"] >= quality["uniform+greedy"]).all()
    assert rows["commit"].str.len().min() > 0
    assert np.isfinite(rows.loc[rows["policy"] == "oracle", "gini"]).all()
    said = rows.groupby("policy")["settings"].first().map(json.loads).map(lambda s: s["policy"])
    plain = asdict(Settings(remember=False, outcomes=False, double_q=True))
    assert said["uniform+learned"]["holder"] == json.loads(json.dumps(plain))
    assert said["uniform+greedy"] == {"round": {}, "holder": {"markup": 1.0}}


def test_settings_of_a_planner(synthetic_pack: str) -> None:
    found = policy_settings("all+model-adaptive", MarketConfig(pack=synthetic_pack), {})
    assert found == {"round": {}, "holder": {"chance": 0.75, "margin": 0.95}}


@pytest.mark.parametrize(
    ("name", "file"), [("cma-es", "holder.json"), ("ppo", "network.npz"), ("dqn", "network.npz")]
)
def test_rivals_are_trained_first(
    name: str, file: str, synthetic_pack: str, tmp_path: Path
) -> None:
    work = make_cells(
        [name],
        packs=[synthetic_pack],
        rhos=[0.4],
        seeds=[0],
        steps=20_000,
        evaluation_seed=0,
        episodes=4,
    )
    run_grid(work, tmp_path)
    rows = read_grid(tmp_path).to_pylist()
    assert {(row["training_seed"], row["training_steps"]) for row in rows} == {(0, 20_000)}
    trained = tmp_path / "trained" / work[0].training_key / file
    assert list(trained.parent.iterdir()) == [trained]
    if name != "dqn":  # which sees one holder at a time
        few = replace(work[0].config, holders=3)
        with pytest.raises(HoldersError, match="8 holders that it was trained with, not with 3"):
            play_contestant(name, few, [0], {trained.stem: trained})


def test_keys_tell_cells_apart(synthetic_pack: str) -> None:
    one, other = cells(synthetic_pack, "uniform+learned")
    assert one.key != other.key
    assert one.training_key != other.training_key


def test_bad_names_and_folders(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="unknown contestant 'best'"):
        expand(["best"])
    assert "all+model-adaptive" in expand(["rivals", "gradient"])
    with pytest.raises(OptionError, match="no cells"):
        read_grid(tmp_path)
