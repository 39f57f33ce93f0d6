"""Contestants of a benchmark: what a name on the command line stands for.

- ROUND+HOLDER: a pair of policies, by registered names or policy files;
- a name of the joint level, for example oracle or gradient;
- hierarchical, or a baseline with a learned half: trained first, once per training seed;
- upper-bound: no policy but the proof of what no policy can exceed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from copyright_gym.agents.baselines import (
    BASELINES,
    LEARNED,
    TRAINED_BASELINES,
)
from copyright_gym.agents.oracle_search import OracleSearch
from copyright_gym.agents.q_policy import QPolicy, load_q_policy
from copyright_gym.agents.training import describe, train
from copyright_gym.config import MarketConfig
from copyright_gym.errors import PolicyError, listed
from copyright_gym.market import Market
from copyright_gym.policies import as_policy, policy_names
from copyright_gym.rollout import Episodes, play, play_joint

METHOD = "hierarchical"
ORACLE = "oracle"
BOUND = "upper-bound"
RIVALS = (
    "all+model-adaptive",
    "all+thompson",
    "all+dual-pacing",
    "all+knapsack",
    "gradient",
    "uniform+adaptive",
    "uniform+singer",
    "uniform+shapley",
    "uniform+leave-one-out",
    "uniform+trak",
    "uniform+copyright",
)
GROUPS = {"baselines": BASELINES, "rivals": RIVALS, "limits": (ORACLE, BOUND)}
"""Words that stand for several contestants."""


def expand(names: Sequence[str]) -> list[str]:
    """Replace the words of groups by their members, and check all names.

    Args:
        names: contestants and groups.

    Returns:
        Contestants, each once.

    Raises:
        PolicyError: a name is unknown.
    """
    found = [name for word in names for name in GROUPS.get(word, (word,))]
    joint = policy_names("joint")
    for name in found:
        pair = name.split("+")
        if name in (METHOD, BOUND, *TRAINED_BASELINES) or (len(pair) == 1 and name in joint):
            continue
        known = all(
            half.endswith(".safetensors") or half in policy_names(level)
            for half, level in zip(pair, ("round", "holder"), strict=False)
        )
        if len(pair) != 2 or not known:
            raise PolicyError(
                f"unknown contestant {name!r}; write ROUND+HOLDER, {METHOD}, {BOUND}, a group "
                f"({listed(GROUPS)}) or a joint policy ({listed(joint)}); round policies: "
                f"{listed(policy_names('round'))}; holder policies: "
                f"{listed(policy_names('holder'))}"
            )
    return list(dict.fromkeys(found))


def is_trained(name: str) -> bool:
    """Return whether a contestant must be trained first."""
    return name == METHOD or name in TRAINED_BASELINES


def train_files(
    name: str, config: MarketConfig, seed: int, steps: int, folder: Path
) -> dict[str, Path]:
    """Train a contestant unless its files are there, and return them by level.

    Args:
        name: a contestant for which `is_trained` holds.
        config: options of the markets.
        seed: seed of the training.
        steps: interaction budget in holder decisions.
        folder: where the files are kept; made in one step, so that it is complete or absent.

    Returns:
        The policy files of the learned levels.
    """
    if not folder.is_dir():
        trainer = train(
            name, pack=config.pack, seed=seed, steps=steps, rho=config.rho, progress=False
        )
        draft = folder.with_name(f".{folder.name}.draft")
        for policy in trainer.policies(describe(trainer, name)):
            if isinstance(policy, QPolicy):
                policy.save(draft / f"{policy.level}.safetensors")
        draft.replace(folder)
    return {path.stem: path for path in folder.glob("*.safetensors")}


def play_contestant(
    name: str, config: MarketConfig, seeds: Sequence[int], files: dict[str, Path]
) -> Episodes:
    """Play a contestant.

    Args:
        name: the contestant; not the upper bound.
        config: options of the markets.
        seeds: one per market.
        files: what `train_files` returned; empty if it needs no training.

    Returns:
        The episodes.
    """
    if name in policy_names("joint"):
        return play_joint(replace(config, visible_expectations=name == ORACLE), name, seeds)
    halves = [LEARNED, LEARNED] if name == METHOD else name.split("+")
    policies = []
    for half, level in zip(halves, ("round", "holder"), strict=True):
        path = files.get(level) if half == LEARNED else half if "." in half else None
        policies.append(load_q_policy(path) if path else as_policy(half, level, config))  # type: ignore[arg-type]
    return play(config, policies[0], policies[1], seeds)


def upper_bound(
    config: MarketConfig, seeds: Sequence[int]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Prove what no policy can exceed in each market.

    It may pay every holder exactly the hidden expectation, which no grid of offers allows.

    Args:
        config: options of the markets.
        seeds: one per market.

    Returns:
        float64 (n,), NaN where there is no bound.
    """
    market = Market(config, len(seeds))
    market.reset([np.random.default_rng(seed) for seed in seeds])
    cost = market.expectations.reshape(len(seeds), -1)
    cost = np.where(cost > 0, cost, np.inf)
    return OracleSearch(config).quality_bound(cost, np.full(len(seeds), market.budget))
