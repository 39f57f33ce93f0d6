"""The compiled kernel plays with the same bits as the one in NumPy and plain Python."""

from __future__ import annotations

import pickle
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode

from copyright_gym import Market, MarketConfig, compiled
from copyright_gym.quality import ExposureSurrogate

pytestmark = pytest.mark.skipif(
    compiled.kernel is None, reason="built without a C compiler, or left out"
)

HOLDER = "copyright_gym/HolderAllocation-v0"
ROUND = "copyright_gym/RoundBudget-v0"
JOINT = "copyright_gym/JointAllocation-v0"
OTHER = {HOLDER: "round_policy", ROUND: "holder_policy"}

OPTIONS = {
    "default": {},
    "order": {"order": "value", "sigma": 1.0},
    "rewards": {"kappa": 0.3, "copyright_weight": 0.2, "rho": 0.8, "noise": True},
    # Random rounds spend everything sooner or later, so that episodes end one by one.
    "apart": {"other": "random", "order": "random", "visible_expectations": True, "rho": 0.1},
    "small": {"rounds": 2, "holders": 3, "reveal": True},
}


def both(monkeypatch, make):
    """Make something twice: with the compiled kernel, and without."""
    first = make()
    with monkeypatch.context() as context:
        context.setattr(compiled, "kernel", None)
        return first, make()


def options_of(env_id, name, pack):
    options = {"pack": pack} | OPTIONS[name]
    other = options.pop("other", None)
    if other and env_id in OTHER:
        options[OTHER[env_id]] = other
    return options


def assert_same(left, right):
    assert data_equivalence(left, right, exact=True), f"{left}\n{right}"


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("n", [2, 9])
@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("env_id", [HOLDER, ROUND, JOINT])
def test_vector_environments(synthetic_pack, monkeypatch, env_id, mode, n, name):
    options = options_of(env_id, name, synthetic_pack)
    envs = both(monkeypatch, lambda: gym.make_vec(env_id, n, autoreset_mode=mode, **options))
    assert [env.market.kernel is not None for env in envs] == [True, False]
    envs[0].action_space.seed(1)
    assert_same(*(env.reset(seed=5) for env in envs))
    for _ in range(100 if env_id == HOLDER else 20):
        actions = envs[0].action_space.sample()
        results = [env.step(actions) for env in envs]
        assert_same(*results)
        over = results[0][2]
        if mode is AutoresetMode.DISABLED and over.any():
            assert_same(*(env.reset(options={"reset_mask": over.copy()}) for env in envs))


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("env_id", [HOLDER, ROUND, JOINT])
def test_single_environments(synthetic_pack, monkeypatch, env_id, name):
    options = options_of(env_id, name, synthetic_pack)
    envs = both(monkeypatch, lambda: gym.make(env_id, render_mode="ansi", **options))
    kinds = [type(env.unwrapped.market).__module__ for env in envs]
    assert kinds == ["copyright_gym._single", "copyright_gym.single"]
    envs[0].action_space.seed(1)
    assert_same(*(env.reset(seed=5) for env in envs))
    for _ in range(100 if env_id == HOLDER else 20):
        action = envs[0].action_space.sample()
        results = [env.step(action) for env in envs]
        assert_same(*results)
        assert_same(*(env.render() for env in envs))
        markets = [env.unwrapped.market for env in envs]
        for attribute in ("position", "factor", "outside", "round_budgets", "accepted", "stage"):
            assert_same(*(getattr(market, attribute) for market in markets))
        if results[0][2]:
            assert_same(*(env.reset() for env in envs))


@pytest.mark.parametrize("hidden", [1, 2, 8, 32])
def test_any_number_of_hidden_units(synthetic_pack, monkeypatch, hidden):
    """8 have code of their own."""
    rng = np.random.default_rng(hidden)
    shares, exposures = rng.normal(size=(2, 8, hidden))
    bias, out = rng.normal(size=(2, hidden)) / hidden
    surrogate = ExposureSurrogate(5, 0.8, shares, exposures, bias, out, np.zeros(41))
    config = MarketConfig(pack=synthetic_pack, rho=1.0)
    markets = both(monkeypatch, lambda: Market(config, 20, surrogate))
    for market in markets:
        market.reset([np.random.default_rng(seed) for seed in range(20)])
    while markets[0].running.all():
        shares = rng.random(20)
        for market in markets:
            market.begin_round(shares)
        for _ in range(8):
            actions = rng.integers(0, 11, 20)
            assert_same(*(market.offer(actions) for market in markets))
        assert_same(*(market.end_round() for market in markets))
    assert_same(markets[0].quality, surrogate.quality(markets[1].bought))


def test_copies_are_compiled_where_they_are_restored(synthetic_pack, monkeypatch):
    market = Market(MarketConfig(pack=synthetic_pack), 3)
    market.reset([np.random.default_rng(seed) for seed in range(3)])
    market.begin_round(np.full(3, 0.5))
    market.offer(np.full(3, 7))
    copies = both(monkeypatch, lambda: pickle.loads(pickle.dumps(market)))
    assert [copy.kernel is not None for copy in copies] == [True, False]
    for _ in range(7):
        rewards = [copy.offer(np.full(3, 7)) for copy in copies]
        assert_same(*rewards)
        assert_same(*(copy.sheet for copy in copies))


def test_other_surrogates_are_played_in_numpy(synthetic_pack):
    class Counting:
        """A surrogate of another form: each lot adds 0.01."""

        marginal = True

        def histories(self, n):
            return Counted(n)

    class Counted:
        def __init__(self, n):
            self.count = np.zeros(n)

        def clear(self, rows):
            self.count[rows] = 0

        def begin_round(self, rows, t):
            pass

        def buy(self, rows, t, holder):
            self.count[rows] += 1
            return self.count[rows] / 100

    market = Market(MarketConfig(pack=synthetic_pack, sigma=0.0), 2, Counting())
    assert market.kernel is None
    market.reset([np.random.default_rng(seed) for seed in range(2)])
    market.begin_round(np.ones(2))
    assert market.offer(np.array([6, 0])).tolist() == [0.01, 0.0]


@pytest.mark.parametrize(("value", "there"), [("0", False), ("1", True)])
def test_an_environment_variable_leaves_it_out(monkeypatch, value, there):
    monkeypatch.setenv("COPYRIGHT_GYM_COMPILED", value)
    code = f"from copyright_gym import compiled; assert (compiled.kernel is not None) is {there}"
    subprocess.run([sys.executable, "-c", code], check=True)
