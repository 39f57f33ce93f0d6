"""The native vector environments play as gymnasium's SyncVectorEnv over the single ones."""

from __future__ import annotations

import pickle
import time
import tracemalloc

import cloudpickle
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import copyright_gym
from copyright_gym.errors import OptionError, PolicyError
from copyright_gym.heuristics import GreedyRound

HOLDER = "copyright_gym/HolderAllocation-v0"
ROUND = "copyright_gym/RoundBudget-v0"
JOINT = "copyright_gym/JointAllocation-v0"
IDS = (HOLDER, ROUND, JOINT)
OTHER = {HOLDER: "round_policy", ROUND: "holder_policy"}
N = 5


def both(env_id, pack, mode=AutoresetMode.NEXT_STEP, n=N, **options):
    options |= {"pack": pack}
    native = gym.make_vec(env_id, n, autoreset_mode=mode, **options)
    sync = SyncVectorEnv([lambda: gym.make(env_id, **options)] * n, autoreset_mode=mode)
    assert native.observation_space == sync.observation_space
    assert native.action_space == sync.action_space
    assert native.metadata["autoreset_mode"] is mode
    return native, sync


def assert_same(left, right):
    assert data_equivalence(left, right, exact=True), f"{left}\n{right}"


def play(native, sync, steps, seed=0, **reset):
    native.action_space.seed(seed)
    assert_same(native.reset(seed=seed, **reset), sync.reset(seed=seed, **reset))
    ends = 0
    for _ in range(steps):
        actions = native.action_space.sample()
        results = native.step(actions), sync.step(actions)
        assert_same(*results)
        over = results[0][2]
        ends += over.sum()
        if native.metadata["autoreset_mode"] is AutoresetMode.DISABLED and over.any():
            masks = [{"reset_mask": over.copy()} for _ in range(2)]
            assert_same(native.reset(options=masks[0]), sync.reset(options=masks[1]))
    assert ends > native.num_envs


@pytest.mark.parametrize("n", [1, N])
@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("env_id", IDS)
def test_equal_to_sync_vector_env(synthetic_pack, env_id, mode, n):
    steps = 200 if env_id == HOLDER else 40
    play(*both(env_id, synthetic_pack, mode, n), steps)


@pytest.mark.parametrize("n", [1, N])
@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("other", ["random", "greedy"])
@pytest.mark.parametrize("env_id", [HOLDER, ROUND])
def test_equal_when_markets_diverge(synthetic_pack, env_id, other, mode, n):
    """Random rounds spend everything sooner or later, so that episodes end one by one."""
    options = {
        OTHER[env_id]: other,
        "order": "random",
        "kappa": 0.2,
        "copyright_weight": 0.1,
        "visible_expectations": True,
        "noise": True,
        "reveal": True,
        "rho": 0.1,
        "sigma": 0.0,
    }
    steps = 250 if env_id == HOLDER else 60
    play(*both(env_id, synthetic_pack, mode, n, **options), steps, seed=4)


@pytest.mark.parametrize("env_id", IDS)
def test_wide_environments_play_the_same(synthetic_pack, env_id):
    size = np.getbufsize()
    native, sync = both(env_id, synthetic_pack, n=300, rho=0.1)
    play(native, sync, 85 if env_id == HOLDER else 12)
    with pytest.raises(InvalidAction):
        native.step(None)
    assert np.getbufsize() == size


@pytest.mark.parametrize("env_id", IDS)
def test_seeds(synthetic_pack, env_id):
    native, sync = both(env_id, synthetic_pack)
    for seed in (3, [5, 1, 5, None, 2], None, [9, 8, 7, 6, 5]):
        results = [env.reset(seed=seed) for env in (native, sync)]
        assert_same(*results)
        actions = native.action_space.sample()
        assert_same(native.step(actions), sync.step(actions))
        assert_same(native.reset(), sync.reset())
    assert not np.array_equal(native.market.factor[0], native.market.factor[1])
    first, second = (gym.make_vec(env_id, 2, pack=synthetic_pack) for _ in range(2))
    first.reset(), second.reset()
    assert not np.array_equal(first.market.factor, second.market.factor)
    with pytest.raises(ValueError, match="5 markets need as many seeds, not 2"):
        native.reset(seed=[1, 2])


def test_reset_masks(synthetic_pack):
    native, sync = both(HOLDER, synthetic_pack, AutoresetMode.DISABLED)
    native.reset(seed=0), sync.reset(seed=0)
    mask = np.array([True, False, False, True, False])
    for env in (native, sync):
        env.step(np.full(N, 6))
    results = [env.reset(seed=7, options={"reset_mask": mask}) for env in (native, sync)]
    assert_same(*results)
    for bad in (mask.astype(int), [True] * N, np.ones(3, bool), np.zeros(N, bool)):
        with pytest.raises((TypeError, ValueError), match="reset_mask must"):
            native.reset(options={"reset_mask": bad})


@pytest.mark.parametrize("env_id", IDS)
def test_returned_arrays_are_copies(synthetic_pack, env_id):
    env = gym.make_vec(env_id, 3, pack=synthetic_pack, autoreset_mode="SameStep")
    trace = [env.reset(seed=0)] + [env.step(env.action_space.sample()) for _ in range(45)]
    frozen = pickle.loads(pickle.dumps(trace))
    for _ in range(45):
        for array in (*env.step(env.action_space.sample())[:4], env.market.stop):
            assert not any(np.shares_memory(array, step[0]) for step in trace)
    assert_same(trace, frozen)
    touched, untouched = (gym.make_vec(env_id, 3, pack=synthetic_pack) for _ in range(2))
    for each in (touched, untouched):
        observation, infos = each.reset(seed=1)
        actions = each.action_space.sample() * 0 + 1
        step = each.step(actions)
        if each is touched:
            for array in (observation, *infos.values(), *step[:4], *step[4].values()):
                array[:] = 0
    assert_same(touched.step(actions), untouched.step(actions))


@pytest.mark.parametrize("library", [pickle, cloudpickle], ids=lambda library: library.__name__)
@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("env_id", IDS)
def test_copies_go_on_identically(synthetic_pack, env_id, n, library):
    policy = {OTHER[env_id]: "random"} if env_id in OTHER else {}
    env = gym.make_vec(env_id, n, pack=synthetic_pack, order="random", **policy)
    env.reset(seed=0)
    for _ in range(11 if env_id == HOLDER else 2):
        env.step(env.action_space.sample())
    copy = library.loads(library.dumps(env))
    for _ in range(90 if env_id == HOLDER else 12):
        actions = env.action_space.sample()
        assert_same(env.step(actions), copy.step(actions))


def test_spec_survives_json(synthetic_pack):
    env = gym.make_vec(HOLDER, 3, pack=synthetic_pack, autoreset_mode="SameStep", rho=0.2)
    copy = gym.make_vec(EnvSpec.from_json(env.spec.to_json()))
    assert copy.num_envs == 3
    assert copy.market.config == env.market.config
    assert copy.metadata == env.metadata


@pytest.mark.parametrize(
    "actions",
    [[0, 0, 11], [-1, 0, 0], [0.0, 1.0, 2.0], [0, 0], None, "abc", [[0, 1, 2]]],
    ids=repr,
)
@pytest.mark.parametrize("env_id", [HOLDER, ROUND])
def test_bad_actions_leave_the_state_unchanged(synthetic_pack, env_id, actions):
    env = gym.make_vec(env_id, 3, pack=synthetic_pack)
    with pytest.raises(ResetNeeded):
        env.step(np.zeros(3, int))
    env.reset(seed=0)
    before = pickle.dumps(env)
    with pytest.raises(InvalidAction, match=r"not in MultiDiscrete|actions must"):
        env.step(actions)
    assert pickle.dumps(env) == before


@pytest.mark.parametrize("actions", [[11], [-1], [1.0], [True], [0, 0], 0, None, [None], [[0]]])
def test_bad_actions_for_one_market(synthetic_pack, actions):
    env = gym.make_vec(HOLDER, 1, pack=synthetic_pack)
    with pytest.raises(ResetNeeded):
        env.step([0])
    env.reset(seed=0)
    before = pickle.dumps(env)
    with pytest.raises(InvalidAction, match=r"not in (Multi)?Discrete"):
        env.step(actions)
    assert pickle.dumps(env) == before
    assert_same(env.step(np.array([3], np.uint8)), pickle.loads(before).step([3]))


def test_one_market_has_what_many_have(synthetic_pack):
    env = gym.make_vec(HOLDER, 1, pack=synthetic_pack, autoreset_mode="Disabled")
    env.reset(seed=0, options={"reset_mask": np.array([True])})
    infos = env.step([0])[4]
    assert_same(env.action_masks(), infos["action_mask"].view(bool))
    env.reveal = True
    env.set_policy(GreedyRound(0.5))
    observation, infos = env.reset(seed=0)
    assert observation[:, 0] == pytest.approx(0.5)
    assert_same(infos["hidden"]["expectations"][0], env.market.expectations)
    joint = gym.make_vec(JOINT, 1, pack=synthetic_pack)
    assert not hasattr(joint, "action_masks")
    with pytest.raises(OptionError, match="render_mode must be None, not 'ansi'"):
        gym.make_vec(HOLDER, 1, pack=synthetic_pack, render_mode="ansi")


def test_bad_options(synthetic_pack):
    for options, name in (
        ({"num_envs": 0}, "num_envs"),
        ({"num_envs": 2.0}, "num_envs"),
        ({"autoreset_mode": "never"}, "known: NextStep, SameStep, Disabled"),
        ({"reveal": 1}, "reveal"),
        ({"rhoo": 1}, "unknown option rhoo"),
    ):
        with pytest.raises(OptionError, match=name):
            gym.make_vec(HOLDER, **({"pack": synthetic_pack} | options))


def test_policy_of_the_other_level_can_change(synthetic_pack):
    env = gym.make_vec(HOLDER, 2, pack=synthetic_pack)
    env.reset(seed=0)
    env.set_policy(GreedyRound(0.5))
    observation, _ = env.reset()
    assert observation[:, 0] == pytest.approx(0.5)
    with pytest.raises(PolicyError, match="unknown round policy 'gredy'"):
        env.set_policy("gredy")


def test_wide_environments_are_quick_and_small(synthetic_pack):
    gym.make_vec(HOLDER, 1, pack=synthetic_pack)
    start = time.process_time()
    gym.make_vec(HOLDER, 4096, pack=synthetic_pack)
    assert time.process_time() - start < 0.2
    tracemalloc.start()
    market = copyright_gym.Market(copyright_gym.MarketConfig(pack=synthetic_pack), 4096)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size / market.n < 2000
