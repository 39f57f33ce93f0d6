"""Stable-Baselines3 models as policies."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from numpy.typing import NDArray
from sb3_contrib import RecurrentPPO
from stable_baselines3 import DQN, PPO

import copyright_gym  # noqa: F401  # registers the environments
from copyright_gym.agents.maskable_dqn import MaskableDQN
from copyright_gym.agents.sb3_policy import from_sb3
from copyright_gym.config import MarketConfig
from copyright_gym.errors import PolicyError
from copyright_gym.policies import is_stateless
from copyright_gym.rollout import play, play_joint


def test_dqn_models_at_both_levels(synthetic_pack: str) -> None:
    config = MarketConfig(pack=synthetic_pack)
    rounds = gym.make("copyright_gym/RoundBudget-v0", pack=synthetic_pack)
    holders = gym.make("copyright_gym/HolderAllocation-v0", pack=synthetic_pack)
    outer = MaskableDQN("MlpPolicy", rounds, seed=0, device="cpu", buffer_size=1000).learn(150)
    inner = DQN("MlpPolicy", holders, seed=0, device="cpu", buffer_size=1000).learn(150)
    policies = from_sb3(outer, "round"), from_sb3(inner, "holder", order="value")
    first, second = (play(config, *policies, seeds=range(20)) for _ in range(2))
    np.testing.assert_array_equal(first.quality, second.quality)


def test_ppo_at_the_joint_level(synthetic_pack: str) -> None:
    env = gym.make("copyright_gym/JointAllocation-v0", pack=synthetic_pack)
    model = PPO("MlpPolicy", env, seed=0, device="cpu", n_steps=16, batch_size=16).learn(16)
    play_joint(MarketConfig(pack=synthetic_pack), from_sb3(model, "joint"), range(5))


def test_recurrent_models_remember_their_episode(synthetic_pack: str) -> None:
    env = gym.make("copyright_gym/JointAllocation-v0", pack=synthetic_pack)
    model = RecurrentPPO("MlpLstmPolicy", env, seed=0, device="cpu", n_steps=8, batch_size=8)
    policy = from_sb3(model, "joint")
    assert not is_stateless(policy)
    assert is_stateless(from_sb3(PPO("MlpPolicy", env, device="cpu"), "joint"))
    rng = np.random.default_rng(0)
    assert isinstance(env.observation_space, gym.spaces.Box)
    seen = rng.random((3, *env.observation_space.shape), np.float32)
    mask = np.ones((3, 1), np.bool_)
    policy.reset(3, rng)
    first, second = policy.act(seen, mask), policy.act(seen, mask)
    expected, state = model.predict(seen, deterministic=True)
    np.testing.assert_array_equal(first, expected)
    np.testing.assert_array_equal(second, model.predict(seen, state, deterministic=True)[0])
    assert (second != first).any()
    policy.reset(3, rng)
    np.testing.assert_array_equal(policy.act(seen, mask), first)


class Stubborn:
    """A model that ignores masks and always wants action 3."""

    def predict(
        self, observation: NDArray[Any], state: None = None, deterministic: bool = False
    ) -> tuple[NDArray[Any], None]:
        return np.full(len(observation), 3), None


def test_illegal_choices_fall_to_the_next_lower_legal_one() -> None:
    mask = np.array([[1, 0, 0, 1, 1], [1, 1, 0, 0, 1], [1, 0, 0, 0, 0]], dtype=np.bool_)
    policy = from_sb3(Stubborn(), "holder")
    assert policy.act(np.zeros((3, 2), np.float32), mask).tolist() == [3, 1, 0]


def test_unknown_level() -> None:
    with pytest.raises(PolicyError, match="known: holder, joint, round"):
        from_sb3(Stubborn(), "outer")  # type: ignore[arg-type]
