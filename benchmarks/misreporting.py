"""What a holder gains by acting as if its works were worth more, or less, to it.

The holder accepts from g * expectation on, g from a grid; all others are honest. Its utility is the
sum of payment - true expectation over the lots it sells. Market by market the hidden factors and
the policies' random numbers stay the same, so only the report differs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from copyright_gym.config import MarketConfig
from copyright_gym.errors import OptionError
from copyright_gym.market import Market
from copyright_gym.policies import as_policy
from copyright_gym.rollout import finish_round, joint_round, open_round

Floats = NDArray[np.float64]

REPORTS = (0.7, 0.8, 0.9, 1.1, 1.25, 1.5)
"""Factors by which a holder scales its expectations."""


def utilities(
    config: MarketConfig, policy: str, seeds: Sequence[int], holder: int, report: float
) -> Floats:
    """Play with one holder misreporting and return its utility.

    Args:
        config: options of the markets; sigma must be above 0.
        policy: "ROUND+HOLDER", or the name of a joint policy.
        seeds: one per market.
        holder: the holder who misreports.
        report: what it scales its expectations by; 1 is honest.

    Returns:
        float64 (n,), the utility in each market.

    Raises:
        OptionError: sigma is 0.
    """
    if config.sigma == 0:
        raise OptionError("misreporting needs hidden factors: sigma must be above 0")
    market = Market(config, len(seeds))
    market.reset([np.random.default_rng(seed) for seed in seeds])
    truth = market.expectations[:, :, holder]
    normals = np.log(market.factor) / config.sigma
    normals[:, holder] += np.log(report) / config.sigma
    market.restart(normals, np.arange(market.n))
    names, sequence = policy.split("+"), np.random.SeedSequence(list(seeds))
    if len(names) == 1:
        joint = as_policy(policy, "joint", config)
        joint.reset(market.n, np.random.default_rng(sequence))
        everything = np.ones((market.n, 1 + market.tables.holders), np.bool_)
        while (running := market.running).any():
            joint_round(market, joint.act(market.joint_observation(), everything), running)
    else:
        rounds = as_policy(names[0], "round", config)
        holders = as_policy(names[1], "holder", config)
        for each, child in zip((rounds, holders), sequence.spawn(2), strict=True):
            each.reset(market.n, np.random.default_rng(child))
        while (running := market.running).any():
            open_round(market, rounds, holders.order, running)
            finish_round(market, holders, running)
    sold = market.bought[:, :, holder]
    return np.asarray((market.payments[:, :, holder] - np.where(sold, truth, 0.0)).sum(axis=1))


def misreporting_gain(
    config: MarketConfig,
    policy: str,
    seeds: Sequence[int],
    reports: Sequence[float] = REPORTS,
) -> Floats:
    """Return what each holder gains at best by one report from the grid in all markets.

    Args:
        config: as in `utilities`.
        policy: as in `utilities`.
        seeds: one per market.
        reports: the grid.

    Returns:
        float64 (H,), the mean gain in money of the best report on the grid over honesty; 0 if
        honesty is best.
    """
    holders = Market(config).tables.holders
    gains = np.zeros(holders)
    for holder in range(holders):
        honest = utilities(config, policy, seeds, holder, 1.0).mean()
        others = [utilities(config, policy, seeds, holder, g).mean() for g in reports]
        gains[holder] = max(max(others) - honest, 0.0)
    return gains
