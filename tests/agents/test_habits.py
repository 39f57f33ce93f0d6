"""Habits last an episode, hold for one holder each, fade, and are counted as exploration."""

import numpy as np
import pytest
from numpy.typing import NDArray

from copyright_gym import MarketConfig
from copyright_gym.agents.collection import Explorer, Fixed, collect
from copyright_gym.agents.habits import Habits
from copyright_gym.agents.hierarchical_dqn import HierarchicalDQN
from copyright_gym.agents.settings import Settings
from copyright_gym.observations import HOLDER_FEATURES, MARKUPS
from copyright_gym.policies import make_policy

HOLDERS = 5


def due(holder: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return observations in which this holder is due in each market."""
    observation = np.zeros((len(holder), len(HOLDER_FEATURES)), np.float32)
    observation[:, HOLDER_FEATURES.index("holder")] = holder / (HOLDERS - 1)
    return observation


def habits_of(habits: Habits, n: int) -> NDArray[np.int64]:
    """Return the habitual actions by market and holder, -1 where there is none."""
    mask = np.ones((n, len(MARKUPS)), np.bool_)
    each = [habits.act(due(np.full(n, holder)), mask) for holder in range(HOLDERS)]
    return np.stack(each, axis=1)


def test_how_often_and_for_how_long() -> None:
    n = 20_000
    habits = Habits(HOLDERS, 0.6, np.random.default_rng(0))
    exploring = (np.arange(n) < n // 2).astype(float)
    habits.reset(exploring)
    first = habits_of(habits, n)
    np.testing.assert_array_equal(first, habits_of(habits, n))
    assert (first[n // 2 :] == -1).all()
    # A strength has the mean 0.3, spread evenly over the actions.
    for action in range(len(MARKUPS)):
        share = (first[: n // 2] == action).mean(axis=0)
        np.testing.assert_allclose(share, 0.3 / len(MARKUPS), atol=0.01)
    # The strength is one for all holders of a market, so more markets than with 0.3 in each have
    # no habit at all: the mean of (1 - s)^5 over s in [0, 0.6] is (1 - 0.4^6) / 3.6.
    free = (first[: n // 2] == -1).all(axis=1).mean()
    np.testing.assert_allclose(free, (1 - 0.4**6) / 3.6, atol=0.015)
    habits.reset(exploring)
    assert (habits_of(habits, n) != first).any()


def test_they_fade() -> None:
    n = 20_000
    habits = Habits(HOLDERS, 0.6, np.random.default_rng(0))
    habits.reset(np.full(n, 0.5))
    assert (habits_of(habits, n) >= 0).mean() == pytest.approx(0.15, abs=0.01)


def test_an_illegal_habit_gives_way() -> None:
    n, rng = 500, np.random.default_rng(1)
    habits = Habits(HOLDERS, 1.0, rng)
    habits.reset(np.ones(n))
    holder = rng.integers(HOLDERS, size=n)
    wanted = habits_of(habits, n)[np.arange(n), holder]
    mask = rng.random((n, len(MARKUPS))) < 0.4
    found = habits.act(due(holder), mask)
    legal = (wanted >= 0) & mask[np.arange(n), wanted]
    np.testing.assert_array_equal(found, np.where(legal, wanted, -1))
    assert legal.any()
    assert (found[wanted >= 0] == -1).any()


def test_an_explorer_keeps_its_habits_and_calls_them_exploration(synthetic_pack: str) -> None:
    settings = Settings(markets=64, holder_hidden=(16,), habits=1.0)
    config = MarketConfig(pack=synthetic_pack, rho=0.4)
    trainer = HierarchicalDQN(config, round_policy="uniform", settings=settings)
    explorer = trainer._holder
    assert isinstance(explorer, Explorer)
    explorer.epsilon = np.r_[np.zeros(32), np.full(32, 1e-12)]  # no random single decision
    _, record = collect(
        trainer._market,
        trainer._rng,
        Fixed(make_policy("uniform", "round"), trainer._rng),
        explorer,
    )
    calm, exploring = record.explored[:, :32], record.explored[:, 32:]
    assert not calm.any()
    assert exploring.any()
    holders = trainer._market.tables.holders
    holder = np.rint(record.observations[:, :, HOLDER_FEATURES.index("holder")] * (holders - 1))
    kept_to = 0
    for market in range(32, 64):
        for each in range(holders):
            steps = holder[:, market] == each
            deviations = record.actions[steps, market][record.explored[steps, market]]
            if len(deviations):
                # One action, taken whenever it is legal.
                habit = deviations[0]
                legal = record.masks[steps, market, habit]
                assert (record.actions[steps, market][legal] == habit).all()
                assert (deviations == habit).all()
                kept_to += 1
    assert kept_to > 20


def test_how_a_training_explores(synthetic_pack: str) -> None:
    settings = Settings(markets=8, exploration=0.8, calm=0.25)
    trainer = HierarchicalDQN(MarketConfig(pack=synthetic_pack), settings=settings)
    round_level, holder_level = trainer._round, trainer._holder
    assert isinstance(round_level, Explorer)
    assert isinstance(holder_level, Explorer)
    for done, epsilon, habitual in ((0.4, 0.5, 1.0), (0.7, 0.125, 0.5), (0.9, 0.05, 0.0)):
        trainer._explore(done)
        np.testing.assert_allclose(holder_level.epsilon, np.r_[0, 0, np.full(6, epsilon)])
        np.testing.assert_allclose(round_level.epsilon, np.r_[epsilon, epsilon, np.zeros(6)])
        assert holder_level.habitual == pytest.approx(habitual)
