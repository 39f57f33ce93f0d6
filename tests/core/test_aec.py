from __future__ import annotations

import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import InvalidAction
from pettingzoo.test import api_test, parallel_api_test, seed_test

from copyright_gym.envs.aec import ALLOCATOR, BUDGET, MarketAECEnv, parallel_env

# Matters of taste in PettingZoo's tests: agents are numbered and see alike.
TASTE = (
    "We recommend agents to be named in the format",
    "Agents have different",
    "Observations are different shapes",
)


@pytest.fixture
def matters_of_taste():
    with warnings.catch_warnings():
        for message in TASTE:
            warnings.filterwarnings("ignore", message)
        yield


@pytest.mark.usefixtures("matters_of_taste")
@pytest.mark.parametrize("order", ["index", "random"])
def test_pettingzoo_finds_nothing(synthetic_pack, order, capsys):
    options = {"pack": synthetic_pack, "order": order}
    api_test(MarketAECEnv(**options), num_cycles=200)
    parallel_api_test(parallel_env(**options), num_cycles=200)
    seed_test(lambda: MarketAECEnv(**options), num_cycles=50)


def test_agents_get_the_rewards_of_the_environments(synthetic_pack):
    class Fixed:
        level, order = "round", None

        def reset(self, n, rng):
            self.left = iter(shares)

        def act(self, observation, mask):
            return np.array([next(self.left)])

    rng = np.random.default_rng(0)
    shares, offers = rng.integers(1, 11, 5).tolist(), rng.integers(0, 11, 40).tolist()
    options = {"pack": synthetic_pack, "kappa": 0.1}
    env = gym.make("copyright_gym/HolderAllocation-v0", round_policy=Fixed(), **options)
    observation, info = env.reset(seed=3)
    game = MarketAECEnv(**options)
    game.reset(seed=3)
    got = {BUDGET: [], ALLOCATOR: []}
    expected, visited, t = [], 0, 0
    for agent in game.agent_iter():
        seen, reward, over, _, facts = game.last()
        got[agent].append(reward)
        if over:
            game.step(None)
        elif agent == BUDGET:
            game.step(shares[t])
            t += 1
        else:
            np.testing.assert_array_equal(seen, observation)
            np.testing.assert_array_equal(facts["action_mask"], info["action_mask"])
            game.step(offers[visited])
            observation, reward, _, _, info = env.step(offers[visited])
            expected.append(reward)
            visited += 1
    assert got[ALLOCATOR][1:] == expected
    assert got[BUDGET][1:] == [sum(expected[8 * t : 8 * t + 8]) for t in range(visited // 8)]


def test_bad_actions(synthetic_pack):
    game = MarketAECEnv(pack=synthetic_pack)
    game.reset(seed=0)
    for action in (11, -1, 0.5, None):
        with pytest.raises(InvalidAction, match="not in Discrete"):
            game.step(action)
    assert game.agent_selection == BUDGET


def test_rendering(synthetic_pack):
    game = MarketAECEnv(pack=synthetic_pack, render_mode="ansi")
    game.reset(seed=0)
    assert "Holder 0" in game.render()
    game.close()
