from __future__ import annotations

import json

import pytest

from copyright_gym import compiled
from copyright_gym.benchmarks import speed
from copyright_gym.cli import main


@pytest.fixture
def brief(monkeypatch):
    for name, value in {"WIDTHS": (1, 64), "_SINGLE_STEPS": 100, "_VECTOR_STEPS": 640}.items():
        monkeypatch.setattr(speed, name, value)


@pytest.mark.usefixtures("brief")
def test_json(synthetic_pack, capsys):
    assert main(["speed", "--json", "--pack", synthetic_pack, "--repeats", "2"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["compiled"] is (compiled.kernel is not None)
    cases, footprint = result["cases"], result["footprint"]
    assert [case["case"] for case in cases] == ["single", "n=1", "n=64"] * 2
    for case in cases:
        assert case["steps_per_second"] > 0
        assert case["ratio"] > 0
    holder, level_above = cases[0], cases[3]
    assert holder["required"] == 3
    assert level_above["required"] is None
    assert 0 < footprint["seconds"] < footprint["required_seconds"] == 0.2
    assert 500 < footprint["bytes_per_market"] < footprint["required_bytes"] == 2048
    assert footprint["generator_bytes_per_market"] > 100
    assert holder["offers_per_second"] == holder["steps_per_second"]
    assert level_above["offers_per_second"] == 8 * level_above["steps_per_second"]


@pytest.mark.usefixtures("brief")
def test_table(synthetic_pack):
    lines = speed.speed_report(synthetic_pack, repeats=1).splitlines()
    assert len(lines) == 10
    assert "HolderAllocation-v0" in lines[1]
    assert lines[1].split()[-1] == "3.0"
    assert "4,096 markets" in lines[7]
    assert lines[9] == f"compiled kernel: {'yes' if compiled.kernel else 'no'}"
