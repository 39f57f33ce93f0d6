from __future__ import annotations

import runpy
import sys
from pathlib import Path

from copyright_gym import policies

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_train_sb3(synthetic_pack, monkeypatch, capsys):
    arguments = ["train_sb3.py", "--pack", synthetic_pack, "--steps", "700"]
    monkeypatch.setattr(sys, "argv", arguments)
    runpy.run_path(str(EXAMPLES / "train_sb3.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert all(float(line.split()[-1]) > 0 for line in lines)


def test_own_policies(synthetic_pack, monkeypatch, capsys):
    monkeypatch.setattr(policies, "_registry", dict(policies._registry))
    arguments = ["own_policy.py", "--pack", synthetic_pack, "--steps", "200"]
    monkeypatch.setattr(sys, "argv", arguments)
    runpy.run_path(str(EXAMPLES / "own_policy.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [
        "uniform+fixed",
        "uniform+generous",
        "uniform+ppo",
    ]
    assert all(-1 < float(line.split()[-1]) < 1 for line in lines)
