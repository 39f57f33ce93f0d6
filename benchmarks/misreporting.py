"""What a holder gains by acting as if its works were worth more, or less, to it.

The holder accepts from g * expectation on, g from a grid; all others are honest. Its utility is the
sum of payment - true expectation over the lots it sells. Market by market the hidden factors and
the policies' random numbers stay the same, so only the report differs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from copyright_gym.benchmarks.contestant_names import label
from copyright_gym.benchmarks.contestants import play_contestant
from copyright_gym.benchmarks.evaluation_markets import evaluation_seeds
from copyright_gym.benchmarks.provenance import facts
from copyright_gym.benchmarks.statistics import Interval, bootstrap
from copyright_gym.benchmarks.text import interval_text, markdown_table
from copyright_gym.benchmarks.trainings import Trainings, ready
from copyright_gym.config import MarketConfig
from copyright_gym.errors import OptionError
from copyright_gym.pack import load_pack
from copyright_gym.rollout import draw_normals
from copyright_gym.tables import make_tables

Floats = NDArray[np.float64]

REPORTS = (0.7, 0.8, 0.9, 1.1, 1.25, 1.5, 1.75, 2.0)
"""Factors by which a holder scales its expectations."""


def utilities(
    config: MarketConfig,
    policy: str,
    seeds: Sequence[int],
    holder: int,
    report: float,
    files: dict[str, Path] | None = None,
) -> Floats:
    """Play with one holder misreporting and return its utility.

    Args:
        config: options of the markets; sigma must be above 0.
        policy: a contestant.
        seeds: one per market.
        holder: the holder who misreports.
        report: what it scales its expectations by; 1 is honest.
        files: of a contestant that is trained first, as in `play_contestant`.

    Returns:
        float64 (n,), the utility in each market.

    Raises:
        OptionError: sigma is 0.
    """
    if config.sigma == 0:
        raise OptionError("misreporting needs hidden factors: sigma must be above 0")
    normals = draw_normals(config, seeds)
    truth = make_tables(config).base[:, holder] * np.exp(config.sigma * normals[:, holder, None])
    normals[:, holder] += np.log(report) / config.sigma
    episodes = play_contestant(policy, config, seeds, files or {}, normals=normals)
    sold = episodes.bought[:, :, holder]
    return np.asarray((episodes.payments[:, :, holder] - np.where(sold, truth, 0.0)).sum(axis=1))


def misreporting_gains(
    config: MarketConfig,
    policy: str,
    seeds: Sequence[int],
    reports: Sequence[float] = REPORTS,
    files: dict[str, Path] | None = None,
) -> tuple[Floats, Floats]:
    """Return what each holder gains by each report.

    Args:
        config: as in `utilities`.
        policy: as in `utilities`.
        seeds: one per market.
        reports: the grid of G reports.
        files: as in `utilities`.

    Returns:
        The utilities of honesty, float64 (H, n), and the gains over it, float64 (H, G, n), in
        money.
    """
    found = [
        [utilities(config, policy, seeds, holder, g, files) for g in (1.0, *reports)]
        for holder in range(make_tables(config).holders)
    ]
    honest, others = np.split(np.array(found), [1], axis=1)
    return honest[:, 0], others - honest


@dataclass(frozen=True)
class HolderGain:
    """What one holder gains, in money; intervals are means over markets with 95 %.

    Attributes:
        holder: its name.
        honest: its utility if it is honest.
        gains: gains over honesty by report.
        best_report: the best report on the first half of the markets, 1 if none gains anything.
        best_gain: its gain on the other half, for the highest of several noisy means is too high.
    """

    holder: str
    honest: Interval
    gains: dict[str, Interval]
    best_report: float
    best_gain: Interval


@dataclass(frozen=True)
class PolicyGain:
    """What holders gain under one policy, in money; intervals as in `HolderGain`.

    Attributes:
        honest: the utility of an honest holder, mean over holders.
        gainers: number of holders with a best gain whose interval is above 0.
        best_gain: gain of the holder's best report, chosen as in `HolderGain`, mean over holders.
    """

    honest: Interval
    gainers: int
    best_gain: Interval


def holder_gain(
    holder: str, honest: Floats, gains: Floats, reports: Sequence[float] = REPORTS
) -> HolderGain:
    """Sum up what one holder gains.

    Args:
        holder: its name.
        honest: float64 (n,), n at least 2.
        gains: float64 (G, n).
        reports: the grid of G reports.

    Returns:
        Means with intervals.
    """
    best, gained = _best(gains)
    return HolderGain(
        holder,
        bootstrap(honest, seed=0),
        {f"{g:g}": bootstrap(gain, seed=0) for g, gain in zip(reports, gains, strict=True)},
        1.0 if best is None else reports[best],
        bootstrap(gained, seed=0),
    )


def policy_gain(honest: Floats, gains: Floats) -> PolicyGain:
    """Sum up what holders gain, each by a report of its own while all others are honest.

    Args:
        honest: float64 (H, n), n at least 2.
        gains: float64 (H, G, n).

    Returns:
        Means over holders with intervals.
    """
    gained = np.array([_best(each)[1] for each in gains])
    gainers = sum(bootstrap(each, seed=0).low > 0 for each in gained)
    return PolicyGain(
        bootstrap(honest.mean(axis=0), seed=0), gainers, bootstrap(gained.mean(axis=0), seed=0)
    )


def _best(gains: Floats) -> tuple[int | None, Floats]:
    """Choose the best report on the first half of the markets, None if none gains anything there.

    Args:
        gains: float64 (G, n).

    Returns:
        Its index, and its gains on the other half of the markets; honesty gains 0.
    """
    half = gains.shape[1] // 2
    means = gains[:, :half].mean(axis=1)
    best = int(means.argmax())
    if means[best] > 0:
        return best, gains[best, half:]
    return None, np.zeros(gains.shape[1] - half)


def misreport(
    policies: Sequence[str],
    *,
    pack: str,
    rho: float,
    evaluation_seed: int,
    episodes: int,
    trainings: Trainings,
    as_json: bool = False,
) -> str:
    """Measure the gain from misreporting for the command line.

    Args:
        policies: contestants and groups of them.
        pack: the pack, a name or a folder.
        rho: the budget.
        evaluation_seed: seed of the markets.
        episodes: number of markets, at least 2.
        trainings: where to find those of contestants that are trained first.
        as_json: return JSON, intervals as [mean, low, high], in place of tables.

    Returns:
        The figures of each policy, mean over holders, and of each policy and holder.

    Raises:
        OptionError: an option is out of range.
        PackError: the pack is unknown or damaged.
        PolicyError: a contestant is unknown, or its training is not there.
    """
    if episodes < 2:
        raise OptionError(f"episodes must be at least 2, not {episodes}")
    seeds, config = evaluation_seeds(evaluation_seed, episodes), MarketConfig(pack=pack, rho=rho)
    names = [holder.name for holder in load_pack(pack).holders]
    found, means = {}, {}
    for policy, files in ready(policies, config, trainings).items():
        honest, gains = misreporting_gains(config, policy, seeds, files=files)
        found[label(policy)] = list(map(holder_gain, names, honest, gains))
        means[label(policy)] = policy_gain(honest, gains)
    if as_json:
        known = facts(config, evaluation_seed, episodes) | {"reports": REPORTS}
        rows = {policy: list(map(asdict, gains)) for policy, gains in found.items()}
        over_holders = {policy: asdict(mean) for policy, mean in means.items()}
        return json.dumps({**known, "policies": rows, "means": over_holders}, indent=2)
    title = (
        f"Pack {load_pack(pack).name}, rho {rho:g}, {episodes} markets of evaluation seed "
        f"{evaluation_seed}, quality model {config.quality}. Utility of honesty and gains over "
        "it in money, mean [95 %]; a lot's mean base expectation is 1."
    )
    tables = [_overview(means), *(_table(policy, gains) for policy, gains in found.items())]
    return "\n\n".join([title, *tables])


def _overview(means: dict[str, PolicyGain]) -> str:
    return markdown_table(
        ["mean over holders", "honest", "holders who gain", "gain of the best"],
        [
            [
                policy,
                interval_text(mean.honest, ".3f"),
                str(mean.gainers),
                interval_text(mean.best_gain, "+.3f"),
            ]
            for policy, mean in means.items()
        ],
    )


def _table(policy: str, rows: Sequence[HolderGain]) -> str:
    return markdown_table(
        [policy, "honest", *(f"x {g:g}" for g in REPORTS), "best", "gain of the best"],
        [
            [
                row.holder,
                interval_text(row.honest, ".3f"),
                *(interval_text(gain, "+.3f") for gain in row.gains.values()),
                f"x {row.best_report:g}",
                interval_text(row.best_gain, "+.3f"),
            ]
            for row in rows
        ],
    )
