"""The parameters of policies that are not trained, compared on markets that no evaluation uses.

A policy has one value for all packs and budgets, as the trained ones have one set of settings: the
one with the highest mean quality over all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from copyright_gym.agents.adaptive import AdaptiveHolder
from copyright_gym.agents.dual_pacing import DualPacingHolder
from copyright_gym.agents.knapsack import KnapsackHolder
from copyright_gym.agents.model_adaptive import ModelAdaptiveHolder
from copyright_gym.benchmarks.text import markdown_table
from copyright_gym.config import MarketConfig
from copyright_gym.heuristics import GreedyHolder, GreedyRound
from copyright_gym.policies import Policy
from copyright_gym.rollout import play

FIRST_SEED = 500_000
"""Seed of the first market."""


class Grid(NamedTuple):
    """Values of a parameter of a contestant.

    Attributes:
        name: the contestant.
        parameter: the parameter's name.
        make: makes both of its halves for a value.
        values: the values to try; the default is one of them.
    """

    name: str
    parameter: str
    make: Callable[[MarketConfig, Any], tuple[str | Policy, str | Policy]]
    values: tuple[float | str, ...]


def _round_levels(holder: str) -> Grid:
    """Return the round levels that a rival that does not pace itself may play under."""
    return Grid(f"all+{holder}", "round", lambda _, x: (x, holder), ("uniform", "greedy", "all"))


_SHARES = (0.3, 0.5, 0.7, 0.8, 0.9)
_MARKUPS = (0.9, 1.0, 1.2, 1.4, 1.6)
_DEARER = (1.0, 1.2, 1.4, 1.6, 2.0)
_CHANCES = (0.5, 0.65, 0.75, 0.85, 0.95)
_RATES = (0.25, 0.5, 1.0, 2.0)
GRIDS = (
    Grid("greedy+uniform", "share", lambda _, x: (GreedyRound(x), "uniform"), _SHARES),
    Grid("greedy+greedy", "share", lambda _, x: (GreedyRound(x), "greedy"), _SHARES),
    Grid("uniform+greedy", "markup", lambda _, x: ("uniform", GreedyHolder(x)), _MARKUPS),
    Grid("greedy+greedy", "markup", lambda _, x: ("greedy", GreedyHolder(x)), _MARKUPS),
    Grid("all+adaptive", "low", lambda _, x: ("all", AdaptiveHolder(x)), (0.5, 0.63, 0.8)),
    Grid("all+knapsack", "markup", lambda c, x: ("all", KnapsackHolder(c, x)), _DEARER),
    Grid("all+dual-pacing", "rate", lambda c, x: ("all", DualPacingHolder(c, x)), _RATES),
    Grid("all+model-adaptive", "chance", lambda c, x: ("all", ModelAdaptiveHolder(c, x)), _CHANCES),
    *map(
        _round_levels,
        ("adaptive", "singer", "shapley", "leave-one-out", "trak", "copyright"),
    ),
)
"""What is compared."""


def tune(packs: Sequence[str], rhos: Sequence[float], episodes: int) -> str:
    """Compare the values of each parameter.

    Args:
        packs: names or folders of packs.
        rhos: budgets.
        episodes: number of markets for each pack and budget.

    Returns:
        A table in Markdown: mean quality over all packs and budgets, and at each budget.

    Raises:
        PackError: a pack is unknown or damaged.
        OptionError: an option is out of range.
    """
    seeds = range(FIRST_SEED, FIRST_SEED + episodes)
    lines = []
    tried = [(grid, value) for grid in GRIDS for value in grid.values]
    for grid, value in tqdm(tried, unit="value", disable=None):
        means = [
            [
                _qualities(grid, value, config, seeds)
                for config in (MarketConfig(pack=pack, rho=rho) for pack in packs)
            ]
            for rho in rhos
        ]
        by_rho = np.mean(means, axis=(1, 2))
        numbers = [by_rho.mean(), *by_rho]
        tells = f"{grid.parameter} {value}"
        lines.append((grid.name, tells, *(f"{number:.4f}" for number in numbers)))
    return markdown_table(("policy", "value", "mean", *(f"rho {rho:g}" for rho in rhos)), lines)


def _qualities(
    grid: Grid, value: float | str, config: MarketConfig, seeds: Sequence[int]
) -> NDArray[np.float64]:
    round_policy, holder_policy = grid.make(config, value)
    return play(config, round_policy, holder_policy, seeds).quality[:, -1]
