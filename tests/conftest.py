from __future__ import annotations

from pathlib import Path

import pytest
from synthetic import make_synthetic_pack


@pytest.fixture(scope="session")
def synthetic_pack(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of a made-up pack that all tests share; do not change it."""
    return str(make_synthetic_pack(tmp_path_factory.mktemp("packs") / "synthetic"))


@pytest.fixture
def own_pack(tmp_path: Path) -> Path:
    """Folder of a made-up pack that a test may damage."""
    return make_synthetic_pack(tmp_path / "own")


@pytest.fixture(scope="session")
def brief_weights_folder(synthetic_pack: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of hardly trained baselines for the made-up pack."""
    from copyright_gym.agents import training

    folder = tmp_path_factory.mktemp("weights")
    training.train_to_files("baselines", pack=synthetic_pack, seed=0, steps=8000, out=folder)
    return folder


@pytest.fixture
def brief_weights(brief_weights_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let hardly trained baselines take the place of the shipped ones."""
    from copyright_gym.agents import baselines

    monkeypatch.setattr(
        baselines,
        "weights_file",
        lambda name, pack: brief_weights_folder / f"{name.replace('+', '-')}.safetensors",
    )
    return brief_weights_folder
