"""A market small enough to solve by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from copyright_gym import MarketConfig
from copyright_gym.pack import Holder, QualityFacts, write_pack
from copyright_gym.quality import ExposureSurrogate

CONTRIBUTION = np.array([1.5, 0.9, 0.6])
WORTH = np.array([0.30, 0.25, 0.10])
"""What the lots of the three holders add to the quality, whatever else is bought."""


def make_tiny_pack(
    folder: str | Path,
    rounds: int = 1,
    worth: NDArray[np.float64] = WORTH,
    contribution: NDArray[np.float64] = CONTRIBUTION,
) -> str:
    """Write a pack of three holders whose lots' worths add up and return its folder.

    Each holder has a hidden unit of its own; with one round, its lot adds out / 2.

    Args:
        folder: where to write it.
        rounds: number of rounds T.
        worth: float64 (3,), see `WORTH`.
        contribution: float64 (3,), or (T, 3) if rounds differ, with mean 1.

    Returns:
        The folder.
    """
    shape = rounds, len(worth)
    exposures = rounds * np.eye(3, 4)
    surrogate = ExposureSurrogate(
        rounds,
        1.0,
        np.zeros((3, 4)),
        exposures,
        np.zeros(4),
        2 * np.append(worth, 0.0),
        np.zeros(3 * rounds + 1),
    )
    write_pack(
        folder,
        title="Tiny",
        holders=[Holder(name, *["made up"] * 3, *[""] * 3) for name in ("a", "b", "c")],
        quality=QualityFacts("made up", 1.0, 1, 0.0),
        provenance={},
        scores={
            "contribution": np.broadcast_to(contribution, shape).copy(),
            "semantic": np.full(shape, 0.5),
            "perceptual": np.full(shape, 0.5),
            "works": np.ones(shape, np.int64),
        },
        surrogate=surrogate.to_arrays(),
    )
    return str(folder)


def tiny_config(folder: str, **options: object) -> MarketConfig:
    """Base expectations 1.5, 0.9 and 0.6, which all holders accept exactly; budget 1.65."""
    defaults = {"pack": folder, "alpha": 1.0, "beta": 0.0, "sigma": 0.0, "rho": 0.55}
    return MarketConfig.from_options(**{**defaults, **options})
