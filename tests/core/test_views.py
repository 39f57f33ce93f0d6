"""All views of one market: whatever plays the same offers gets the same rewards, bit by bit."""

from __future__ import annotations

import functools
import operator

import gymnasium as gym
import numpy as np
import pytest

from copyright_gym.envs.aec import ALLOCATOR, BUDGET, MarketAECEnv, parallel_env

HOLDER = "copyright_gym/HolderAllocation-v0"
ROUND = "copyright_gym/RoundBudget-v0"
JOINT = "copyright_gym/JointAllocation-v0"
ROUNDS, HOLDERS = 5, 8


class Fixed:
    """A policy that knows all of its actions beforehand."""

    order = None

    def __init__(self, level, actions):
        self.level, self.actions = level, actions

    def reset(self, n, rng):
        self.left = iter(self.actions)

    def act(self, observation, mask):
        return np.array([next(self.left)])


def total(rewards):
    """Add from left to right, as the environments do."""
    return functools.reduce(operator.add, rewards, 0.0)


def play_holders(options, seed, shares, offers):
    """Return the offers in the order of the visits, and their rewards."""
    env = gym.make(HOLDER, round_policy=Fixed("round", shares), **options).unwrapped
    env.reset(seed=seed)
    visited, rewards, over = [], [], False
    while not over:
        visited.append(offers[env.market.round_index, env.market.due_holder])
        _, reward, over, _, _ = env.step(visited[-1])
        rewards.append(reward)
    return visited, rewards


def play_single(env, seed, actions):
    env.reset(seed=seed)
    rewards = []
    for action in actions:
        _, reward, over, _, _ = env.step(action)
        rewards.append(reward)
    assert over
    return rewards


def play_vector(env, seed, actions):
    """Return the rewards of the first market; the others play along."""
    env.reset(seed=seed)
    rewards = []
    for action in actions:
        _, reward, over, _, _ = env.step(np.stack([action] * env.num_envs))
        rewards.append(reward[0])
    assert over[0]
    return rewards


def play_turns(options, seed, shares, visited):
    """Return the rewards of both agents of the AEC game."""
    game = MarketAECEnv(**options)
    game.reset(seed=seed)
    turns = {BUDGET: iter(shares), ALLOCATOR: iter(visited)}
    rewards = {BUDGET: [], ALLOCATOR: []}
    for agent in game.agent_iter():
        _, reward, over, _, _ = game.last()
        rewards[agent].append(reward)
        game.step(None if over else int(next(turns[agent])))
    # What comes before an agent's first turn is no reward of its own.
    return rewards[BUDGET][1:], rewards[ALLOCATOR][1:]


def play_parallel(options, seed, shares, visited):
    """Return the rewards of the offers in the parallel game."""
    game = parallel_env(**options)
    game.reset(seed=seed)
    shares, visited, rewards = iter(shares), iter(visited), []
    while game.agents:
        turn = game.aec_env.agent_selection
        action = int(next(shares if turn == BUDGET else visited))
        _, got, _, _, _ = game.step(dict.fromkeys(game.agents, action))
        assert got[BUDGET] == got[ALLOCATOR]
        if turn == ALLOCATOR:
            rewards.append(got[ALLOCATOR])
    return rewards


@pytest.mark.parametrize("order", ["index", "value", "random"])
def test_all_views_replay_one_trajectory(synthetic_pack, order):
    options = {"pack": synthetic_pack, "order": order, "kappa": 0.3, "copyright_weight": 0.2}
    rng = np.random.default_rng(9)
    for seed in range(6):
        shares, offers = rng.integers(1, 11, ROUNDS), rng.integers(0, 11, (ROUNDS, HOLDERS))
        visited, by_offer = play_holders(options, seed, shares, offers)
        rounds = len(visited) // HOLDERS
        by_round = [total(by_offer[HOLDERS * t : HOLDERS * (t + 1)]) for t in range(rounds)]
        shares = shares[:rounds]
        unit = np.concatenate([shares[:, None] / 10, (offers[:rounds] + 0.5) / 11], axis=1)
        plans = (2 * unit - 1).astype(np.float32)
        views = [
            (HOLDER, {"round_policy": Fixed("round", shares.tolist() * 2)}, visited, by_offer),
            (ROUND, {"holder_policy": Fixed("holder", visited * 2)}, shares, by_round),
            (JOINT, {}, plans, by_round),
        ]
        for env_id, policy, actions, expected in views:
            env = gym.make(env_id, **policy, **options)
            assert play_single(env, seed, actions) == expected, env_id
            for n in (1, 3):
                vector = gym.make_vec(env_id, n, **policy, **options)
                assert play_vector(vector, seed, actions) == expected, (env_id, n)
        budget, allocator = play_turns(options, seed, shares, visited)
        assert allocator == by_offer
        assert budget == by_round
        assert play_parallel(options, seed, shares, visited) == by_offer
