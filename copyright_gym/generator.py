"""Synthetic packs with any number of rights holders, for studies of scale.

Lots are drawn from distributions fitted to a real pack by moments. All lots are independent:

- contribution: Gamma with mean 1 and the pack's variance;
- semantic and perceptual similarity: Beta with the pack's mean and variance;
- works: the pack's numbers, drawn with replacement;
- surrogate: each holder gets the input weights of one of the pack's holders, drawn with
  replacement. Exposures count by the share of a round's lots, not by their number, so that
  buying everything has about the same effect; noise goes by the share of all lots bought.

Source: our construction.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copyright_gym.errors import OptionError, PackError
from copyright_gym.exposure_surrogate import ExposureSurrogate
from copyright_gym.pack import Holder, Pack, load_pack, write_pack

Floats = NDArray[np.float64]


def generate_pack(
    folder: str | Path, *, holders: int, rounds: int = 5, seed: int = 0, like: str = "portrait"
) -> Path:
    """Draw a synthetic pack and write it; equal arguments give equal bytes.

    Args:
        folder: where to write; use it as the option `pack`.
        holders: number of holders H, at least 1.
        rounds: number of rounds T, at least 1.
        seed: seed of the generator, at least 0.
        like: name or folder of the pack to fit the distributions to.

    Returns:
        The folder.

    Raises:
        OptionError: a number is no integer or too small.
        PackError: the pack `like` is unknown, or its surrogate has another form than "exposure".
    """
    for name, value, least in (("holders", holders, 1), ("rounds", rounds, 1), ("seed", seed, 0)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise OptionError(f"{name} must be an integer of at least {least}, not {value!r}")
    pack, rng = load_pack(like), np.random.default_rng(seed)
    shape = rounds, holders
    contribution = _gamma(rng, pack.contribution, shape)
    return write_pack(
        folder,
        title=f"Synthetic, {holders} holders and {rounds} rounds, like {pack.title}",
        holders=[Holder(f"Holder {i + 1}", *["synthetic"] * 2, *[""] * 4) for i in range(holders)],
        quality=replace(pack.quality, measure=f"synthetic, like {pack.quality.measure}"),
        provenance={"generator": "copyright_gym.generator", "seed": seed, "like": pack.name},
        scores={
            "contribution": contribution / contribution.mean(),
            "semantic": _beta(rng, pack.semantic, shape),
            "perceptual": _beta(rng, pack.perceptual, shape),
            "works": rng.choice(pack.works.ravel(), shape),
        },
        surrogate=_surrogate(rng, pack, shape),
    )


def _gamma(rng: np.random.Generator, like: Floats, shape: tuple[int, int]) -> Floats:
    variance = float(like.var())
    if variance == 0:
        return np.ones(shape)
    return rng.gamma(1 / variance, variance, shape)


def _beta(rng: np.random.Generator, like: Floats, shape: tuple[int, int]) -> Floats:
    mean, variance = float(like.mean()), float(like.var())
    if variance == 0:
        return np.full(shape, mean)
    size = mean * (1 - mean) / variance - 1
    return rng.beta(mean * size, (1 - mean) * size, shape)


def _surrogate(
    rng: np.random.Generator, pack: Pack, shape: tuple[int, int]
) -> dict[str, NDArray[Any]]:
    fitted, (rounds, holders) = pack.surrogate, shape
    if not isinstance(fitted, ExposureSurrogate):
        raise PackError(f"the pack {pack.name!r} has no surrogate of the form 'exposure'")
    known = len(pack.holders)
    chosen = rng.integers(known, size=holders)
    bought = np.linspace(0.0, 1.0, rounds * holders + 1)
    return replace(
        fitted,
        rounds=rounds,
        fade=fitted.fade ** (known / holders),
        shares=fitted.shares[chosen],
        exposures=fitted.exposures[chosen] * (known / holders),
        noise=np.interp(bought, np.linspace(0.0, 1.0, len(fitted.noise)), fitted.noise),
    ).to_arrays()
