"""Purchase histories that policies make, for a corpus of real fine-tuning runs.

A surrogate that was fitted to random histories alone is weakest where trained policies go. The
builder fine-tunes on these histories too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from copyright_gym.agents.baselines import PolicyPair, make_pair
from copyright_gym.benchmarks.files import write_atomically
from copyright_gym.config import MarketConfig
from copyright_gym.rollout import play


def visited_histories(
    pairs: Sequence[PolicyPair],
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


def visits_to_file(
    policies: Sequence[str], *, pack: str, rhos: Sequence[float], count: int, seed: int, out: Path
) -> None:
    """Write the histories that policies visit to a JSON file, after those that it holds already.

    Args:
        policies: pairs as `make_pair` reads them.
        pack: the pack, a name or a folder.
        rhos: budgets.
        count: how many histories to add.
        seed: first seed of the markets.
        out: the file.

    Raises:
        CopyrightGymError: the pack, a policy or an option is wrong.
    """
    pairs = [make_pair(text, pack) for text in policies]
    entries = json.loads(out.read_text(encoding="utf-8")) if out.exists() else []
    entries += visited_histories(pairs, MarketConfig(pack=pack), rhos, count, seed)
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    write_atomically(out, f"[\n{lines}\n]\n".encode())
