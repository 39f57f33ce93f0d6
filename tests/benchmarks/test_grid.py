"""The benchmark cell by cell: same markets for all, resumable, provenance in every row."""

import functools
import hashlib
import io
import json
from dataclasses import asdict, replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pyarrow.parquet as pq
import pytest
import stable_baselines3

from copyright_gym import cli, policies
from copyright_gym.agents import training
from copyright_gym.agents.q_policy import load_q_policy
from copyright_gym.agents.settings import Settings
from copyright_gym.benchmarks import grid
from copyright_gym.benchmarks.cells import Cell, make_cells
from copyright_gym.benchmarks.contestant_names import expand
from copyright_gym.benchmarks.contestants import (
    UnplayableError,
    play_contestant,
    policy_settings,
)
from copyright_gym.benchmarks.grid import read_grid, run_grid
from copyright_gym.benchmarks.grid_values import by_training
from copyright_gym.config import MarketConfig
from copyright_gym.errors import OptionError, PolicyError
from copyright_gym.heuristics import GreedyHolder, GreedyRound
from copyright_gym.policies import Level


def cells(pack: str, *names: str) -> list[Cell]:
    return make_cells(
        names,
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
    synthetic_pack: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
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
    capsys.readouterr()
    run_grid(work, tmp_path)
    there, last = capsys.readouterr().err.splitlines()
    assert there == "3 of 4 cells were there already"
    assert last == f"cell 4 of 4, 00:00 left: {lost.stem}"
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
    plain = asdict(Settings(**training._BASELINE))
    assert said["uniform+learned"]["holder"] == json.loads(json.dumps(plain))
    assert said["uniform+greedy"] == {"round": {}, "holder": {"markup": 1.2}}
    assert set(rows["gymnasium"]) == {gym.__version__}
    assert set(rows["stable_baselines3"]) == {stable_baselines3.__version__}


def test_cells_of_earlier_versions_are_read(synthetic_pack: str, tmp_path: Path) -> None:
    (cell,) = cells(synthetic_pack, "uniform+greedy")
    run_grid([cell], tmp_path)
    path = tmp_path / cell.path
    rows = pq.read_table(path)
    pq.write_table(rows.drop_columns(["gymnasium", "stable_baselines3"]), path)
    found = read_grid(tmp_path)
    assert found.schema == rows.schema
    assert found["gymnasium"].null_count == len(rows)
    assert found["quality"] == rows["quality"]


def test_settings_are_the_policies_own(
    synthetic_pack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "_registry", dict(policies._registry))
    policies.register_policy("generous", "holder", functools.partial(GreedyHolder, markup=2.0))
    config = MarketConfig(pack=synthetic_pack)
    assert policy_settings("uniform+generous", config, {})["holder"] == {"markup": 2.0}


@pytest.mark.parametrize(
    ("name", "level", "parameters"),
    [
        ("greedy+uniform", "round", {"share": 0.9}),
        ("uniform+greedy", "holder", {"markup": 1.2}),
        ("all+adaptive", "holder", {"low": 0.63}),
        ("all+knapsack", "holder", {"markup": 1.4}),
        ("all+dual-pacing", "holder", {"rate": 0.25}),
        ("all+model-adaptive", "holder", {"chance": 0.75, "margin": 0.95}),
        ("gradient", "joint", {"steps": 150, "rate": 0.05}),
        ("all+thompson", "holder", {}),
        ("all+singer", "holder", {}),
        ("oracle", "joint", {}),
    ],
)
def test_settings_are_the_parameters_of_the_documentation(
    synthetic_pack: str, name: str, level: Level, parameters: dict[str, float]
) -> None:
    found = policy_settings(name, MarketConfig(pack=synthetic_pack), {})
    assert found.pop(level) == parameters
    assert found in ({}, {"round": {}}, {"holder": {}})


def test_rows_of_policy_files_tell_their_training(
    synthetic_pack: str, brief_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = brief_weights / "uniform-learned.safetensors"
    (cell,) = cells(synthetic_pack, f"mine=uniform+{file}")
    run_grid([cell], tmp_path)
    row = read_grid(tmp_path).to_pylist()[0]
    card = load_q_policy(file).card.provenance
    assert (row["policy"], row["training_seed"]) == ("mine", card["seed"])
    assert row["training_steps"] == card["steps"] > 0
    said = json.loads(row["settings"])["policy"]
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert said == {"round": {}, "holder": card | {"sha256": digest}}
    assert cli.main(["bench", "report", str(tmp_path)]) == 0
    assert "| mine | 1 |" in capsys.readouterr().out
    # Another file under the same name and with the same training seed is another policy.
    other = brief_weights / "greedy-learned.safetensors"
    run_grid(cells(synthetic_pack, f"mine=uniform+{other}"), tmp_path)
    with pytest.raises(OptionError, match=r"'mine' .training seed 0. has two results on a market"):
        by_training(read_grid(tmp_path))


def test_rows_of_shipped_halves_tell_their_training(
    synthetic_pack: str, brief_weights: Path, tmp_path: Path
) -> None:
    run_grid(cells(synthetic_pack, "all+uniform+learned"), tmp_path)
    row = read_grid(tmp_path).to_pylist()[0]
    card = load_q_policy(brief_weights / "uniform-learned.safetensors").card.provenance
    assert row["training_seed"] == card["seed"]
    assert row["training_steps"] == card["steps"] > 0
    assert json.loads(row["settings"])["policy"] == {"round": {}, "holder": card}


def test_shipped_halves_are_those_of_the_pack() -> None:
    for pack in ("cartoon", "portrait"):
        settings = policy_settings("all+uniform+learned", MarketConfig(pack=pack), {})
        assert settings["holder"]["pack"] == pack


def test_a_training_with_other_settings_is_refused(
    synthetic_pack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = cells(synthetic_pack, "uniform+learned")
    run_grid([first], tmp_path)
    monkeypatch.setitem(training._BASELINE, "exploration", 0.75)
    run_grid([first, second], tmp_path)  # what was played stays, what is new trains anew
    (tmp_path / first.path).unlink()
    with pytest.raises(OptionError, match=r"'uniform\+learned' with other settings .exploration."):
        run_grid([first], tmp_path)


def test_a_training_against_another_half_is_refused(
    synthetic_pack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = cells(synthetic_pack, "greedy+learned")
    run_grid([first], tmp_path)
    row = read_grid(tmp_path).to_pylist()[0]
    assert json.loads(row["settings"])["policy"]["round"] == {"share": 0.9}
    (tmp_path / first.path).unlink()
    monkeypatch.setattr(GreedyRound.__init__, "__defaults__", (0.5,))
    with pytest.raises(OptionError, match=r"'greedy\+learned' with other settings .round\.share."):
        run_grid([first], tmp_path)


def test_errors_name_the_cell(
    synthetic_pack: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    brief = replace(cells(synthetic_pack, "uniform+learned")[0], steps=100)
    with pytest.raises(OptionError, match=r"uniform\+learned: steps must be at least"):
        run_grid([brief], tmp_path)
    (cell,) = cells(synthetic_pack, "uniform+greedy")
    run_grid([cell], tmp_path)
    path = tmp_path / cell.path
    whole = path.read_bytes()
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    assert cli.main(["bench", "report", str(tmp_path)]) == 1
    assert f"{path} is damaged (no rows)" in capsys.readouterr().err
    path.write_bytes(whole[:-100])
    assert cli.main(["bench", "report", str(tmp_path)]) == 1
    assert f"{path} is damaged" in capsys.readouterr().err
    run_grid([cell], tmp_path)
    assert pq.read_table(path).equals(pq.read_table(io.BytesIO(whole)))
    told = capsys.readouterr().err
    assert f"{path} is damaged and will be made again" in told
    assert "there already" not in told
    with pytest.raises(OptionError, match="is a file; name a folder"):
        run_grid([cell], path)
    with pytest.raises(OptionError, match="is no folder; name one that"):
        read_grid(path)


def test_two_budgets_of_trainings_in_one_folder_are_refused(
    synthetic_pack: str, tmp_path: Path
) -> None:
    for steps in (3000, 6000):
        work = cells(synthetic_pack, "uniform+learned")
        run_grid([replace(cell, steps=steps) for cell in work], tmp_path)
    with pytest.raises(OptionError, match=r"one --steps .* or use another NAME or --out"):
        by_training(read_grid(tmp_path))


def test_after_an_error_no_further_cell_is_begun(synthetic_pack: str, tmp_path: Path) -> None:
    (good,) = cells(synthetic_pack, "uniform+greedy")
    bad = replace(good, config=replace(good.config, holders=3), policy="uniform+nobody")
    more = [replace(good, evaluation_seed=seed, episodes=500) for seed in range(100)]
    with pytest.raises(PolicyError, match="unknown holder policy 'nobody'"):
        run_grid([bad, *more], tmp_path, workers=2)
    assert len(list(tmp_path.glob("cells/*.parquet"))) < len(more) / 2


@pytest.mark.parametrize(
    ("name", "file", "steps", "level", "training"),
    [
        ("cma-es", "holder.json", 20_000, "holder", {"sigma": 2.0, "markets": 16}),
        ("ppo", "network.npz", 20_000, "joint", {"gamma": 1.0, "n_steps": 128}),
        ("sac", "network.npz", 1200, "joint", {"gamma": 1.0, "markets": 16}),
        ("dqn", "network.npz", 20_000, "holder", {"gamma": 1.0, "gradient_steps": 16}),
    ],
)
def test_rivals_are_trained_first(
    name: str,
    file: str,
    steps: int,
    level: str,
    training: dict[str, float],
    synthetic_pack: str,
    tmp_path: Path,
) -> None:
    work = make_cells(
        [name],
        packs=[synthetic_pack],
        rhos=[0.4],
        seeds=[0],
        steps=steps,
        evaluation_seed=0,
        episodes=4,
    )
    run_grid(work, tmp_path)
    rows = read_grid(tmp_path).to_pylist()
    assert {(row["training_seed"], row["training_steps"]) for row in rows} == {(0, steps)}
    said = json.loads(rows[0]["settings"])["policy"]
    assert training.items() <= said[level].items()
    trained = tmp_path / "trained" / work[0].training_key / file
    assert list(trained.parent.iterdir()) == [trained]
    if name != "dqn":  # which sees one holder at a time
        few = replace(work[0].config, holders=3)
        with pytest.raises(UnplayableError, match="8 holders that it was trained with, not with 3"):
            play_contestant(name, few, [0], {trained.stem: trained})


def test_keys_tell_cells_apart(synthetic_pack: str) -> None:
    one, other = cells(synthetic_pack, "uniform+learned", "uniform+learned")
    assert one.key != other.key
    assert one.training_key != other.training_key


def test_bad_policy_files_are_named_before_anything_runs(
    synthetic_pack: str, brief_weights: Path
) -> None:
    file = brief_weights / "learned-uniform.safetensors"
    with pytest.raises(PolicyError, match=f"{file} is a round policy, not a holder policy"):
        cells(synthetic_pack, f"mine=uniform+{file}")
    gone = brief_weights / "gone.safetensors"
    with pytest.raises(PolicyError, match=f"no policy file at {gone}"):
        cells(synthetic_pack, f"{file}+{gone}")


def test_bad_names_and_folders(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="unknown contestant 'best'"):
        expand(["best"])
    with pytest.raises(PolicyError, match=r"'orcale' \(did you mean 'oracle'\?\).* sac, "):
        expand(["orcale"])
    with pytest.raises(PolicyError, match=r"round policy 'unifrom' \(did you mean 'uniform'\?\)"):
        expand(["unifrom+greedy"])
    with pytest.raises(PolicyError, match="unknown holder policy 'nosuch'; known: adaptive, "):
        expand(["uniform+nosuch"])
    with pytest.raises(PolicyError, match="'oracle' decides at both levels; write oracle alone"):
        expand(["oracle+greedy"])
    with pytest.raises(PolicyError, match="is the hierarchical DQN; write hierarchical"):
        expand(["learned+learned"])
    assert "all+model-adaptive" in expand(["rivals", "gradient"])
    for name in ("hierarchical", "baselines", "gradient"):
        with pytest.raises(PolicyError, match="is that of another contestant; write another NAME"):
            expand([f"{name}=uniform+greedy"])
    with pytest.raises(PolicyError, match=r"'A=uniform\+greedy' is that of A=uniform\+uni"):
        expand(["A=uniform+greedy", "A=uniform+uniform"])
    both = ["A=uniform+greedy", "uniform+greedy"]
    assert expand([*both, *both]) == both
    with pytest.raises(OptionError, match="no cells"):
        read_grid(tmp_path)
