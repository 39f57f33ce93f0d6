"""The joint trainer: reproducible, legal, and better than where it started."""

from dataclasses import replace
from itertools import zip_longest
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from copyright_gym import policies
from copyright_gym.agents import hierarchical_dqn
from copyright_gym.agents.collection import Explorer, Fixed, collect
from copyright_gym.agents.hierarchical_dqn import HierarchicalDQN
from copyright_gym.agents.memory import remembered
from copyright_gym.agents.q_policy import QPolicy
from copyright_gym.agents.settings import Settings
from copyright_gym.agents.training import ABLATIONS, METHOD, train
from copyright_gym.config import MarketConfig
from copyright_gym.errors import OptionError, PolicyError
from copyright_gym.heuristics import GreedyHolder
from copyright_gym.market import Market
from copyright_gym.policies import make_policy
from copyright_gym.rollout import play

SMALL = Settings(markets=16, holder_hidden=(32,), round_hidden=(16,), batch_size=128)


def small_config(pack: str) -> MarketConfig:
    return MarketConfig(pack=pack, rounds=2, holders=3)


def weights(trainer: HierarchicalDQN) -> list[torch.Tensor]:
    return [
        tensor
        for policy in trainer.policies()
        if isinstance(policy, QPolicy)
        for tensor in policy.network.state_dict().values()
    ]


def test_same_seed_same_weights(synthetic_pack: str) -> None:
    config = small_config(synthetic_pack)
    first, second, other = (
        weights(HierarchicalDQN(config, seed=seed, settings=SMALL).learn(800)) for seed in (1, 1, 2)
    )
    assert len(first) == 12
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_markets_have_more_money_at_first(
    synthetic_pack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    budgets = []

    def watched(market: Market, *others: Any) -> Any:
        budgets.append(market.budget)
        return collect(market, *others)

    monkeypatch.setattr(hierarchical_dqn, "collect", watched)
    settings = replace(SMALL, first_budget=1.5, first_budget_until=0.6)
    trainer = HierarchicalDQN(small_config(synthetic_pack), settings=settings).learn(5 * 16 * 6)
    real = trainer._market.budget
    assert budgets == pytest.approx([1.5 * real] * 3 + [real] * 2)


def test_given_policies_know_the_market_that_they_play_in(
    synthetic_pack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[float] = []

    class Knowing(GreedyHolder):
        def __init__(self, config: MarketConfig) -> None:
            super().__init__()
            self._rho = config.rho

        def reset(self, n: int, rng: np.random.Generator) -> None:
            super().reset(n, rng)
            told.append(self._rho)

    monkeypatch.setattr(policies, "_registry", dict(policies._registry))
    policies.register_policy("knowing", "holder", Knowing)
    settings = replace(SMALL, first_budget=1.5, first_budget_until=0.6)
    config = small_config(synthetic_pack)
    HierarchicalDQN(config, holder_policy="knowing", settings=settings).learn(5 * 16 * 6)
    assert told == pytest.approx([1.5 * config.rho] * 3 + [config.rho] * 2)


def test_learns(synthetic_pack: str) -> None:
    config = MarketConfig(pack=synthetic_pack, rounds=2, holders=3, rho=0.5)
    trainer = HierarchicalDQN(config, seed=0, settings=SMALL).learn(24_000)
    seeds = range(500)
    learned = play(config, *trainer.policies(), seeds).quality[:, -1].mean()
    for half in ("uniform", "greedy", "random"):
        assert learned > 1.05 * play(config, half, half, seeds).quality[:, -1].mean()


@pytest.mark.parametrize("fixed", [{"round_policy": "uniform"}, {"holder_policy": "greedy"}])
def test_one_half_against_a_given_policy(synthetic_pack: str, fixed: dict[str, str]) -> None:
    config = small_config(synthetic_pack)
    trainer = HierarchicalDQN(config, settings=SMALL, **fixed).learn(1000)
    round_policy, holder_policy = trainer.policies()
    assert isinstance(round_policy, QPolicy) != isinstance(holder_policy, QPolicy)
    assert trainer.steps == 10 * 16 * 6
    episodes = play(config, round_policy, holder_policy, range(5))
    assert (episodes.payments.sum(axis=(1, 2)) <= episodes.budget * (1 + 1e-12)).all()


def test_visible_expectations_widen_the_network(synthetic_pack: str) -> None:
    config = MarketConfig(pack=synthetic_pack, rounds=1, holders=1, visible_expectations=True)
    trainer = HierarchicalDQN(config, settings=SMALL).learn(200)
    features = trainer.policies()[1].card.features  # type: ignore[attr-defined]
    assert features[-5:] == ("expectation", *remembered(1))
    play(config, *trainer.policies(), range(3))


def test_records_match_what_the_market_did(synthetic_pack: str) -> None:
    config = MarketConfig(pack=synthetic_pack, rounds=3, holders=4, kappa=0.1)
    market, rng = Market(config, 20), np.random.default_rng(0)
    policies = make_policy("random", "round"), make_policy("random", "holder")
    rounds, holders = collect(market, rng, Fixed(policies[0], rng), Fixed(policies[1], rng))
    assert rounds.actions.shape == (3, 20)
    assert holders.actions.shape == (12, 20)
    spent = market.payments.sum(axis=(1, 2)) / market.budget
    expected = market.quality - config.kappa * spent
    np.testing.assert_allclose(rounds.rewards.sum(axis=0), expected, atol=1e-12)
    np.testing.assert_allclose(holders.rewards.sum(axis=0), expected, atol=1e-12)
    np.testing.assert_array_equal(holders.lengths, 4 * rounds.lengths)
    np.testing.assert_array_equal(holders.accepted.sum(axis=0), market.bought.sum(axis=(1, 2)))
    assert market.bought.any()
    assert not rounds.accepted.any()
    assert not rounds.explored.any()
    assert not holders.disturbed.any()


class InTurn:
    """Draws for market after market as the generator that its environment has."""

    def __init__(self, seeds: range) -> None:
        self._generators = map(np.random.default_rng, seeds)

    def standard_normal(self, out: np.ndarray) -> None:
        next(self._generators).standard_normal(out=out)


@pytest.mark.parametrize(
    ("view", "pair", "fixed"),
    [
        ("HolderAllocation-v0", ("greedy", "random"), {"round_policy": "greedy"}),
        ("RoundBudget-v0", ("random", "uniform"), {"holder_policy": "uniform"}),
    ],
)
def test_records_are_what_the_vector_environments_show(
    synthetic_pack: str, view: str, pair: tuple[str, str], fixed: dict[str, str]
) -> None:
    seeds = range(7, 27)
    options: dict[str, Any] = {"pack": synthetic_pack, "rounds": 3, "rho": 0.2, "kappa": 0.1}
    market, rng = Market(MarketConfig(**options), len(seeds)), np.random.default_rng(0)
    policies = make_policy(pair[0], "round"), make_policy(pair[1], "holder")
    round_actor, holder_actor = (Fixed(policy, rng) for policy in policies)
    records = collect(market, InTurn(seeds), round_actor, holder_actor)  # type: ignore[arg-type]
    record = records["Holder" in view]
    env = gym.make_vec(
        f"copyright_gym/{view}", len(seeds), autoreset_mode="Disabled", **fixed, **options
    )
    seen, infos = env.reset(seed=seeds.start)
    assert (record.lengths == len(record.actions)).all()
    for step, actions in enumerate(record.actions):
        np.testing.assert_array_equal(record.observations[step], seen)
        np.testing.assert_array_equal(record.masks[step], infos["action_mask"])
        seen, rewards, ended, _, infos = env.step(actions)
        np.testing.assert_allclose(record.rewards[step], rewards, rtol=0, atol=1e-15)
        assert (ended == (step == len(record.actions) - 1)).all()
    assert market.bought.any()


def test_exploration_disturbs_the_other_level(synthetic_pack: str) -> None:
    trainer = HierarchicalDQN(small_config(synthetic_pack), settings=SMALL)
    assert isinstance(trainer._round, Explorer)
    assert isinstance(trainer._holder, Explorer)
    trainer._round.epsilon = np.r_[np.zeros(8), np.ones(8)]
    trainer._holder.epsilon = np.r_[np.zeros(4), np.ones(4), np.zeros(8)]
    rounds, holders = collect(trainer._market, trainer._rng, trainer._round, trainer._holder)
    assert not rounds.explored[:, :8].any()
    assert not holders.explored[:, :4].any()
    assert holders.explored[:, 4:8].any()
    by_round = holders.explored.reshape(2, 3, 16).any(axis=1)
    np.testing.assert_array_equal(rounds.disturbed, by_round)
    crossing = holders.disturbed.reshape(2, 3, 16)
    np.testing.assert_array_equal(crossing[0, 2], rounds.explored[1])
    crossing[0, 2] = False
    assert not crossing.any()


def test_bad_options(synthetic_pack: str) -> None:
    config = small_config(synthetic_pack)
    with pytest.raises(OptionError, match="nothing to learn"):
        HierarchicalDQN(config, round_policy="uniform", holder_policy="uniform")
    with pytest.raises(OptionError, match="at least 96"):
        HierarchicalDQN(config, settings=SMALL).learn(95)
    with pytest.raises(PolicyError, match="unknown round policy"):
        HierarchicalDQN(config, round_policy="nonsense")


@pytest.mark.parametrize("name", sorted(ABLATIONS))
def test_an_ablation_learns_something_else(synthetic_pack: str, name: str) -> None:
    method, variant = (
        train(each, pack=synthetic_pack, seed=0, steps=6000) for each in (METHOD, name)
    )
    assert method.settings != variant.settings
    assert method.steps == variant.steps
    pairs = list(zip_longest(weights(method), weights(variant), fillvalue=torch.empty(0)))
    assert not all(a.shape == b.shape and torch.equal(a, b) for a, b in pairs)
