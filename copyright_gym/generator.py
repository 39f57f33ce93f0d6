"""Synthetic packs with any number of rights holders, for studies of scale.

Lots are drawn from distributions fitted to a real pack by moments. All lots are independent:

- contribution: Gamma with mean 1 and the pack's variance;
- semantic and perceptual similarity: Beta with the pack's mean and variance;
- works: the pack's numbers, drawn with replacement;
- surrogate: each holder gets the input weights of one of the pack's holders, drawn with
  replacement. Exposures count by the share of a round's lots, not by their number, so that
  buying everything has about the same effect; noise goes by the share of all lots bought.

With `churn` holders join and leave by Poisson processes: from one round to the next each one who
is there leaves with probability 1 - exp(-churn), and Poisson(H * (1 - exp(-churn))) others join, so
that H are there on average. Who is not there has a lot without works and price, which is never
sold. It is drawn once for a pack: all episodes have the same comings and goings.

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
    folder: str | Path,
    *,
    holders: int,
    rounds: int = 5,
    seed: int = 0,
    like: str = "portrait",
    churn: float = 0.0,
) -> Path:
    """Draw a synthetic pack and write it; equal arguments give equal bytes.

    Args:
        folder: where to write; use it as the option `pack`.
        holders: number of holders H, at least 1; with `churn` those of the first round.
        rounds: number of rounds T, at least 1.
        seed: seed of the generator, at least 0.
        like: name or folder of the pack to fit the distributions to.
        churn: departures per holder and round, from 0 to 10.

    Returns:
        The folder.

    Raises:
        OptionError: a number is no integer, too small or too large.
        PackError: the pack `like` is unknown, or its surrogate has another form than "exposure".
    """
    for name, value, least in (("holders", holders, 1), ("rounds", rounds, 1), ("seed", seed, 0)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise OptionError(f"{name} must be an integer of at least {least}, not {value!r}")
    if not 0 <= churn <= 10:
        raise OptionError(f"churn must lie in 0 to 10, not {churn!r}")
    pack, rng = load_pack(like), np.random.default_rng(seed)
    present = _present(rng, rounds, holders, churn)
    shape = rounds, present.shape[1]
    contribution = _gamma(rng, pack.contribution, shape) * present
    return write_pack(
        folder,
        title=f"Synthetic, {holders} holders and {rounds} rounds, like {pack.title}",
        holders=[Holder(f"Holder {i + 1}", *["synthetic"] * 2, *[""] * 4) for i in range(shape[1])],
        quality=replace(pack.quality, measure=f"synthetic, like {pack.quality.measure}"),
        provenance={"generator": "copyright_gym.generator", "seed": seed, "like": pack.name}
        | ({"churn": churn} if churn else {}),
        scores={
            "contribution": contribution / contribution.mean(),
            "semantic": _beta(rng, pack.semantic, shape) * present,
            "perceptual": _beta(rng, pack.perceptual, shape) * present,
            "works": rng.choice(pack.works.ravel(), shape) * present,
        },
        surrogate=_surrogate(rng, pack, shape, holders),
    )


def _present(
    rng: np.random.Generator, rounds: int, holders: int, churn: float
) -> NDArray[np.bool_]:
    """Draw who is there, bool (T, N) of all N who ever are."""
    present, chance = np.ones((rounds, holders), np.bool_), -np.expm1(-churn)
    # Without churn nothing is drawn, so that packs of earlier versions keep their bytes.
    for t in range(1, rounds) if churn else ():
        present[t:] &= rng.random(present.shape[1]) >= chance
        new = np.zeros((rounds, rng.poisson(holders * chance)), np.bool_)
        new[t:] = True
        present = np.append(present, new, axis=1)
    return present


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
    rng: np.random.Generator, pack: Pack, shape: tuple[int, int], at_once: int
) -> dict[str, NDArray[Any]]:
    fitted, (rounds, holders) = pack.surrogate, shape
    if not isinstance(fitted, ExposureSurrogate):
        raise PackError(f"the pack {pack.name!r} has no surrogate of the form 'exposure'")
    known = len(pack.holders)
    chosen = rng.integers(known, size=holders)
    bought = np.linspace(0.0, holders / at_once, rounds * holders + 1)
    return replace(
        fitted,
        rounds=rounds,
        fade=fitted.fade ** (known / at_once),
        shares=fitted.shares[chosen],
        exposures=fitted.exposures[chosen] * (known / at_once),
        noise=np.interp(bought, np.linspace(0.0, 1.0, len(fitted.noise)), fitted.noise),
    ).to_arrays()
