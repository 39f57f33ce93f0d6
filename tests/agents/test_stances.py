"""Stances last an episode, hold for one holder each, and are counted as exploration."""

import numpy as np
from numpy.typing import NDArray

from copyright_gym import MarketConfig
from copyright_gym.agents.collection import Explorer, Fixed, collect
from copyright_gym.agents.hierarchical_dqn import HierarchicalDQN
from copyright_gym.agents.settings import Settings
from copyright_gym.agents.stances import Stances
from copyright_gym.observations import HOLDER_FEATURES
from copyright_gym.policies import make_policy

HOLDERS = 5


def due(holder: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return observations in which this holder is due in each market."""
    observation = np.zeros((len(holder), len(HOLDER_FEATURES)), np.float32)
    observation[:, HOLDER_FEATURES.index("holder")] = holder / (HOLDERS - 1)
    return observation


def stances_of(stances: Stances, n: int) -> NDArray[np.int64]:
    """Return by market and holder -1 where shut out, 1 where sought, 0 elsewhere."""
    found = np.zeros((n, HOLDERS), np.int64)
    mask = np.ones((n, 3), np.bool_)
    for holder in range(HOLDERS):
        narrowed = stances.narrow(due(np.full(n, holder)), mask)
        assert (narrowed[:, 1] == narrowed[:, 2]).all()
        found[:, holder] = narrowed[:, 1].astype(int) - narrowed[:, 0]
    return found


def test_how_often_and_for_how_long() -> None:
    n = 20_000
    stances = Stances(HOLDERS, 0.6, np.random.default_rng(0))
    exploring = np.arange(n) < n // 2
    stances.reset(exploring)
    first = stances_of(stances, n)
    np.testing.assert_array_equal(first, stances_of(stances, n))
    assert not first[~exploring].any()
    # A strength has the mean 0.3, and a half of it each way.
    for value in (-1, 1):
        np.testing.assert_allclose((first[exploring] == value).mean(axis=0), 0.15, atol=0.01)
    # The strength is one for all holders of a market, so more markets than with 0.3 in each have
    # no stance at all: the mean of (1 - s)^5 over s in [0, 0.6] is (1 - 0.4^6) / 3.6.
    free = (first[exploring] == 0).all(axis=1).mean()
    np.testing.assert_allclose(free, (1 - 0.4**6) / 3.6, atol=0.015)
    stances.reset(exploring)
    assert (stances_of(stances, n) != first).any()


def test_a_state_is_never_left_without_an_action() -> None:
    n, rng = 500, np.random.default_rng(1)
    stances = Stances(HOLDERS, 1.0, rng)
    stances.reset(np.ones(n, np.bool_))
    mask = rng.random((n, 4)) < 0.4
    mask[:, 0] = True
    narrowed = stances.narrow(due(rng.integers(HOLDERS, size=n)), mask)
    assert narrowed.any(axis=1).all()
    assert not (narrowed & ~mask).any()


def test_an_explorer_keeps_its_stances_and_calls_them_exploration(synthetic_pack: str) -> None:
    settings = Settings(markets=64, holder_hidden=(16,), stances=1.0)
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
    offered = record.actions > 0
    holders = trainer._market.tables.holders
    holder = np.rint(record.observations[:, :, HOLDER_FEATURES.index("holder")] * (holders - 1))
    affordable = record.masks[:, :, 1:].any(axis=2)
    kept_to = 0
    for market in range(32, 64):
        for each in range(holders):
            steps = (holder[:, market] == each) & affordable[:, market]
            deviated = record.explored[steps, market]
            made = offered[steps, market]
            if deviated.any():
                # All episode long: no offer at all, or one whenever any can be made.
                assert made.all() or not made.any()
                kept_to += 1
    assert kept_to > 20
