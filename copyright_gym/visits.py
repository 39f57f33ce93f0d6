"""Purchase histories that policies make, for real fine-tuning.

A surrogate that was fitted to random histories alone is weakest where policies go.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from copyright_gym.config import MarketConfig
from copyright_gym.policies import Policy
from copyright_gym.rollout import play


class Visitors(NamedTuple):
    """A named pair of policies, which decide on rounds and on holders."""

    name: str
    round_policy: str | Policy
    holder_policy: str | Policy


def visited_histories(
    pairs: Sequence[Visitors],
    config: MarketConfig,
    rhos: Sequence[float],
    count: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Play the policies until `count` different histories are found.

    Policies and budgets take turns, so that each gives about as many.

    Args:
        pairs: the policies.
        config: options of the markets.
        rhos: budgets.
        count: how many histories.
        seed: first seed of the markets.

    Returns:
        For each history JSON-safe `history` (for each round the holders that accepted),
        `policy`, `rho` and `market_seed`.
    """
    settings = [(rho, pair) for rho in rhos for pair in pairs]
    seeds = range(seed, seed + 4 * (count // len(settings) + 1))
    played = [
        play(replace(config, rho=rho), pair.round_policy, pair.holder_policy, seeds)
        for rho, pair in settings
    ]
    found: dict[str, dict[str, Any]] = {}
    for index, market_seed in enumerate(seeds):
        for (rho, pair), episodes in zip(settings, played, strict=True):
            history = [np.flatnonzero(bought).tolist() for bought in episodes.bought[index]]
            entry = {
                "history": history,
                "policy": pair.name,
                "rho": rho,
                "market_seed": market_seed,
            }
            if len(found) < count and any(history):
                found.setdefault(json.dumps(history), entry)
    return list(found.values())
