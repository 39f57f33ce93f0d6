"""The ranking by real fine-tuning, on the tiny studio."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tiny_live

from copyright_gym import MarketConfig, cli, play
from copyright_gym.art.live import LiveQuality
from copyright_gym.benchmarks.evaluation_markets import evaluation_seeds
from copyright_gym.benchmarks.grid import read_grid
from copyright_gym.pack import load_pack


def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("copyright_gym.art.live.pack_studio", tiny_live.tiny_pack_studio)
    monkeypatch.setenv("COPYRIGHT_GYM_CACHE", str(tmp_path / "cache"))
    pack = str(tiny_live.make_tiny_pack(tmp_path / "tiny"))
    out = tmp_path / "bench"
    words = ["bench", "live", "--packs", pack, "--policies", "uniform+greedy", "greedy+uniform"]
    assert cli.main([*words, "--rho", "0.6", "--episodes", "2", "--out", str(out)]) == 0
    table = capsys.readouterr().out.splitlines()
    assert (out / "live.md").read_text().splitlines() == table

    rows = read_grid(out, "live").to_pandas()
    seeds = evaluation_seeds(0, 2)
    model = LiveQuality(load_pack(pack), progress=False)
    measured = {}
    for policy, its in rows.groupby("policy"):
        pair = str(policy).split("+")
        episodes = play(MarketConfig(pack=pack, rho=0.6), *pair, seeds, quality_model=model)
        expected = load_pack(pack).surrogate.quality(episodes.bought)
        np.testing.assert_array_equal(its["quality"], episodes.quality[:, -1])
        np.testing.assert_array_equal(its["predicted"], expected)
        again = play(MarketConfig(pack=pack, rho=0.6), *pair, seeds)
        np.testing.assert_array_equal(its["surrogate_quality"], again.quality[:, -1])
        measured[policy] = its["quality"].mean()
    assert set(rows["quality_model"]) == {"live"}
    told = [json.loads(text)["fine_tuning"] for text in rows["settings"]]
    assert told == [{"seed": 0, "studio": model.cache.folder.name}] * len(rows)
    best, other = sorted(measured, key=lambda name: -measured[name])
    assert [line.split(" | ")[2] for line in table[2:]] == [best, other]
    assert f"| {measured[best]:.4f} [" in table[2]
    assert f"| {measured[other] - measured[best]:+.4f} [" in table[3]
