"""Learning curves: watching changes nothing, and the report tells what the trainings wrote."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from copyright_gym import MarketConfig, cli, play
from copyright_gym.agents.hierarchical_dqn import HierarchicalDQN
from copyright_gym.agents.learning_curve import CURVE_SEEDS, WatchedDQN
from copyright_gym.benchmarks.cells import make_cells
from copyright_gym.benchmarks.grid import run_grid
from copyright_gym.benchmarks.learning_curves import read_curves
from copyright_gym.errors import OptionError


def test_watching_changes_no_bit_and_ends_with_the_trained_policies(synthetic_pack: str) -> None:
    config, weights = MarketConfig(pack=synthetic_pack), []
    for kind in (HierarchicalDQN, WatchedDQN):
        trainer = kind(config, seed=1, round_policy="random").learn(3 * 2560)
        weights.append(trainer.policies()[1].network.state_dict())
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name])
    steps, quality = zip(*trainer.curve, strict=True)
    assert steps == (0, 2560, 5120, 7680)
    episodes = play(config, *trainer.policies(), CURVE_SEEDS)
    assert quality[-1] == episodes.quality[:, -1].mean()
    assert len(set(quality)) > 1


def test_the_report_has_the_curves(
    synthetic_pack: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = make_cells(
        ["uniform+learned", "uniform+greedy"],
        packs=[synthetic_pack],
        rhos=[0.4],
        seeds=[0, 1],
        steps=6000,
        evaluation_seed=0,
        episodes=4,
    )
    run_grid(cells, tmp_path)
    files = sorted((tmp_path / "trained").glob("*/curve.json"))
    kept = [json.loads(path.read_text()) for path in files]
    assert {facts["training_seed"] for facts in kept} == {0, 1}
    assert all(facts["steps"] == [0, 2560, 5120] for facts in kept)
    assert cli.main(["bench", "report", str(tmp_path)]) == 0
    capsys.readouterr()
    rows = list(csv.DictReader((tmp_path / "learning.csv").read_text().splitlines()))
    assert [(row["policy"], row["seeds"], row["steps"]) for row in rows] == [
        ("uniform+learned", "2", step) for step in ("0", "2560", "5120")
    ]
    means = np.mean([facts["quality"] for facts in kept], axis=0)
    np.testing.assert_allclose([float(row["quality"]) for row in rows], means)
    assert all(float(r["low"]) <= float(r["quality"]) <= float(r["high"]) for r in rows)
    assert (tmp_path / "learning.png").read_bytes().startswith(b"\x89PNG")
    files[0].write_text("{}")
    with pytest.raises(OptionError, match="is no learning curve or is damaged"):
        read_curves(tmp_path)


def test_nothing_trained_is_no_curve(tmp_path: Path) -> None:
    assert read_curves(tmp_path) == {}
