"""A policy in a package of its own, found through its entry point by the installed command."""

import os
import subprocess
import sys
from pathlib import Path

MODULE = """
import numpy as np
class Highest:
    level, order, stateless = "holder", None, True
    def reset(self, n, rng):
        pass
    def act(self, observation, mask):
        return np.where(mask, np.arange(mask.shape[1]), 0).max(axis=1)
"""

COMMAND = "import sys; from copyright_gym.cli import main; sys.exit(main())"


def install(site: Path) -> None:
    """Put the package where an installer would: a module and its dist-info."""
    info = site / "highest_bidder-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "highest_bidder.py").write_text(MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: highest-bidder\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[copyright_gym.policies]\nholder.highest = highest_bidder:Highest\n"
    )


def test_installed_policy_joins_the_benchmark(synthetic_pack: str, tmp_path: Path) -> None:
    install(tmp_path / "site")
    words = ["bench", "run", "--policies", "uniform+highest", "--packs", synthetic_pack]
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *words, "--episodes", "3", "--out", "bench"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (cell,) = (tmp_path / "bench" / "cells").iterdir()
    assert "uniform+highest" in cell.name
