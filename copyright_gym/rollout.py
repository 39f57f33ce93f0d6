"""Play whole episodes of many markets at once, and record them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from gymnasium.error import InvalidAction
from numpy.typing import ArrayLike, NDArray

from copyright_gym.config import MarketConfig
from copyright_gym.market import Market
from copyright_gym.observations import MARKUPS, SHARES
from copyright_gym.policies import Policy, as_policy
from copyright_gym.quality import QualityModel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Episodes:
    """What happened in n episodes.

    Rounds after the end of an episode have quality as at its end, and 0 elsewhere.

    Attributes:
        budget: the budget B of each episode.
        quality: float64 (n, T), quality after each round.
        rewards: float64 (n, T), sum of the rewards of each round.
        round_budgets: float64 (n, T), money set aside for each round.
        offers: float64 (n, T, H), prices offered, 0 where none.
        payments: float64 (n, T, H), prices paid.
        bought: bool (n, T, H), lots bought.
        expectations: float64 (n, T, H), the least that the holders accepted.
    """

    budget: float
    quality: Floats
    rewards: Floats
    round_budgets: Floats
    offers: Floats
    payments: Floats
    bought: Bools
    expectations: Floats

    @property
    def spent(self) -> Floats:
        """Payments over the budget, float64 (n,)."""
        return np.asarray(self.payments.sum(axis=(1, 2)) / self.budget)

    @property
    def acceptance(self) -> Floats:
        """Lots bought per offer made, float64 (n,); 0 where no offer was made."""
        made = (self.offers > 0).sum(axis=(1, 2))
        return np.asarray(self.bought.sum(axis=(1, 2)) / np.maximum(made, 1))


def play(
    config: MarketConfig,
    round_policy: str | Policy,
    holder_policy: str | Policy,
    seeds: Sequence[int],
    quality_model: QualityModel | None = None,
    *,
    normals: Floats | None = None,
) -> Episodes:
    """Play one episode per seed with a policy at each level.

    Market i draws from `np.random.default_rng(seeds[i])`, as an environment that is reset
    with this seed does. The round and the holder policy draw, in this order, from the two
    children of `np.random.SeedSequence(seeds)`. Equal arguments give equal bits.

    Args:
        config: the options of the markets.
        round_policy: name or policy at the round level.
        holder_policy: name or policy at the holder level.
        seeds: integers of at least 0, one per market.
        quality_model: replaces the one that `config.quality` names.
        normals: replaces what the markets draw; see `draw_normals`.

    Returns:
        The episodes, in the order of the seeds.

    Raises:
        PolicyError: a policy is unknown or of the wrong level.
    """
    policies = (
        as_policy(round_policy, "round", config),
        as_policy(holder_policy, "holder", config),
    )
    market = Market(config, len(seeds), quality_model)
    for policy, child in zip(policies, np.random.SeedSequence(seeds).spawn(2), strict=True):
        policy.reset(market.n, np.random.default_rng(child))

    def step(running: Bools) -> Floats:
        open_round(market, policies[0], policies[1].order, running)
        return finish_round(market, policies[1], running)

    return _record(market, seeds, step, normals)


def play_joint(
    config: MarketConfig,
    policy: str | Policy,
    seeds: Sequence[int],
    quality_model: QualityModel | None = None,
    *,
    normals: Floats | None = None,
) -> Episodes:
    """Play one episode per seed with a policy of the joint level.

    Markets draw as in `play`; the policy draws from `np.random.SeedSequence(seeds)`.

    Args:
        config: the options of the markets.
        policy: name or policy at the joint level.
        seeds: integers of at least 0, one per market.
        quality_model: replaces the one that `config.quality` names.
        normals: replaces what the markets draw; see `draw_normals`.

    Returns:
        The episodes, in the order of the seeds.

    Raises:
        PolicyError: the policy is unknown or of the wrong level.
    """
    policy = as_policy(policy, "joint", config)
    market = Market(config, len(seeds), quality_model)
    policy.reset(market.n, np.random.default_rng(np.random.SeedSequence(seeds)))
    everything = np.ones((market.n, 1 + market.tables.holders), np.bool_)

    def step(running: Bools) -> Floats:
        actions = policy.act(market.joint_observation(), everything)
        return joint_round(market, actions, running)

    return _record(market, seeds, step, normals)


def open_round(
    market: Market, policy: Policy, order: str | None = None, where: Bools | None = None
) -> None:
    """Begin a round with the share that a round policy chooses.

    Args:
        market: the markets, between rounds.
        policy: the round policy.
        order: visiting order that the holder policy asks for; None for the market's own.
        where: bool (n,), markets to move; None for all.
    """
    action = policy.act(market.round_observation(), market.round_mask())
    market.begin_round(SHARES[action], order, where)


def finish_round(market: Market, policy: Policy, where: Bools | None = None) -> Floats:
    """Let a holder policy make all offers of an open round, and close it.

    Args:
        market: the markets, at the start of a round.
        policy: the holder policy.
        where: bool (n,), markets to move; None for all.

    Returns:
        float64 (n,), sums of the rewards.
    """
    reward = np.zeros(market.n)
    for _ in range(market.tables.holders):
        action = policy.act(market.holder_observation(), market.holder_mask())
        reward += market.offer(action, where)
    return reward + market.end_round(where)


def joint_round(market: Market, actions: ArrayLike, where: Bools | None = None) -> Floats:
    """Play a round by joint actions.

    Args:
        market: the markets, between rounds.
        actions: float (n, 1 + H) in [-1, 1], see `joint_actions`.
        where: bool (n,), markets to move; None for all.

    Returns:
        float64 (n,), sums of the rewards.

    Raises:
        InvalidAction: an action is impossible; the state is unchanged.
    """
    shares, offers = joint_actions(actions, market.tables.holders)
    market.begin_round(shares, where=where)
    reward, everyone = np.zeros(market.n), np.arange(market.n)
    for _ in range(market.tables.holders):
        reward += market.offer(offers[everyone, market.due_holder(everyone)], where)
    return reward + market.end_round(where)


def joint_actions(actions: ArrayLike, holders: int) -> tuple[Floats, Ints]:
    """Decode joint actions.

    An action's first entry is the share, the others are the offers by holder index. Each
    entry is mapped to x in [0, 1]; the share is rint(10 x) / 10 and an offer is the action
    min(floor(11 x), 10) of the holder level.

    Args:
        actions: float (n, 1 + H) in [-1, 1].
        holders: number of holders H.

    Returns:
        Shares, float64 (n,), and offers, int64 (n, H).

    Raises:
        InvalidAction: an action is impossible.
    """
    values = np.asarray(actions)
    if values.ndim != 2 or values.shape[1] != 1 + holders or values.dtype.kind != "f":
        raise InvalidAction(
            f"joint actions must be floats of shape (n, {1 + holders}), not {actions!r}"
        )
    if not (np.abs(values) <= 1).all():
        raise InvalidAction(f"joint actions must lie in [-1, 1], not {actions!r}")
    unit = (values.astype(np.float64) + 1) / 2
    shares = SHARES[np.rint(unit[:, 0] * (len(SHARES) - 1)).astype(np.int64)]
    return shares, np.minimum((unit[:, 1:] * len(MARKUPS)).astype(np.int64), len(MARKUPS) - 1)


def encode_joint(shares: Ints, offers: Ints) -> NDArray[np.float32]:
    """Encode joint actions, the other way round than `joint_actions`.

    Args:
        shares: int64 (n,), actions of the round level.
        offers: int64 (n, H), actions of the holder level by holder index.

    Returns:
        float32 (n, 1 + H) in [-1, 1].
    """
    unit = np.column_stack([shares / (len(SHARES) - 1), (offers + 0.5) / len(MARKUPS)])
    return (2 * unit - 1).astype(np.float32)


def draw_normals(config: MarketConfig, seeds: Sequence[int]) -> Floats:
    """Draw what the markets of `play` draw.

    Args:
        config: the options of the markets.
        seeds: one per market.

    Returns:
        float64 (n, H), or (n, H + T) with the option `noise`: the z of the holders' hidden factors
        exp(sigma * z), then those of the rounds' noise.
    """
    count = Market(config).normals
    return np.stack([np.random.default_rng(seed).standard_normal(count) for seed in seeds])


def _record(
    market: Market,
    seeds: Sequence[int],
    step: Callable[[Bools], Floats],
    normals: Floats | None,
) -> Episodes:
    """Play episodes to their end; `step` plays a round of the running markets."""
    market.reset([np.random.default_rng(seed) for seed in seeds])
    if normals is not None:
        market.restart(normals, np.arange(market.n))
    quality, rewards = np.zeros((2, market.n, market.tables.rounds))
    for t in range(market.tables.rounds):
        running = market.running
        if running.any():
            rewards[:, t] = step(running)
        quality[:, t] = market.quality
    return Episodes(
        budget=market.budget,
        quality=quality,
        rewards=rewards,
        round_budgets=market.round_budgets,
        offers=market.offers,
        payments=market.payments,
        bought=market.bought,
        expectations=market.expectations,
    )
