"""What a holder gains by appearing as two: by splitting its works, or by offering them twice.

A derived pack has one identity more, the last one. All other holders, all expectations and the
budget are as before, and so are the hidden factors and the policies' random numbers; both
identities have their holder's factor. `docs/economics.md` has the rules and their limits.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from copyright_gym.benchmarks.contestant_names import label
from copyright_gym.benchmarks.contestants import UnplayableError, play_contestant
from copyright_gym.benchmarks.evaluation_markets import evaluation_seeds
from copyright_gym.benchmarks.provenance import facts
from copyright_gym.benchmarks.statistics import Interval, bootstrap
from copyright_gym.benchmarks.text import interval_text, markdown_table
from copyright_gym.benchmarks.trainings import Trainings, ready
from copyright_gym.config import MarketConfig
from copyright_gym.errors import OptionError, PackError
from copyright_gym.exposure_surrogate import ExposureSurrogate
from copyright_gym.identity_surrogate import IdentitySurrogate
from copyright_gym.pack import load_pack, write_pack
from copyright_gym.rollout import Episodes, draw_normals
from copyright_gym.tables import make_tables

Floats = NDArray[np.float64]
Kind = Literal["split", "duplicate"]
KINDS: tuple[Kind, ...] = ("split", "duplicate")


def derive_market(config: MarketConfig, kind: Kind, holder: int, folder: Path) -> MarketConfig:
    """Write a pack in which a holder appears as two, and return the options of its markets.

    Args:
        config: options of the markets as they are, with all rounds and holders of the pack.
        kind: whether the works are split or offered twice.
        holder: the holder.
        folder: where to write the pack.

    Returns:
        Options under which the base expectations of all others and the budget stay the same.

    Raises:
        PackError: the pack is unknown, or its surrogate has another form than "exposure".
    """
    pack, old = load_pack(config.pack), make_tables(config)
    if not isinstance(pack.surrogate, ExposureSurrogate):
        raise PackError(f"the pack {pack.name!r} has no surrogate of the form 'exposure'")
    holders = len(pack.holders)
    own, owner = [holder, holders], np.append(np.arange(holders), holder)
    names = ("contribution", "semantic", "perceptual")
    scores = {name: getattr(pack, name)[:, owner] for name in names}
    works = pack.works[:, owner]
    if kind == "split":
        for values in scores.values():
            values[:, own] /= 2
        works[:, holders] //= 2
        works[:, holder] -= works[:, holders]
    # The mean over the lots changes with their number; expectations are not to change with it.
    loss = config.a * scores["semantic"] + config.b * scores["perceptual"]
    mean = scores["contribution"].mean()
    scores["contribution"] /= mean
    write_pack(
        folder,
        title=f"{pack.title}, with two identities of {pack.holders[holder].name} ({kind})",
        holders=[*pack.holders, replace(pack.holders[holder], name="second identity")],
        quality=pack.quality,
        provenance={"derived_from": pack.name, "kind": kind, "holder": holder},
        scores={**scores, "works": works},
        surrogate=_surrogate(pack.surrogate, kind, owner).to_arrays(),
    )
    derived = replace(
        config,
        pack=str(folder),
        alpha=config.alpha * float(mean),
        beta=config.beta * float(loss.mean() / max(old.loss.mean(), 1e-300)),
    )
    return replace(derived, rho=config.rho * old.budget / make_tables(derived).budget)


def _surrogate(
    fitted: ExposureSurrogate, kind: Kind, owner: NDArray[np.int64]
) -> IdentitySurrogate:
    if kind == "duplicate":
        return IdentitySurrogate(fitted, owner[:, None])
    # All lots in halves, which count half: what is whole sells both.
    halves = replace(
        fitted,
        fade=fitted.fade**0.5,
        shares=np.repeat(fitted.shares, 2, axis=0),
        exposures=np.repeat(fitted.exposures, 2, axis=0) / 2,
        noise=np.interp(
            np.linspace(0, 1, 2 * len(fitted.noise) - 1),
            np.linspace(0, 1, len(fitted.noise)),
            fitted.noise,
        ),
    )
    parts = 2 * owner[:, None] + np.array([0, 1])
    parts[owner[-1]] = 2 * owner[-1]
    parts[-1] = 2 * owner[-1] + 1
    return IdentitySurrogate(halves, parts)


def utility(episodes: Episodes, truth: Floats, holder: int, kind: Kind | None) -> Floats:
    """Return a holder's utility: what it is paid above its true expectation of what it sold.

    Half a lot costs half; works that were sold twice cost once.

    Args:
        episodes: what was played.
        truth: float64 (n, T), the holder's expectation of its whole lots.
        holder: the holder.
        kind: how it appears as two, the second identity being the last; None if it does not.

    Returns:
        float64 (n,), in money.
    """
    own = [holder] if kind is None else [holder, -1]
    sold = episodes.bought[:, :, own]
    part = sold.mean(axis=2) if kind == "split" else sold.any(axis=2)
    paid = episodes.payments[:, :, own].sum(axis=2)
    return np.asarray((paid - part * truth).sum(axis=1))


@dataclass(frozen=True)
class IdentityGain:
    """What two identities change; intervals are means over markets with 95 %.

    Attributes:
        holder: the holder's name, or what the means are over.
        honest: its utility with one identity, in money.
        gain: its gain over that, by kind.
        quality_change: the change of the final quality, by kind.
    """

    holder: str
    honest: Interval
    gain: dict[Kind, Interval]
    quality_change: dict[Kind, Interval]


def identity_gains(
    config: MarketConfig,
    policy: str,
    seeds: Sequence[int],
    markets: dict[Kind, list[MarketConfig]],
    files: dict[str, Path] | None = None,
) -> tuple[list[IdentityGain], IdentityGain]:
    """Play with and without second identities.

    Args:
        config: options of the markets as they are.
        policy: a contestant.
        seeds: one per market.
        markets: by kind, what `derive_market` returned for each holder.
        files: of a contestant that is trained first, as in `play_contestant`.

    Returns:
        What each holder gains, and the mean over holders.

    Raises:
        UnplayableError: the policy plays with another number of holders only.
    """
    normals = draw_normals(config, seeds)
    before = play_contestant(policy, config, seeds, files or {}, normals=normals)
    names = [each.name for each in load_pack(config.pack).holders]
    figures = np.empty((len(names), 1 + 2 * len(KINDS), len(seeds)))
    for holder in range(len(names)):
        truth = before.expectations[:, :, holder]
        figures[holder, 0] = utility(before, truth, holder, None)
        doubled = np.append(normals, normals[:, [holder]], axis=1)
        for i, kind in enumerate(KINDS):
            market = markets[kind][holder]
            after = play_contestant(policy, market, seeds, files or {}, normals=doubled)
            figures[holder, 1 + i] = utility(after, truth, holder, kind) - figures[holder, 0]
            figures[holder, 1 + len(KINDS) + i] = after.quality[:, -1] - before.quality[:, -1]
    return list(map(_gain, names, figures)), _gain("mean over holders", figures.mean(axis=0))


def _gain(holder: str, figures: Floats) -> IdentityGain:
    """Sum up rows (5, n): utility, gains by kind, changes of quality by kind."""
    honest, *others = (bootstrap(row, seed=0) for row in figures)
    gain, change = others[: len(KINDS)], others[len(KINDS) :]
    return IdentityGain(
        holder, honest, dict(zip(KINDS, gain, strict=True)), dict(zip(KINDS, change, strict=True))
    )


def identities(
    policies: Sequence[str],
    *,
    pack: str,
    rho: float,
    evaluation_seed: int,
    episodes: int,
    trainings: Trainings,
    as_json: bool = False,
) -> str:
    """Measure the gain from second identities for the command line.

    Args:
        policies: contestants and groups of them.
        pack: the pack, a name or a folder.
        rho: the budget.
        evaluation_seed: seed of the markets.
        episodes: number of markets.
        trainings: where to find those of contestants that are trained first.
        as_json: return JSON, intervals as [mean, low, high], in place of tables.

    Returns:
        The figures of each policy, mean over holders, and of each policy and holder.

    Raises:
        OptionError: an option is out of range.
        PackError: the pack is unknown or its surrogate has another form than "exposure".
        PolicyError: a contestant is unknown, its training is not there, or it cannot play with
            one holder more or with a surrogate of the form "identities".
    """
    seeds, config = evaluation_seeds(evaluation_seed, episodes), MarketConfig(pack=pack, rho=rho)
    contestants = ready(policies, config, trainings)
    with tempfile.TemporaryDirectory() as folder:
        markets = {
            kind: [
                derive_market(config, kind, holder, Path(folder) / f"{kind}-{holder}")
                for holder in range(len(load_pack(pack).holders))
            ]
            for kind in KINDS
        }
        for name, files in contestants.items():
            _try(name, markets[KINDS[0]][0], files)
        found = {
            label(name): identity_gains(config, name, seeds, markets, files)
            for name, files in contestants.items()
        }
    if as_json:
        rows = {policy: list(map(asdict, gains)) for policy, (gains, _) in found.items()}
        over_holders = {policy: asdict(mean) for policy, (_, mean) in found.items()}
        known = facts(config, evaluation_seed, episodes)
        return json.dumps({**known, "policies": rows, "means": over_holders}, indent=2)
    title = (
        f"Pack {load_pack(pack).name}, rho {rho:g}, {episodes} markets of evaluation seed "
        f"{evaluation_seed}, quality model {config.quality}. Utility with one identity, gain of a "
        "second one in money (a lot's mean base expectation is 1) and change of the final "
        "quality, mean [95 %]."
    )
    means = [replace(mean, holder=policy) for policy, (_, mean) in found.items()]
    tables = [_table(policy, gains) for policy, (gains, _) in found.items()]
    return "\n\n".join([title, _table("mean over holders", means), *tables])


def _try(name: str, market: MarketConfig, files: dict[str, Path]) -> None:
    """Play one market, so that who cannot play is found out before hours of play."""
    try:
        play_contestant(name, market, [0], files)
    except OptionError as error:
        raise UnplayableError(
            f"{label(name)!r} cannot play with second identities ({error}); leave it out"
        ) from error


def _table(first: str, rows: Sequence[IdentityGain]) -> str:
    columns = [f"{kind}: {what}" for kind in KINDS for what in ("gain", "quality")]
    return markdown_table(
        [first, "one identity", *columns],
        [
            [
                row.holder,
                interval_text(row.honest, ".3f"),
                *(
                    interval_text(values[kind], form)
                    for kind in KINDS
                    for values, form in ((row.gain, "+.3f"), (row.quality_change, "+.4f"))
                ),
            ]
            for row in rows
        ],
    )
