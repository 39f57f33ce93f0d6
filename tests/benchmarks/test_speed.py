from __future__ import annotations

import json

import pytest

from copyright_gym.benchmarks import speed
from copyright_gym.cli import main


@pytest.fixture
def brief(monkeypatch):
    for name, value in {"WIDTHS": (1, 64), "_SINGLE_STEPS": 100, "_VECTOR_STEPS": 640}.items():
        monkeypatch.setattr(speed, name, value)


@pytest.mark.usefixtures("brief")
def test_json(synthetic_pack, capsys):
    assert main(["speed", "--json", "--pack", synthetic_pack, "--repeats", "2"]) == 0
    cases = json.loads(capsys.readouterr().out)
    assert [case["case"] for case in cases] == ["single", "n=1", "n=64"] * 2
    for case in cases:
        assert case["steps_per_second"] > 0
        assert case["ratio"] > 0
    holder, level_above = cases[0], cases[3]
    assert holder["required"] == 3
    assert holder["offers_per_second"] == holder["steps_per_second"]
    assert level_above["offers_per_second"] == 8 * level_above["steps_per_second"]


@pytest.mark.usefixtures("brief")
def test_table(synthetic_pack):
    lines = speed.speed_report(synthetic_pack, repeats=1).splitlines()
    assert len(lines) == 7
    assert "HolderAllocation-v0" in lines[1]
