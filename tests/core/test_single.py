"""The kernel of a single market plays exactly as the batched kernel does."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from copyright_gym import Market, MarketConfig
from copyright_gym.errors import OptionError
from copyright_gym.observations import SHARES
from copyright_gym.routes import Stage
from copyright_gym.single import SingleMarket

options = st.fixed_dictionaries(
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
        "visible_expectations": st.booleans(),
        "noise": st.booleans(),
        "order": st.sampled_from(["index", "value", "random"]),
    }
)


def assert_same(market: Market, row: int, single: SingleMarket) -> None:
    for name in ("round", "holder", "joint"):
        batched = getattr(market, f"{name}_observation")()[row]
        np.testing.assert_array_equal(batched, getattr(single, f"{name}_observation")(), name)
    for name in ("round", "holder"):
        np.testing.assert_array_equal(
            getattr(market, f"{name}_mask")()[row],
            getattr(single, f"{name}_mask")().view(bool),
            name,
        )
    for name in ("quality", "leftover", "round_left", "round_index", "accepted"):
        assert getattr(market, name)[row] == getattr(single, name), name
    np.testing.assert_array_equal(market.offers[row].ravel(), single.offers)
    np.testing.assert_array_equal(market.bought[row].ravel(), single.bought)
    np.testing.assert_array_equal(market.round_budgets[row], single.round_budgets)


@given(
    options=options,
    seed=st.integers(0, 2**32),
    wanted=st.sampled_from([None, "index", "value"]),
    alone=st.booleans(),
)
@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_same_bits(synthetic_pack, options, seed, wanted, alone):
    """`alone` moves one market after the other, so that they never stand together."""
    n = 3
    config = MarketConfig(pack=synthetic_pack, **options)
    market, singles = Market(config, n), [SingleMarket(config) for _ in range(n)]
    rng = np.random.default_rng(seed)
    masks = list(np.eye(n, dtype=bool)) if alone else [None]
    market.reset([np.random.default_rng([seed, row]) for row in range(n)])
    for row, single in enumerate(singles):
        single.reset(np.random.default_rng([seed, row]))

    def move(method, arguments, *more):
        together = sum(getattr(market, method)(*arguments, *more, where=m) for m in masks)
        for row, single in enumerate(singles):
            plain = [argument[row].item() for argument in arguments]
            assert together[row] == getattr(single, method)(*plain, *more)

    while market.running.all():
        shares = rng.choice(SHARES, n)
        for mask in masks:
            market.begin_round(shares, wanted, mask)
        for single, share in zip(singles, shares, strict=True):
            single.begin_round(float(share), wanted)
        for _ in range(market.tables.holders):
            for row, single in enumerate(singles):
                np.testing.assert_array_equal(
                    market.holder_observation()[row], single.holder_observation()
                )
                np.testing.assert_array_equal(market.holder_mask()[row], single.holder_mask())
            move("offer", [rng.integers(0, 11, n)])
        move("end_round", [])
        for row, single in enumerate(singles):
            assert_same(market, row, single)
    for row, single in enumerate(singles):
        assert market.running[row] == (single.stage is not Stage.DONE)


def test_calls_out_of_turn(synthetic_pack):
    market = SingleMarket(MarketConfig(pack=synthetic_pack, rounds=1, holders=2))
    with pytest.raises(ResetNeeded, match="not reset"):
        market.begin_round(0.5)
    market.reset(np.random.default_rng(0))
    with pytest.raises(RuntimeError, match="between rounds"):
        market.offer(0)
    with pytest.raises(OptionError, match="unknown order 'price' of a policy; known: index, value"):
        market.begin_round(0.5, "price")
    market.begin_round(0.5)
    market.offer(0)
    with pytest.raises(RuntimeError, match="in a round, 1 of 2 holders visited"):
        market.end_round()
    market.offer(0)
    market.end_round()
    with pytest.raises(ResetNeeded, match="end of the episode"):
        market.begin_round(0.5)


def test_pickle_shares_tables(synthetic_pack):
    market = SingleMarket(MarketConfig(pack=synthetic_pack, order="random"))
    market.reset(np.random.default_rng(0))
    market.begin_round(0.5)
    copy = pickle.loads(pickle.dumps(market))
    assert copy.tables is market.tables
    assert [copy.offer(9) for _ in range(8)] == [market.offer(9) for _ in range(8)]
