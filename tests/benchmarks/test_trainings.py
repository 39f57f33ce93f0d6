"""Trainings are complete or absent, made by one process or two, and found again by studies."""

from __future__ import annotations

from pathlib import Path

import pytest

from copyright_gym import MarketConfig, cli
from copyright_gym.agents.q_policy import load_q_policy
from copyright_gym.benchmarks import trainings
from copyright_gym.benchmarks.cells import make_cells
from copyright_gym.benchmarks.grid import run_grid
from copyright_gym.benchmarks.trainings import Trainings, ready, train_files
from copyright_gym.errors import PolicyError


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_two_processes_may_make_the_same_training(
    synthetic_pack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, folder = MarketConfig(pack=synthetic_pack), tmp_path / "one"
    write = trainings._write_training

    def slow(name: str, config: MarketConfig, seed: int, steps: int, draft: Path) -> None:
        write(name, config, seed, steps, draft)
        if not folder.exists():  # the other process is done a moment earlier
            write(name, config, seed, steps, folder)

    monkeypatch.setattr(trainings, "_write_training", slow)
    files = train_files("uniform+learned", config, 0, 3000, folder)
    assert set(files) == {"holder", "curve"}
    assert all(path.is_file() for path in files.values())
    assert list(tmp_path.iterdir()) == [folder]


def test_a_curve_alone_is_no_training(synthetic_pack: str, tmp_path: Path) -> None:
    config = MarketConfig(pack=synthetic_pack)
    train_files("uniform+learned", config, 0, 3000, tmp_path / "one")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "curve.json").write_bytes((tmp_path / "one" / "curve.json").read_bytes())
    train_files("uniform+learned", config, 0, 3000, tmp_path / "two")
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
    # What is there is not trained again.
    (tmp_path / "two" / "curve.json").unlink()
    assert set(train_files("uniform+learned", config, 0, 3000, tmp_path / "two")) == {"holder"}


def test_cards_name_the_command_that_trains(synthetic_pack: str, tmp_path: Path) -> None:
    for name, rho in (("uniform+learned", 0.2), ("hierarchical", 0.4)):
        config = MarketConfig(pack=synthetic_pack, rho=rho)
        files = train_files(name, config, 1, 3000, tmp_path / name)
        command = load_q_policy(files["holder"]).card.provenance["command"]
        options = cli._parser().parse_args(command.split()[1:])
        assert (options.steps, command.split()[1]) == (3000, "bench" if rho == 0.2 else "train")
        if rho == 0.2:
            assert (options.policies, options.rho, options.seeds) == ([name], [rho], [1])
        else:
            assert (options.what, options.seed) == (name, 1)


def test_studies_play_what_a_benchmark_trained(
    synthetic_pack: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["uniform+learned", "cma-es"]
    cells = make_cells(
        names,
        packs=[synthetic_pack],
        rhos=[0.4],
        seeds=[1],
        steps=20_000,
        evaluation_seed=0,
        episodes=2,
    )
    run_grid(cells, tmp_path)
    config = MarketConfig(pack=synthetic_pack)
    found = ready([*names, "uniform+greedy"], config, Trainings(tmp_path, 1, 20_000))
    assert {name: set(files) for name, files in found.items()} == {
        "uniform+learned": {"holder", "curve"},
        "cma-es": {"holder"},
        "uniform+greedy": set(),
    }
    with pytest.raises(PolicyError, match=r"no training of 'cma-es' .*--seeds 0 --steps 20000"):
        ready(["cma-es"], config, Trainings(tmp_path, 0, 20_000))
    capsys.readouterr()
    words = ["--pack", synthetic_pack, "--episodes", "2", "--trained", str(tmp_path)]
    words += ["--training-seed", "1", "--steps", "20000", "--policies"]
    assert cli.main(["bench", "misreport", *words, *names]) == 0
    table = capsys.readouterr().out
    assert "| uniform+learned | honest |" in table
    assert "| cma-es | honest |" in table
    assert cli.main(["bench", "identities", *words, "uniform+learned"]) == 0
    assert "| uniform+learned | one identity |" in capsys.readouterr().out
    assert cli.main(["bench", "identities", *words, "cma-es"]) == 1
    assert "8 holders that it was trained with, not with 9" in capsys.readouterr().err
