"""The example plugin, installed as a package of its own: the installed command finds its policy."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parents[2] / "examples" / "plugin"
COMMAND = "import sys; from copyright_gym.cli import main; sys.exit(main())"
NAMES = "import copyright_gym as c; print('generous' in c.policy_names('holder'))"
MAKE = "import copyright_gym as c; print(type(c.make_policy('generous', 'holder')).__name__)"


def run(words: list[str], folder: Path, site: Path | None = None) -> str:
    """Run Python with words, with a folder of installed packages, and return what it prints."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=os.environ | ({"PYTHONPATH": str(site)} if site else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder into which pip installed the plugin, offline."""
    folder = tmp_path_factory.mktemp("plugin")
    # A copy, for the build leaves files beside the source.
    source = shutil.copytree(PLUGIN, folder / "source")
    offline = ["--no-deps", "--no-build-isolation", "--no-index"]
    target = folder / "site"
    run(["-m", "pip", "install", *offline, "--target", str(target), str(source)], folder)
    return target


def test_the_registry_finds_the_installed_policy(site: Path, tmp_path: Path) -> None:
    assert run(["-c", NAMES], tmp_path, site) == "True"
    assert run(["-c", MAKE], tmp_path, site) == "FunctionPolicy"
    assert run(["-c", NAMES], tmp_path) == "False"


def test_the_installed_policy_joins_the_benchmark(
    site: Path, synthetic_pack: str, tmp_path: Path
) -> None:
    words = ["bench", "run", "--policies", "uniform+generous", "--packs", synthetic_pack]
    run(["-c", COMMAND, *words, "--episodes", "3", "--out", "bench"], tmp_path, site)
    (cell,) = (tmp_path / "bench" / "cells").iterdir()
    assert "uniform+generous" in cell.name
