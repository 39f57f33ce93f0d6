"""Contestants of a benchmark: how they play, and what they came from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copyright_gym.agents.baselines import LEARNED, pair_halves
from copyright_gym.agents.evolution import LinearHolder, load_linear
from copyright_gym.agents.flat import FLAT
from copyright_gym.agents.network_policy import NetworkPolicy, load_network
from copyright_gym.agents.provenance import parameters
from copyright_gym.agents.q_policy import QPolicy, load_q_policy
from copyright_gym.agents.training import ABLATIONS, METHOD
from copyright_gym.benchmarks.contestant_names import (
    EVOLVED,
    ORACLE,
    POLICY_FILE,
    at_levels,
    label,
)
from copyright_gym.config import MarketConfig
from copyright_gym.errors import PolicyError
from copyright_gym.policies import Level, Policy, as_policy, policy_names
from copyright_gym.rollout import Episodes, play, play_joint
from copyright_gym.tables import make_tables


class UnplayableError(PolicyError):
    """A policy cannot play in these markets."""


def policy_fingerprints(name: str) -> list[str]:
    """Return the SHA-256 of the policy files that a contestant names."""
    return [_sha256(path) for path in _named_files(name)]


def halves_training(name: str, config: MarketConfig) -> tuple[int | None, int]:
    """Tell how a contestant's halves were trained that come with their cards.

    These are policy files that it names, and learned halves of baselines that ship.

    Args:
        name: the contestant, one that is not trained first.
        config: options of the markets.

    Returns:
        The seed, None if halves differ in it, and the steps; None and 0 if it has no such half.
    """
    cards = _cards(name, config)
    seeds = {card.get("seed") for card in cards}
    steps = max((int(card.get("steps", 0)) for card in cards), default=0)
    return seeds.pop() if len(seeds) == 1 else None, steps


def halves_pack(name: str, config: MarketConfig) -> dict[str, str]:
    """Tell on which pack a contestant's halves were trained that come with their cards.

    Args:
        name: as for `halves_training`.
        config: options of the markets.

    Returns:
        `trained_on` and `trained_on_sha256`; nothing if it has no such half or they differ.
    """
    packs = {(card.get("pack"), card.get("pack_sha256")) for card in _cards(name, config)}
    if len(packs) != 1:
        return {}
    told = zip(("trained_on", "trained_on_sha256"), packs.pop(), strict=True)
    return {key: value for key, value in told if value is not None}


def _cards(name: str, config: MarketConfig) -> list[dict[str, Any]]:
    policies = _policies(name, _shown(name, config), {})
    return [policy.card.provenance for policy in policies if isinstance(policy, QPolicy)]


def _named_files(name: str) -> list[Path]:
    return [Path(half) for half in pair_halves(name) if half.endswith(POLICY_FILE)]


def _sha256(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def play_contestant(
    name: str,
    config: MarketConfig,
    seeds: Sequence[int],
    files: dict[str, Path],
    *,
    normals: NDArray[np.float64] | None = None,
) -> Episodes:
    """Play a contestant.

    Args:
        name: the contestant.
        config: options of the markets.
        seeds: one per market.
        files: what `train_files` returned; empty if it needs no training.
        normals: what the markets draw, if not from the seeds; see `draw_normals`.

    Returns:
        The episodes.

    Raises:
        UnplayableError: a policy plays with another number of holders only, or where each lot has
            a price only.
    """
    config = _shown(name, config)
    policies = _policies(name, config, files)
    tables = make_tables(config)
    holders = tables.holders
    for policy in policies:
        if getattr(policy, "needs_prices", False) and (tables.base <= 0).any():
            raise UnplayableError(
                f"{label(name)!r} counts gains per unit of cost, and some lots have no price here"
            )
        known = getattr(policy, "holders", None)
        if known not in (None, holders):
            raise UnplayableError(
                f"{label(name)!r} plays with the {known} holders that it was trained with, "
                f"not with {holders}"
            )
    if len(policies) == 1:
        return play_joint(config, policies[0], seeds, normals=normals)
    return play(config, policies[0], policies[1], seeds, normals=normals)


def policy_settings(
    name: str, config: MarketConfig, files: dict[str, Path]
) -> dict[Level, dict[str, Any]]:
    """Return the settings of a contestant's policies by level.

    Args:
        name: the contestant.
        config: options of the markets.
        files: as in `play_contestant`.

    Returns:
        JSON values: of a Q-network that was trained for this the settings of its training, of
        another all that its card says of where it comes from, with a policy file's SHA-256, of
        others the numbers and texts among their public attributes, with the settings of the
        training if there was one.
    """
    found: dict[Level, dict[str, Any]] = {}
    for policy in _policies(name, _shown(name, config), files):
        if isinstance(policy, QPolicy) and not files:
            found[policy.level] = dict(policy.card.provenance)
        else:
            found[policy.level] = _settings(policy)
    for path in _named_files(name):
        found[load_q_policy(path).card.level]["sha256"] = _sha256(path)
    return found


def _shown(name: str, config: MarketConfig) -> MarketConfig:
    """Return the options of the markets as a contestant plays them."""
    return replace(config, visible_expectations=True) if name == ORACLE else config


def _settings(policy: Policy) -> dict[str, Any]:
    if isinstance(policy, QPolicy):
        return dict(policy.card.provenance.get("settings", {}))
    own = parameters(policy)
    return own | (policy.settings if isinstance(policy, LinearHolder | NetworkPolicy) else {})


def _policies(name: str, config: MarketConfig, files: dict[str, Path]) -> list[Policy]:
    """Return a contestant's policies: a joint one, or one at each level."""
    if name in policy_names("joint"):
        return [as_policy(name, "joint", config)]
    if name == EVOLVED:
        return [as_policy("all", "round"), load_linear(files["holder"])]
    if name in FLAT:
        network = load_network(files["network"])
        return [network] if network.level == "joint" else [as_policy("all", "round"), network]
    both = name == METHOD or name in ABLATIONS
    halves = [LEARNED, LEARNED] if both else pair_halves(name)
    learned = [
        files.get(level) if half.startswith(LEARNED) else None for half, level in at_levels(halves)
    ]
    return [
        load_q_policy(file or half, level)
        if file or half.endswith(POLICY_FILE)
        else as_policy(half, level, config)
        for file, (half, level) in zip(learned, at_levels(halves), strict=True)
    ]
