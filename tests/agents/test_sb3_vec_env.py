from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.utils import get_action_masks, is_masking_supported
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

import copyright_gym  # noqa: F401 - registers the environments
from copyright_gym.agents.sb3_vec_env import SB3VecEnv
from copyright_gym.errors import OptionError

HOLDER = "copyright_gym/HolderAllocation-v0"
ROUND = "copyright_gym/RoundBudget-v0"
JOINT = "copyright_gym/JointAllocation-v0"


def adapted(env_id, pack, n=4, **options):
    return SB3VecEnv(gym.make_vec(env_id, n, autoreset_mode="SameStep", pack=pack, **options))


@pytest.mark.parametrize("reveal", [False, True])
@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize("env_id", [HOLDER, ROUND, JOINT])
def test_plays_as_the_dummy_vec_env(synthetic_pack, env_id, n, reveal):
    options = {"rho": 0.1, "reveal": reveal}
    native = adapted(env_id, synthetic_pack, n, **options)
    dummy = DummyVecEnv([lambda: gym.make(env_id, pack=synthetic_pack, **options)] * n)
    for env in (native, dummy):
        env.seed(5)
    np.testing.assert_array_equal(native.reset(), dummy.reset())
    native.action_space.seed(0)
    for _ in range(90 if env_id == HOLDER else 12):
        actions = np.stack([native.action_space.sample() for _ in range(n)])
        results = native.step(actions), dummy.step(actions)
        for left, right in zip(results[0][:3], results[1][:3], strict=True):
            np.testing.assert_array_equal(left, right)
            assert left.dtype == right.dtype
        for left, right in zip(results[0][3], results[1][3], strict=True):
            assert left.keys() == right.keys()
            assert ("hidden" in left) == reveal
            np.testing.assert_equal(left, right)


def test_masks_and_methods(synthetic_pack):
    env = adapted(HOLDER, synthetic_pack)
    env.reset()
    assert is_masking_supported(env)
    np.testing.assert_array_equal(get_action_masks(env), env.env.action_masks())
    assert len(env.env_method("action_masks", indices=[0, 2])) == 2
    env.env_method("set_policy", "greedy")
    assert env.reset()[:, 0] == pytest.approx(0.9)
    assert env.env_is_wrapped(Monitor) == [False] * 4
    assert env.get_attr("num_envs", indices=1) == [4]
    assert not env.has_attr("no_such_attribute")
    env.set_attr("reveal", True)
    assert env.env.reveal
    with pytest.raises(ValueError, match="indices must be None, not 1"):
        env.env_method("set_policy", "greedy", indices=1)
    with pytest.raises(OptionError, match="autoreset_mode must be 'SameStep'"):
        SB3VecEnv(gym.make_vec(HOLDER, 2, pack=synthetic_pack))
    env.close()


@pytest.mark.parametrize("algorithm", [DQN, PPO, MaskablePPO])
def test_algorithms_learn_through_it(synthetic_pack, algorithm):
    env = VecMonitor(adapted(HOLDER, synthetic_pack))
    short = {"learning_starts": 40} if algorithm is DQN else {"n_steps": 64}
    model = algorithm("MlpPolicy", env, seed=0, **short)
    model.learn(320)
    assert len(model.ep_info_buffer) >= 4
    assert all(episode["l"] == 40 for episode in model.ep_info_buffer)


def test_continuous_actions(synthetic_pack):
    PPO("MlpPolicy", adapted(JOINT, synthetic_pack), n_steps=16, batch_size=16, seed=0).learn(64)
