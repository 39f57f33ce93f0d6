"""What holds for all options and all sequences of actions in the environments."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

HOLDER = "copyright_gym/HolderAllocation-v0"
ROUND = "copyright_gym/RoundBudget-v0"
JOINT = "copyright_gym/JointAllocation-v0"

options = st.builds(
    lambda a, others: {"a": a, "b": 1 - a, **others},
    st.floats(0.0, 1.0),
    st.fixed_dictionaries(
        {
            "rounds": st.integers(1, 5),
            "holders": st.integers(1, 8),
            "rho": st.floats(0.01, 1.5),
            "sigma": st.floats(0.0, 1.0),
            "alpha": st.floats(0.1, 1.0),
            "beta": st.floats(0.0, 1.0),
            "price": st.floats(0.01, 100.0),
            "kappa": st.sampled_from([0.0, 0.3]),
            "copyright_weight": st.sampled_from([0.0, 0.2]),
            "order": st.sampled_from(["index", "value", "random"]),
        }
    ),
)
generous = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def play(env, seed, factor=None):
    """Play an episode with sampled actions; return all that an agent sees and gets."""
    env.action_space.seed(seed)
    trace = [env.reset(seed=seed)]
    if factor is not None:
        env.unwrapped.market.factor = factor
    while not (len(trace) > 1 and trace[-1][3]):
        action = env.action_space.sample()
        trace.append((action, *env.step(action)))
    return trace


@given(options=options, seed=st.integers(0, 2**31))
@generous
def test_every_offer_follows_the_rules(synthetic_pack, options, seed):
    env = gym.make(HOLDER, pack=synthetic_pack, round_policy="random", **options)
    env.action_space.seed(seed)
    env.reset(seed=seed)
    market, over = env.unwrapped.market, False
    expectations = market.expectations.ravel()
    while not over:
        lot = market.round_index * market.holders + market.due_holder
        left, money, quality = market.round_left, market.leftover, market.quality
        _, reward, over, _, info = env.step(env.action_space.sample())
        offer, bought = market.offers[lot], market.bought[lot]
        assert 0 <= offer <= left
        assert bought == (offer >= expectations[lot] > 0)
        assert market.leftover == pytest.approx(money - offer * bought, abs=1e-9 * money)
        if not bought:
            assert reward == 0
            assert info["quality"] == quality


@given(options=options, seed=st.integers(0, 2**31), env_id=st.sampled_from([HOLDER, ROUND, JOINT]))
@generous
def test_every_episode_adds_up(synthetic_pack, options, seed, env_id):
    env = gym.make(env_id, pack=synthetic_pack, **options)
    trace = play(env, seed)
    market = env.unwrapped.market
    tables, shape = market.tables, market.tables.base.shape
    bought = np.reshape(market.bought, shape)
    payments = np.reshape(market.offers, shape) * bought
    assert market.leftover + payments.sum() == pytest.approx(tables.budget)
    assert (payments.sum(axis=1) <= np.multiply(market.round_budgets, 1 + 1e-12)).all()
    assert (payments[bought] >= market.expectations[bought]).all()
    quality = trace[-1][5]["quality"]
    assert quality == pytest.approx(tables.pack.surrogate.quality(bought[None])[0], abs=1e-9)
    fees = options["kappa"] * payments.sum() / tables.budget
    fees += options["copyright_weight"] * tables.exposure[bought].sum()
    assert sum(step[2] for step in trace[1:]) == pytest.approx(quality - fees, abs=1e-9)


@given(options=options, seed=st.integers(0, 2**31), env_id=st.sampled_from([HOLDER, ROUND, JOINT]))
@generous
def test_only_answers_tell_of_hidden_expectations(synthetic_pack, options, seed, env_id):
    """Other expectations that give the same answers leave all that is seen the same."""
    env = gym.make(env_id, pack=synthetic_pack, **options)
    trace = play(env, seed)
    market = env.unwrapped.market
    offers = np.reshape(market.offers, market.tables.base.shape) / market.tables.lowest
    bought = np.reshape(market.bought, offers.shape)
    refused = np.where(bought, 0, offers).max(axis=0)
    accepted = np.where(bought, offers, 2 * refused + 8).min(axis=0)
    others = (0.63 * refused + 0.37 * accepted).tolist()
    before = market.factor
    assert data_equivalence(play(env, seed, others), trace, exact=True)
    assert market.factor == others != before
    assert all("hidden" not in step[-1] for step in trace)
    asked = gym.make(env_id, pack=synthetic_pack, reveal=True, **options)
    _, info = asked.reset(seed=seed)
    told, expected = info["hidden"]["expectations"], asked.unwrapped.market.expectations
    np.testing.assert_array_equal(told, expected)
