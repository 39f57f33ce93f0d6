"""The parameters of policies that are not trained, compared on markets that no evaluation uses.

A policy has one value for all packs and budgets, as the trained ones have one set of settings: the
one with the highest mean quality over all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from tqdm import tqdm

from copyright_gym.agents.adaptive import AdaptiveHolder
from copyright_gym.agents.dual_pacing import DualPacingHolder
from copyright_gym.agents.knapsack import KnapsackHolder
from copyright_gym.agents.model_adaptive import ModelAdaptiveHolder
from copyright_gym.benchmarks.text import markdown_table
from copyright_gym.config import MarketConfig
from copyright_gym.heuristics import GreedyHolder
from copyright_gym.policies import Policy
from copyright_gym.rollout import play

FIRST_SEED = 500_000
"""Seed of the first market."""

_Make = Callable[[MarketConfig, float], Policy]
GRIDS: dict[str, tuple[str, _Make, tuple[float, ...]]] = {
    "greedy+greedy": ("markup", lambda _, x: GreedyHolder(x), (0.9, 1.0, 1.2, 1.4, 1.6)),
    "uniform+adaptive": ("low", lambda _, x: AdaptiveHolder(x), (0.5, 0.63, 0.8)),
    "all+knapsack": ("markup", KnapsackHolder, (1.0, 1.2, 1.4, 1.6, 2.0)),
    "all+dual-pacing": ("rate", DualPacingHolder, (0.25, 0.5, 1.0, 2.0)),
    "all+model-adaptive": ("chance", ModelAdaptiveHolder, (0.5, 0.65, 0.75, 0.85, 0.95)),
}
"""By contestant: the parameter of its holder policy, how to make it, and the values to try."""


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
    tried = [(name, value) for name, (_, _, values) in GRIDS.items() for value in values]
    for name, value in tqdm(tried, unit="value", disable=None):
        parameter, make, _ = GRIDS[name]
        means = [
            [
                play(config, name.partition("+")[0], make(config, value), seeds).quality[:, -1]
                for config in (MarketConfig(pack=pack, rho=rho) for pack in packs)
            ]
            for rho in rhos
        ]
        by_rho = np.mean(means, axis=(1, 2))
        numbers = [by_rho.mean(), *by_rho]
        lines.append((name, f"{parameter} {value:g}", *(f"{number:.4f}" for number in numbers)))
    return markdown_table(("policy", "value", "mean", *(f"rho {rho:g}" for rho in rhos)), lines)
