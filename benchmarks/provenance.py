"""What a figure depends on: code, pack, options of the markets."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from copyright_gym import __version__
from copyright_gym.agents.provenance import pack_fingerprint
from copyright_gym.config import MarketConfig
from copyright_gym.pack import load_pack


def code_commit() -> str:
    """Return the Git commit of the code, with + if files are changed.

    It is "unknown" without Git, and where the code lies in another project's repository, such as
    in its `.venv`, and is no part of it.
    """
    here = Path(__file__).resolve()
    try:
        _git(here.parent, "ls-files", "--error-unmatch", here.name)
        return _git(here.parent, "describe", "--always", "--abbrev=40", "--dirty=+")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def facts(config: MarketConfig, evaluation_seed: int, episodes: int) -> dict[str, Any]:
    """Return what figures about markets depend on.

    Args:
        config: options of the markets.
        evaluation_seed: seed of the markets.
        episodes: number of markets.

    Returns:
        JSON values by name.
    """
    pack = load_pack(config.pack)
    return {
        "pack": pack.name,
        "pack_sha256": pack_fingerprint(pack),
        "quality_model": config.quality,
        "rho": config.rho,
        "sigma": config.sigma,
        "evaluation_seed": evaluation_seed,
        "episodes": episodes,
        "commit": code_commit(),
        "version": __version__,
    }
