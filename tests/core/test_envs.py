from __future__ import annotations

import math
import pickle

import cloudpickle
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils.env_checker import check_env, data_equivalence
from gymnasium.utils.env_match import check_environments_match
from stable_baselines3.common.env_checker import check_env as check_env_sb3

import copyright_gym
from copyright_gym.observations import MARKUPS, SHARES
from copyright_gym.policies import make_policy

HOLDER = "copyright_gym/HolderAllocation-v0"
ROUND = "copyright_gym/RoundBudget-v0"
JOINT = "copyright_gym/JointAllocation-v0"
IDS = (HOLDER, ROUND, JOINT)
VARIANTS = ({}, {"visible_expectations": True, "order": "random", "kappa": 0.1}, {"holders": 1})


def rollout(env, seed, actions=None, steps=150):
    """Play with sampled actions, or given ones; return everything seen."""
    env.action_space.seed(seed)
    trace = [env.reset(seed=seed)]
    for step in range(steps if actions is None else len(actions)):
        action = env.action_space.sample() if actions is None else actions[step]
        trace.append((action, *env.step(action)))
        if trace[-1][3]:
            trace.append(env.reset())
    return trace


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("env_id", IDS)
def test_checkers_find_nothing(synthetic_pack, env_id, variant):
    env = gym.make(env_id, pack=synthetic_pack, **variant)
    check_env(env.unwrapped, skip_render_check=bool(variant))
    check_env_sb3(env.unwrapped)


@pytest.mark.parametrize("env_id", IDS)
def test_rollouts_are_deterministic(synthetic_pack, env_id):
    first, second = (rollout(gym.make(env_id, pack=synthetic_pack), 5) for _ in range(2))
    assert data_equivalence(first, second, exact=True)
    other = rollout(gym.make(env_id, pack=synthetic_pack), 6)
    assert not data_equivalence(first, other, exact=True)


@pytest.mark.parametrize("other", ["uniform", "random"])
@pytest.mark.parametrize("env_id", IDS)
def test_pickled_copy_goes_on_identically(synthetic_pack, env_id, other):
    names = {HOLDER: "round_policy", ROUND: "holder_policy"}
    options = {names[env_id]: other} if env_id in names else {}
    env = gym.make(env_id, pack=synthetic_pack, order="random", **options)
    env.reset(seed=3)
    env.action_space.seed(3)
    for _ in range(3):
        env.step(env.action_space.sample())
    copy = pickle.loads(pickle.dumps(env))
    for _ in range(60):
        action = env.action_space.sample()
        results = env.step(action), copy.step(action)
        assert data_equivalence(*results, exact=True)
        if results[0][2]:
            assert data_equivalence(env.reset(), copy.reset(), exact=True)


@pytest.mark.parametrize("env_id", IDS)
def test_spec_survives_json(synthetic_pack, env_id):
    env = gym.make(env_id, pack=synthetic_pack, rho=0.2, rounds=3, visible_expectations=True)
    spec = EnvSpec.from_json(env.spec.to_json())
    copy = gym.make(spec)
    assert copy.unwrapped.market.config == env.unwrapped.market.config
    assert data_equivalence(rollout(env, 1), rollout(copy, 1), exact=True)


@pytest.mark.parametrize("env_id", IDS)
def test_episode_reward_is_the_final_quality(synthetic_pack, env_id):
    env = gym.make(env_id, pack=synthetic_pack)
    for seed in range(20):
        _, info = env.reset(seed=seed)
        assert info["quality"] == 0
        env.action_space.seed(seed)
        total, over = 0.0, False
        while not over:
            _, reward, over, truncated, info = env.step(env.action_space.sample())
            total += reward
            assert not truncated
            assert info["quality"] == pytest.approx(total, abs=1e-12)


@pytest.mark.parametrize("env_id", IDS)
def test_returned_arrays_are_copies(synthetic_pack, env_id):
    env = gym.make(env_id, pack=synthetic_pack)
    seen = rollout(env, 2, steps=30)
    frozen = pickle.loads(pickle.dumps(seen))
    for _ in range(3):
        env.step(env.action_space.sample())
    assert data_equivalence(seen, frozen, exact=True)
    untouched, touched = (gym.make(env_id, pack=synthetic_pack) for _ in range(2))
    action = env.action_space.sample()
    results = []
    for each in (untouched, touched):
        observation, info = each.reset(seed=1)
        if each is touched:
            observation[:] = 0
            if "action_mask" in info:
                info["action_mask"][:] = 0
        results.append(each.step(action))
    assert data_equivalence(*results, exact=True)


def test_environments_and_rollouts_play_the_same(synthetic_pack):
    config = copyright_gym.MarketConfig(pack=synthetic_pack)
    episodes = copyright_gym.play(config, "greedy", "greedy", [11, 12])
    env = gym.make(ROUND, pack=synthetic_pack, holder_policy="greedy")
    policy = make_policy("greedy", "round")
    for row, seed in enumerate([11, 12]):
        observation, info = env.reset(seed=seed)
        for t in range(5):
            action = policy.act(observation[None], info["action_mask"][None].astype(bool))[0]
            observation, reward, _, _, info = env.step(action)
            assert reward == episodes.rewards[row, t]
            assert info["quality"] == episodes.quality[row, t]


@pytest.mark.parametrize("env_id", [HOLDER, ROUND])
def test_masks(synthetic_pack, env_id):
    env = gym.make(env_id, pack=synthetic_pack)
    _, info = env.reset(seed=0)
    for _ in range(40):
        mask = env.get_wrapper_attr("action_masks")()
        assert mask.dtype == np.bool_
        assert info["action_mask"].dtype == np.int8
        np.testing.assert_array_equal(mask, info["action_mask"])
        _, _, over, _, info = env.step(env.action_space.sample(info["action_mask"]))
        if over:
            _, info = env.reset()


def test_infos_hold_nothing_hidden(synthetic_pack):
    for env_id in IDS:
        _, info = gym.make(env_id, pack=synthetic_pack).reset(seed=0)
        assert info.keys() <= {"quality", "action_mask"}


@pytest.mark.parametrize("env_id", [HOLDER, ROUND])
@pytest.mark.parametrize("action", [11, -1, 1.0, math.nan, None, "1", np.array([1]), np.float32(1)])
def test_bad_discrete_actions(synthetic_pack, env_id, action):
    env = gym.make(env_id, pack=synthetic_pack).unwrapped
    env.reset(seed=0)
    before = pickle.dumps(env)
    with pytest.raises(InvalidAction, match="not in Discrete"):
        env.step(action)
    assert pickle.dumps(env) == before


@pytest.mark.parametrize(
    "action",
    [np.full(9, 1.01), np.full(9, math.nan), np.zeros(8), np.zeros(9, int), 0.5, None, "x"],
    ids=repr,
)
def test_bad_joint_actions(synthetic_pack, action):
    env = gym.make(JOINT, pack=synthetic_pack).unwrapped
    env.reset(seed=0)
    before = pickle.dumps(env)
    with pytest.raises(InvalidAction, match="joint actions must"):
        env.step(action)
    assert pickle.dumps(env) == before


@pytest.mark.parametrize("env_id", IDS)
def test_steps_before_reset_and_after_the_end(synthetic_pack, env_id):
    env = gym.make(env_id, pack=synthetic_pack).unwrapped
    with pytest.raises(ResetNeeded):
        env.step(env.action_space.sample())
    env.reset(seed=0)
    over = False
    while not over:
        _, _, over, _, _ = env.step(env.action_space.sample())
    action = env.action_space.sample()
    before = pickle.dumps(env)
    with pytest.raises(ResetNeeded):
        env.step(action)
    assert pickle.dumps(env) == before


def test_policy_of_the_other_level_can_change(synthetic_pack):
    env = gym.make(HOLDER, pack=synthetic_pack)
    env.reset(seed=0)
    env.unwrapped.set_policy("greedy")
    observation, _ = env.reset(seed=0)
    assert observation[0] == pytest.approx(0.9)
    with pytest.raises(copyright_gym.errors.PolicyError, match=r"known: all, greedy, .*uniform"):
        env.unwrapped.set_policy("gredy")
    with pytest.raises(copyright_gym.errors.PolicyError, match="expected a round policy"):
        env.unwrapped.set_policy(make_policy("greedy", "holder"))
    assert env.unwrapped.policy.level == "round"


def test_action_grids():
    assert SHARES[[0, 5, 10]].tolist() == [0, 0.5, 1]
    assert MARKUPS[[0, 1, 10]].tolist() == [0, 0.5, 2]
    ratios = MARKUPS[2:] / MARKUPS[1:-1]
    np.testing.assert_allclose(ratios, ratios[0])


@pytest.mark.parametrize("env_id", IDS)
def test_hidden_values_only_on_request(synthetic_pack, env_id):
    env = gym.make(env_id, pack=synthetic_pack, reveal=True)
    _, info = env.reset(seed=0)
    expected = env.unwrapped.market.expectations
    np.testing.assert_array_equal(info["hidden"]["expectations"], expected)


@pytest.mark.parametrize("env_id", IDS)
def test_one_market_matches_itself_in_a_vector(synthetic_pack, env_id):
    class Alone(gym.Env):
        """The first market of a native vector environment, as a single one."""

        def __init__(self):
            self.vector = gym.make_vec(env_id, 1, pack=synthetic_pack, autoreset_mode="Disabled")
            self.observation_space = self.vector.single_observation_space
            self.action_space = self.vector.single_action_space

        def reset(self, *, seed=None, options=None):
            observation, infos = self.vector.reset(seed=seed)
            return observation[0], self._plain(infos)

        def step(self, action):
            results = self.vector.step(np.array([action]))
            observation, reward, terminated, truncated = (each[0] for each in results[:4])
            return (
                observation,
                float(reward),
                bool(terminated),
                bool(truncated),
                self._plain(results[4]),
            )

        def _plain(self, infos):
            plain = {name: each[0] for name, each in infos.items() if not name.startswith("_")}
            return plain | {"quality": float(plain["quality"])}

    env = gym.make(env_id, pack=synthetic_pack)
    check_environments_match(env, Alone(), num_steps=100, seed=3)


@pytest.mark.parametrize("env_id", IDS)
def test_cloudpickled_copy_goes_on_identically(synthetic_pack, env_id):
    env = gym.make(env_id, pack=synthetic_pack)
    env.reset(seed=3)
    env.action_space.seed(3)
    env.step(env.action_space.sample())
    copy = cloudpickle.loads(cloudpickle.dumps(env))
    for _ in range(3):
        action = env.action_space.sample()
        assert data_equivalence(env.step(action), copy.step(action), exact=True)
