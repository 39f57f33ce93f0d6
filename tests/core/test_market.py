from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from brute import BruteMarket
from gymnasium.error import InvalidAction, ResetNeeded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from copyright_gym import Market, MarketConfig, load_pack, play, play_joint
from copyright_gym.errors import OptionError
from copyright_gym.observations import MARKUPS, SHARES

ALLOW_FIXTURE = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

options = st.fixed_dictionaries(
    {
        "rounds": st.integers(1, 5),
        "holders": st.integers(1, 8),
        "rho": st.floats(0.05, 1.5),
        "sigma": st.floats(0.0, 1.0),
        "alpha": st.floats(0.1, 1.0),
        "beta": st.floats(0.0, 1.0),
        "price": st.floats(0.01, 100.0),
        "kappa": st.floats(0.0, 1.0),
        "copyright_weight": st.floats(0.0, 1.0),
        "order": st.sampled_from(["index", "value", "random"]),
    }
)


def state(market: Market) -> dict[str, np.ndarray]:
    return {k: v.copy() for k, v in vars(market).items() if isinstance(v, np.ndarray)}


def assert_same(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> None:
    assert left.keys() == right.keys()
    for name, array in left.items():
        np.testing.assert_array_equal(array, right[name], err_msg=name)


def new_market(pack: str, n: int = 3, **options: object) -> Market:
    market = Market(MarketConfig(pack=pack, **options), n)
    market.reset([np.random.default_rng(seed) for seed in range(n)])
    return market


def visiting_orders(market: Market, row: int) -> np.ndarray:
    """The holders of each round (T, H) in the order that `config.order` asks for."""
    name, holders = market.config.order, market.tables.holders
    starts = market._own_starts[row] if name == "random" else market.routes.starts[name]
    return market.routes.lot[starts[:, None] + np.arange(holders)] % holders


def play_out(market: Market, shares: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Play shares (T,) and actions (n, T, H) to the end; return each market's total reward."""
    total = np.zeros(market.n)
    for t in range(market.tables.rounds):
        running = market.running
        market.begin_round(np.full(market.n, shares[t]), where=running)
        for _ in range(market.tables.holders):
            holder = np.zeros(market.n, np.int64)
            holder[running] = market.due_holder(np.flatnonzero(running))
            total += market.offer(actions[np.arange(market.n), t, holder], where=running)
        total += market.end_round(where=running)
    return total


@given(options=options, seed=st.integers(0, 2**32))
@ALLOW_FIXTURE
def test_agrees_with_a_market_in_plain_python(synthetic_pack, options, seed):
    rng = np.random.default_rng(seed)
    config = MarketConfig(pack=synthetic_pack, **options)
    market = Market(config, 2)
    market.reset(rng.spawn(2))
    rounds, holders = market.tables.base.shape
    shares, actions = rng.choice(SHARES, rounds), rng.integers(0, 11, (2, rounds, holders))
    orders = [visiting_orders(market, row) for row in range(2)]
    reward = play_out(market, shares, actions)
    for row in range(2):
        z = np.log(market.factor[row]) / config.sigma if config.sigma else np.zeros(holders)
        brute = BruteMarket(config, load_pack(synthetic_pack), z)
        brute.play(shares, actions[row], orders[row])
        assert {tuple(lot) for lot in np.argwhere(market.bought[row])} == brute.bought
        for lot, price in brute.paid.items():
            assert market.payments[row][lot] == pytest.approx(price)
        assert market.leftover[row] == pytest.approx(brute.money, abs=1e-9 * brute.budget)
        assert market.quality[row] == pytest.approx(brute.quality(), abs=1e-12)
        assert reward[row] == pytest.approx(brute.total_reward, abs=1e-12)


@given(options=options, seed=st.integers(0, 2**32))
@ALLOW_FIXTURE
def test_money_is_conserved_and_expectations_are_met(synthetic_pack, options, seed):
    config = MarketConfig(pack=synthetic_pack, **options)
    market = Market(config, 4)
    rng = np.random.default_rng(seed)
    market.reset(rng.spawn(4))
    rounds, holders = market.tables.base.shape
    play_out(market, rng.random(rounds), rng.integers(0, 11, (4, rounds, holders)))
    assert not market.running.any()
    spent = market.payments.sum(axis=(1, 2))
    np.testing.assert_allclose(market.leftover + spent, market.budget)
    assert (market.leftover >= 0).all()
    assert (market.payments[~market.bought] == 0).all()
    assert (market.payments >= market.expectations)[market.bought].all()
    np.testing.assert_array_equal(market.payments[market.bought], market.offers[market.bought])
    refused = (market.offers > 0) & ~market.bought
    assert (market.offers < market.expectations)[refused].all()


def test_budget_and_telescoping_in_10000_random_episodes(synthetic_pack):
    config = MarketConfig(pack=synthetic_pack)
    for episodes in (
        play(config, "random", "random", range(10_000)),
        play_joint(config, "random", range(10_000)),
    ):
        spent = episodes.payments.sum(axis=(1, 2))
        assert (spent <= episodes.budget * (1 + 1e-12)).all()
        assert spent.max() > 0.9 * episodes.budget
        np.testing.assert_allclose(
            episodes.rewards.sum(axis=1), episodes.quality[:, -1], rtol=0, atol=1e-6
        )
        within = episodes.payments.sum(axis=2) <= episodes.round_budgets * (1 + 1e-12)
        assert within.all()


def test_refused_offers_cost_nothing(synthetic_pack):
    market = new_market(synthetic_pack, sigma=0.0)
    market.begin_round(np.ones(3))
    before = state(market)
    reward = market.offer(np.array([0, 1, 4]))
    assert (reward == 0).all()
    np.testing.assert_array_equal(market.sheet, before["sheet"])
    assert not market.bought.any()
    assert not market.payments.any()
    for _ in range(7):
        market.offer(np.zeros(3, np.int64))
    market.end_round()
    np.testing.assert_array_equal(market.leftover, market.budget)
    np.testing.assert_array_equal(market.highest_refused[:, 0], MARKUPS[[0, 1, 4]])
    np.testing.assert_array_equal(market.lowest_accepted[:, 0], 2.0)


def test_offers_above_the_money_left_are_capped(synthetic_pack):
    market = new_market(synthetic_pack, rho=0.001, sigma=0.0)
    market.begin_round(np.ones(3))
    mask = market.holder_mask()
    assert (mask[:, :2] & ~mask[:, 2:].any(axis=1, keepdims=True)).all()
    market.offer(np.full(3, 10))
    np.testing.assert_array_equal(market.offers[:, 0, 0], market.budget)


def test_mask_marks_actions_with_equal_prices(synthetic_pack):
    market = new_market(synthetic_pack, n=200, rho=0.05, order="random")
    rng = np.random.default_rng(0)
    market.begin_round(rng.random(200))
    mask, rows = market.holder_mask(), np.arange(200)
    base = market.tables.base[0, market.due_holder(rows)]
    for row in rows:
        prices = [min(markup * base[row], market.round_left[row]) for markup in MARKUPS]
        expected = [a == 0 or prices[a] not in prices[:a] for a in range(11)]
        assert mask[row].tolist() == expected


def test_episode_ends_when_the_money_is_gone(synthetic_pack):
    market = new_market(synthetic_pack, rho=0.02, sigma=0.0)
    market.begin_round(np.ones(3))
    for _ in range(8):
        market.offer(np.array([10, 10, 0]))
    market.end_round()
    assert market.leftover[0] == 0
    assert market.running.tolist() == [False, False, True]
    assert market.round_mask().sum(axis=1).tolist() == [1, 1, 11]


def test_a_market_depends_on_its_own_generator_only(synthetic_pack):
    for order in ("index", "random"):
        config = MarketConfig(pack=synthetic_pack, order=order)
        together = play(config, "greedy", "uniform", [7, 8, 9])
        for row, seed in enumerate([7, 8, 9]):
            alone = play(config, "greedy", "uniform", [seed])
            for name in ("quality", "rewards", "payments", "offers", "bought", "expectations"):
                np.testing.assert_array_equal(getattr(together, name)[row], getattr(alone, name)[0])


def test_markets_move_alone(synthetic_pack):
    market, other = new_market(synthetic_pack), new_market(synthetic_pack)
    first = np.array([True, False, False])
    names = ("offers", "bought", "leftover", "round_left", "quality", "highest_refused")
    names += ("stop", "factor", "round_budgets", "lowest_accepted", "accepted")
    before = {name: getattr(market, name).copy() for name in names}
    play_out_one = np.full(3, 0.5)
    market.begin_round(play_out_one, where=first)
    for _ in range(8):
        market.offer(np.full(3, 6), where=first)
    market.end_round(where=first)
    for name, array in before.items():
        np.testing.assert_array_equal(getattr(market, name)[1:], array[1:], err_msg=name)
    assert market.round_index.tolist() == [1, 0, 0]
    market.reset([np.random.default_rng(0)] * 3, first)
    for name in ("leftover", "quality", "bought", "factor", "highest_refused"):
        np.testing.assert_array_equal(getattr(market, name), getattr(other, name), err_msg=name)


def test_pickle_in_the_middle_of_an_episode(synthetic_pack):
    market = new_market(synthetic_pack)
    market.begin_round(np.full(3, 0.5))
    market.offer(np.full(3, 7))
    copy = pickle.loads(pickle.dumps(market))
    assert copy.tables is market.tables
    for one in (market, copy):
        one.offer(np.full(3, 5))
    assert_same(state(market), state(copy))


def test_observations_hide_expectations(synthetic_pack):
    same = [new_market(synthetic_pack, sigma=sigma) for sigma in (0.0, 1.0)]
    shown = [
        new_market(synthetic_pack, sigma=sigma, visible_expectations=True) for sigma in (0.0, 1.0)
    ]
    for hidden, (low, high) in ((True, same), (False, shown)):
        for market in (low, high):
            market.begin_round(np.full(3, 0.5))
            market.offer(np.zeros(3, np.int64))
        assert not np.array_equal(low.expectations, high.expectations)
        for view in ("holder_observation", "joint_observation"):
            left, right = getattr(low, view)(), getattr(high, view)()
            assert np.array_equal(left, right) == hidden
        np.testing.assert_array_equal(low.round_observation(), high.round_observation())


@given(options=options, seed=st.integers(0, 2**32), visible=st.booleans())
@ALLOW_FIXTURE
def test_observations_stay_in_bounds(synthetic_pack, options, seed, visible):
    config = MarketConfig(pack=synthetic_pack, visible_expectations=visible, **options)
    market = Market(config, 3)
    rng = np.random.default_rng(seed)
    market.reset(rng.spawn(3))
    while market.running.any():
        where = market.running
        market.begin_round(rng.random(3), where=where)
        for _ in range(market.tables.holders):
            for observation in (market.holder_observation(), market.joint_observation()):
                assert observation.dtype == np.float32
                assert (np.abs(observation) <= 1).all()
            market.offer(rng.integers(0, 11, 3), where=where)
        market.end_round(where=where)


def test_a_model_asked_once_a_round_gets_the_whole_change(synthetic_pack):
    class OncePerRound:
        marginal = False

        def quality(self, bought):
            return bought.sum(axis=(1, 2)) / 40

    market = Market(MarketConfig(pack=synthetic_pack, sigma=0.0), 1, OncePerRound())
    market.reset([np.random.default_rng(0)])
    market.begin_round(np.ones(1))
    assert sum(market.offer(np.full(1, 6))[0] for _ in range(8)) == 0
    accepted = market.accepted[0]
    assert market.end_round()[0] == market.quality[0] == accepted / 40 > 0


BAD_OFFERS = [
    np.array([0, 1, 11]),
    np.array([-1, 0, 0]),
    np.array([0.0, 1.0, 2.0]),
    np.array([0, 1]),
    np.array([[0, 1, 2]]),
    np.array([True, False, True]),
    np.array([math.nan, 0, 0]),
    "abc",
    None,
]


@pytest.mark.parametrize("action", BAD_OFFERS, ids=repr)
def test_bad_offers_leave_the_state_unchanged(synthetic_pack, action):
    market = new_market(synthetic_pack)
    market.begin_round(np.full(3, 0.5))
    before = state(market)
    with pytest.raises(InvalidAction):
        market.offer(action)
    assert_same(before, state(market))


@pytest.mark.parametrize(
    "share", [[0.1, 0.2, math.nan], [0.1, 0.2, 1.01], [-0.1, 0, 0], [0.5], [0, 1, 1], "x"], ids=repr
)
def test_bad_shares_leave_the_state_unchanged(synthetic_pack, share):
    market = new_market(synthetic_pack)
    before = state(market)
    with pytest.raises(InvalidAction):
        market.begin_round(share)
    assert_same(before, state(market))


@pytest.mark.parametrize("order", ["price", "random"])
def test_unknown_orders_leave_the_state_unchanged(synthetic_pack, order):
    market = new_market(synthetic_pack)
    before = state(market)
    with pytest.raises(OptionError, match=r"unknown order .* known: index, value"):
        market.begin_round(np.full(3, 0.5), order)
    assert_same(before, state(market))


def test_calls_out_of_turn(synthetic_pack):
    market = Market(MarketConfig(pack=synthetic_pack, rounds=1, holders=2), 2)
    zeros = np.zeros(2, np.int64)
    with pytest.raises(ResetNeeded, match="market 0 is not reset"):
        market.begin_round(np.zeros(2))
    with pytest.raises(ValueError, match="2 markets need as many generators, not 1"):
        market.reset([np.random.default_rng(0)])
    market.reset([np.random.default_rng(0)] * 2)
    with pytest.raises(RuntimeError, match="between rounds"):
        market.offer(zeros)
    market.begin_round(np.zeros(2))
    with pytest.raises(RuntimeError, match="0 of 2 holders visited"):
        market.end_round()
    with pytest.raises(RuntimeError, match="in a round"):
        market.begin_round(np.zeros(2))
    market.offer(zeros)
    market.offer(zeros)
    with pytest.raises(RuntimeError, match="2 of 2 holders visited"):
        market.offer(zeros)
    market.end_round()
    before = state(market)
    with pytest.raises(ResetNeeded, match="end of the episode"):
        market.begin_round(np.zeros(2))
    assert_same(before, state(market))


def test_noise(synthetic_pack):
    """Each round in which something is bought ends with noise that its generator foretells."""
    quiet, noisy = new_market(synthetic_pack), new_market(synthetic_pack, noise=True)
    levels, rng = load_pack(synthetic_pack).surrogate.noise, np.random.default_rng(1)
    z = np.array([np.random.default_rng(seed).standard_normal(8 + 5)[8:] for seed in range(3)])
    np.testing.assert_array_equal(quiet.factor, noisy.factor)
    total = np.zeros(3)
    for t in range(5):
        actions = rng.integers(0, 11, (8, 3)) if t != 2 else np.zeros((8, 3), int)
        before = noisy.quality.copy()
        for market in (quiet, noisy):
            market.begin_round(np.full(3, 0.5))
            for offers in actions:
                reward = market.offer(offers)
                total += reward if market is noisy else 0
        assert (quiet.end_round() == 0).all()
        total += noisy.end_round()
        bought = quiet.accepted > 0
        assert bought.all() == (t != 2)
        noise = levels[quiet.bought.sum(axis=(1, 2))] * z[:, t]
        expected = np.where(bought, quiet.quality + noise, before)
        np.testing.assert_array_equal(noisy.quality, expected)
        np.testing.assert_array_equal(noisy.last_change, noisy.quality - before)
    np.testing.assert_allclose(total, noisy.quality, rtol=0, atol=1e-12)


def test_noise_needs_a_model_that_knows_it(synthetic_pack):
    class Exact:
        marginal = False

    with pytest.raises(OptionError, match="noise needs a quality model with an attribute noise"):
        Market(MarketConfig(pack=synthetic_pack, noise=True), 1, Exact())
