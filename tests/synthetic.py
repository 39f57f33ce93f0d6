"""A small made-up pack, so that tests of the core need no real fine-tuning."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from copyright_gym.pack import Holder, QualityFacts, write_pack
from copyright_gym.quality import ExposureSurrogate

ROUNDS, HOLDERS = 5, 8


def make_surrogate(rounds: int = ROUNDS, holders: int = HOLDERS) -> ExposureSurrogate:
    """A surrogate with falling returns; one hidden unit per holder and others for variety."""
    rng = np.random.default_rng(20180)
    hidden = 1 << holders.bit_length()
    shares = np.zeros((holders, hidden))
    exposures = np.zeros((holders, hidden))
    exposures[np.arange(holders), np.arange(holders)] = 2.0
    shares[np.arange(holders), np.arange(holders)] = 0.3
    exposures[:, holders:] = 1.0 / holders
    shares[:, holders:] = rng.uniform(-0.1, 0.3, (holders, hidden - holders))
    bias = np.linspace(0.0, 0.2, hidden)
    out = np.append(rng.uniform(0.02, 0.1, holders), np.full(hidden - holders, 0.3 / hidden))
    noise = np.append(0.0, np.full(rounds * holders, 0.02))
    return ExposureSurrogate(rounds, 0.9, shares, exposures, bias, out, noise)


def make_synthetic_pack(folder: str | Path) -> Path:
    """Write a pack with 8 holders and 5 rounds to `folder` and return the folder."""
    rng = np.random.default_rng(2410)
    contribution = rng.gamma(4.0, 0.25, (ROUNDS, HOLDERS))
    return write_pack(
        folder,
        title="Synthetic",
        holders=[
            Holder(f"Holder {i}", f"style-{i}", f"Creator {i}", "CC0-1.0", "", "", "")
            for i in range(HOLDERS)
        ],
        quality=QualityFacts("made up", 100.0, 1, 0.01),
        provenance={"command": "make_synthetic_pack"},
        scores={
            "contribution": contribution / contribution.mean(),
            "semantic": rng.uniform(0.2, 0.9, (ROUNDS, HOLDERS)),
            "perceptual": rng.uniform(0.2, 0.9, (ROUNDS, HOLDERS)),
            "works": np.full((ROUNDS, HOLDERS), 24),
        },
        surrogate=make_surrogate().to_arrays(),
        files={"card.md": b"# Synthetic\n"},
    )
