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
