from __future__ import annotations

from collections.abc import Iterator
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
def brief_weights(synthetic_pack: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder of hardly trained baselines for the made-up pack; loaded in place of shipped ones."""
    from copyright_gym.agents import baselines, training

    folder = tmp_path_factory.mktemp("weights")
    training.train_to_files("baselines", pack=synthetic_pack, seed=0, steps=8000, out=folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            baselines,
            "weights_file",
            lambda name, pack: folder / f"{name.replace('+', '-')}.safetensors",
        )
        yield folder
