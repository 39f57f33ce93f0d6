"""Pairs of heuristics on a market that can be played by hand.

Three rounds and three holders a, b and c. Each round's lots cost 0.8, 0.95 and 1.25 at base, which
holders accept exactly. Contributions per cost are 0.75, 0.95 and 1.2, so c, b, a is the order by
value. There is money for 8.1. Markups by action: 0, 0.5, 0.58, 0.68, 0.79, 0.93, 1.08, 1.26, 1.47,
1.71, 2.
"""

import numpy as np
import pytest
from tiny_market import make_tiny_pack, tiny_config

from copyright_gym import MarketConfig, play, play_joint
from copyright_gym.observations import MARKUPS, SHARES
from copyright_gym.rollout import encode_joint, joint_actions

BASE = {"a": 0.8, "b": 0.95, "c": 1.25}
BUDGET = 8.1


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> MarketConfig:
    folder = tmp_path_factory.mktemp("pairs") / "pack"
    pack = make_tiny_pack(folder, rounds=3, contribution=np.array([0.6, 0.9, 1.5]))
    return tiny_config(pack, alpha=0.5, beta=0.5, rho=0.9)


def price(holder: str, action: int) -> float:
    return float(BASE[holder] * MARKUPS[action])


A6, A7, A8, A9, A10 = (price("a", action) for action in range(6, 11))
B6, B7, B8, B9, B10 = (price("b", action) for action in range(6, 11))
C6, C7, C8, C9, C10 = (price("c", action) for action in range(6, 11))


@pytest.mark.parametrize(
    ("pair", "shares", "paid"),
    [
        (
            "uniform+uniform",
            [0.3, 0.5, 1.0],  # 1 / 3 and 1 / 2 on the grid, then everything
            [
                # Of 2.43: 0.81 is 1.01 of 0.8, so 0.93, refused. 1.215 is 1.28 of 0.95, so 1.26.
                # The 1.23 left is 0.99 of 1.25, so 0.93, refused.
                [0, B7, 0],
                # Of 3.45: 1.15 is 1.44 of 0.8, so 1.26. Then 1.22 is 1.29 of 0.95, so 1.26. The
                # 1.25 left is 0.997 of 1.25, so 0.93, refused.
                [A7, B7, 0],
                # Of 4.70: 1.57 is 1.96 of 0.8, 1.66 is 1.75 of 0.95, 1.70 is 1.36 of 1.25.
                [A9, B9, C7],
            ],
        ),
        (
            "greedy+uniform",
            [0.9, 0.9, 1.0],
            [
                [A10, B10, C10],  # a third of 7.29 is more than 2 times 0.8, and so on
                # Of 1.89: 0.63 is 0.79 of 0.8, 0.945 is 0.99 of 0.95, both refused; 1.89 is 1.51
                # of 1.25.
                [0, 0, C8],
                [0, 0, 0],  # of 0.26
            ],
        ),
        (
            "uniform+greedy",  # c, b, a for 1.57, 1.20 and 1.01
            [0.3, 0.5, 1.0],
            [
                # Of 2.43 c leaves 0.86. That is too little for b, but a accepts it.
                [0.3 * BUDGET - C7, 0, C7],
                # Of 2.84 c and b leave 0.06, which a refuses.
                [0, B7, C7],
                # Of 2.90 c and b leave 0.13, which a refuses.
                [0, B7, C7],
            ],
        ),
        (
            "greedy+greedy",
            [0.9, 0.9, 1.0],
            [
                [A7, B7, C7],  # 3.78 of 7.29
                [A7, B7, C7],  # and of 3.89
                [0, 0, 0],  # the 0.54 left are refused by all
            ],
        ),
        (
            "all+greedy",
            [1.0, 1.0, 1.0],
            [[A7, B7, C7], [A7, B7, C7], [0, 0, 0]],  # the 0.54 left are refused by all
        ),
        (
            "all+uniform",
            [1.0, 1.0, 1.0],
            [
                [A10, B10, C10],  # a third of 8.1 is more than 2 times 0.8, and so on
                # Of 2.1: 0.7 is 0.88 of 0.8, 1.05 is 1.11 of 0.95, 1.07 is 0.86 of 1.25.
                [0, B6, 0],
                [0, 0, 0],  # 1.07 is 0.86 of 1.25, and shares of it are even less of the others
            ],
        ),
    ],
)
def test_pairs_by_hand(
    market: MarketConfig, pair: str, shares: list[float], paid: list[list[float]]
) -> None:
    round_policy, holder_policy = pair.split("+")
    episodes = play(market, round_policy, holder_policy, [0])
    assert episodes.budget == pytest.approx(BUDGET)
    np.testing.assert_allclose(episodes.payments[0], paid, rtol=1e-9, atol=0)
    assert episodes.bought[0].tolist() == (np.array(paid) > 0).tolist()
    left = BUDGET - np.append(0.0, np.cumsum(np.sum(paid, axis=1))[:-1])
    np.testing.assert_allclose(episodes.round_budgets[0], left * shares, rtol=1e-9)


# One lot, accepted from 1 on, and money for 2, of which the round level sets aside 0, 0.2, ... 2.
# An offer above that money is capped, so only the lowest such is legal. By money: the number of
# legal actions, and the prices of those that are accepted.
ACCEPTED = {
    1.0: (7, [1.0]),
    1.2: (8, [*MARKUPS[6:7], 1.2]),
    1.4: (9, [*MARKUPS[6:8], 1.4]),
    1.6: (10, [*MARKUPS[6:9], 1.6]),
    1.8: (11, [*MARKUPS[6:10], 1.8]),
    2.0: (11, [*MARKUPS[6:11]]),
}


@pytest.fixture(scope="module")
def one_lot(tmp_path_factory: pytest.TempPathFactory) -> MarketConfig:
    pack = make_tiny_pack(tmp_path_factory.mktemp("one") / "pack")
    return tiny_config(pack, holders=1, rho=2.0)


def test_random_pairs_accept_as_often_as_counted(one_lot: MarketConfig) -> None:
    episodes = play(one_lot, "random", "random", range(10_000))
    budgets, paid = episodes.round_budgets[:, 0], episodes.payments[:, 0, 0]
    counts = np.bincount(np.rint(5 * budgets).astype(int), minlength=11)
    np.testing.assert_allclose(counts / len(budgets), 1 / 11, atol=0.01)
    for money, (legal, prices) in ACCEPTED.items():
        met = paid[np.isclose(budgets, money)]
        assert {round(price, 6) for price in met} == {0.0, *np.round(prices, 6)}
        for accepted in prices:
            assert np.isclose(met, accepted).mean() == pytest.approx(1 / legal, abs=0.04)
    assert not paid[budgets < 0.9].any()


@pytest.mark.parametrize("round_policy", ["uniform", "greedy"])
def test_random_offers_for_all_the_money(one_lot: MarketConfig, round_policy: str) -> None:
    # Both round levels set everything aside in the only round.
    paid = play(one_lot, round_policy, "random", range(5_000)).payments[:, 0, 0]
    _, prices = ACCEPTED[2.0]
    assert {round(price, 6) for price in paid} == {0.0, *np.round(prices, 6)}
    for price in prices:
        assert np.isclose(paid, price).mean() == pytest.approx(1 / 11, abs=0.02)


@pytest.mark.parametrize(
    ("holder_policy", "prices"),
    [
        # The highest markup that the money pays for: 0.93 of 1 is refused.
        ("uniform", [0, *MARKUPS[6:9], MARKUPS[9], 2.0]),
        # 1.26 times the price, or what there is.
        ("greedy", [1.0, 1.2, *[MARKUPS[7]] * 4]),
    ],
)
def test_offers_under_random_rounds(
    one_lot: MarketConfig, holder_policy: str, prices: list[float]
) -> None:
    episodes = play(one_lot, "random", holder_policy, range(200))
    found = np.rint(5 * episodes.round_budgets[:, 0]).astype(int)
    assert set(found) == set(range(11))
    expected = np.array([0.0] * 5 + prices)[found]
    np.testing.assert_allclose(episodes.payments[:, 0, 0], expected, rtol=1e-9)


def test_random_joint_actions_accept_as_often_as_counted(one_lot: MarketConfig) -> None:
    # Both ends of the shares are met half as often as the others. Each offer is met equally often,
    # and one above the money is lowered to what there is.
    paid = play_joint(one_lot, "random", range(20_000)).payments[:, 0, 0]
    shares = np.full(11, 0.1)
    shares[[0, 10]] /= 2
    expected: dict[float, float] = {}
    for money, chance in zip(0.2 * np.arange(11), shares, strict=True):
        for markup in MARKUPS:
            price = min(markup, money) if markup > 1 and money > 0.99 else 0.0
            price = round(price, 6)
            expected[price] = expected.get(price, 0.0) + chance / 11
    assert {round(price, 6) for price in paid} == set(expected)
    for price, chance in expected.items():
        assert np.isclose(paid, price, atol=1e-6).mean() == pytest.approx(chance, abs=0.01)


def test_joint_actions_are_decoded_as_encoded() -> None:
    shares, offers = (each.ravel() for each in np.indices((11, 11)))
    found = joint_actions(encode_joint(shares, np.column_stack([offers, offers[::-1]])), 2)
    np.testing.assert_array_equal(found[0], SHARES[shares])
    np.testing.assert_array_equal(found[1], np.column_stack([offers, offers[::-1]]))
