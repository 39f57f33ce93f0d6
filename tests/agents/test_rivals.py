"""Every rival on a market that can be solved by hand.

Three holders, one round, budget 1.65. The lots cost 1.5, 0.9 and 0.6 and add 0.30, 0.25 and 0.10.
The lowest markup that is accepted is 1.08; there the last two lots fit (1.62) and so does the first
alone (1.62), so the best quality is 0.35.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_market import CONTRIBUTION, WORTH, make_tiny_pack, tiny_config

from copyright_gym import MarketConfig, make_policy, play, play_joint
from copyright_gym.agents.knapsack import KnapsackHolder
from copyright_gym.agents.round_games import leave_one_out, shapley_values
from copyright_gym.agents.singer import proportional_share
from copyright_gym.errors import OptionError, PolicyError
from copyright_gym.observations import MARKUPS

PACED = ("knapsack", "model-adaptive", "thompson", "dual-pacing")
IN_ROUNDS = ("adaptive", "copyright", "leave-one-out", "shapley", "singer", "trak")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> MarketConfig:
    return tiny_config(make_tiny_pack(tmp_path_factory.mktemp("tiny") / "tiny"))


def offers(config: MarketConfig, name: str) -> np.ndarray:
    """Offers of a holder policy in the only round, as markups."""
    return play(config, "all", name, [0]).offers[0, 0] / CONTRIBUTION


@pytest.mark.parametrize("name", ["model-adaptive", "thompson", "knapsack"])
def test_planners_buy_the_best(tiny: MarketConfig, name: str) -> None:
    policy = KnapsackHolder(tiny, markup=1.0) if name == "knapsack" else name
    episodes = play(tiny, "all", policy, [0])
    assert episodes.bought[0, 0].tolist() == [False, True, True]
    assert episodes.quality[0, -1] == pytest.approx(0.35)


@pytest.mark.parametrize(
    ("rho", "bought"),
    [
        # At 1.47 the lots cost 2.2, 1.32 and 0.88. The plan starts from all, and gives up what adds
        # least per cost: the third, then the first. 1.65 pays for the second alone,
        (0.55, [False, True, False]),
        # and 2.25 for the third as well,
        (0.75, [False, True, True]),
        # and 3.6 for the first and the second.
        (1.2, [True, True, False]),
    ],
)
def test_the_knapsack_at_its_own_markup(tiny: MarketConfig, rho: float, bought: list[bool]) -> None:
    episodes = play(replace(tiny, rho=rho), "all", "knapsack", [0])
    expected = np.where(bought, MARKUPS[8] * CONTRIBUTION, 0.0)
    np.testing.assert_allclose(episodes.offers[0, 0], expected, rtol=1e-9)
    assert episodes.bought[0, 0].tolist() == bought


def test_dual_pacing_by_hand(tiny: MarketConfig) -> None:
    # At base prices the plan is b and c, so money is worth 0.1 / 0.6 per unit. The first holder
    # gains 0.30 - 1.62 / 6 > 0 and is paid; 0.03 is left for the others, which is refused.
    assert offers(tiny, "dual-pacing") == pytest.approx(
        [MARKUPS[6], (1.65 - 1.5 * MARKUPS[6]) / 0.9, 0]
    )


def test_oracle_buys_the_best(tiny: MarketConfig) -> None:
    episodes = play_joint(replace(tiny, visible_expectations=True), "oracle", [0])
    assert episodes.bought[0, 0].tolist() == [False, True, True]
    assert episodes.payments[0, 0] == pytest.approx(MARKUPS[6] * np.array([0, 0.9, 0.6]))
    with pytest.raises(OptionError, match="visible_expectations=True"):
        play_joint(tiny, "oracle", [0])


def test_gradient_finds_the_best_with_money_for_all(tiny: MarketConfig) -> None:
    rich = replace(tiny, rho=1.3)
    assert play_joint(rich, "gradient", [0]).quality[0, -1] == pytest.approx(WORTH.sum())
    poor = play_joint(replace(tiny, rho=0.2), "gradient", [0])  # 0.6: not even the third
    assert poor.quality[0, -1] == 0


def test_proportional_offers_by_hand(tiny: MarketConfig) -> None:
    # 1.65 / 3 = 0.55 is refused; 1.65 / 1.5 = 1.1 is accepted as 1.08; then (1.65 - 0.97) / 0.6.
    assert offers(tiny, "trak") == pytest.approx([0.5, MARKUPS[6], MARKUPS[6]])
    # Equal losses: a third, then a half of what is left, then all of it.
    paid = 0.0
    expected = []
    for i, c in enumerate(CONTRIBUTION):
        markup = snap((1.65 - paid) / (3 - i) / c)
        expected.append(markup)
        paid += markup * c if markup >= 1 else 0.0
    assert offers(tiny, "copyright") == pytest.approx(expected)


def snap(markup: float) -> float:
    return float(MARKUPS[markup * (1 + 1e-9) >= MARKUPS][-1])


def test_scores_of_an_additive_game_are_its_worths(tiny: MarketConfig) -> None:
    assert shapley_values(tiny)[0] == pytest.approx(WORTH)
    assert leave_one_out(tiny)[0] == pytest.approx(WORTH)
    expected, paid = [], 0.0
    for i, c in enumerate(CONTRIBUTION):
        markup = snap((1.65 - paid) * WORTH[i] / WORTH[i:].sum() / c)
        expected.append(markup)
        paid += markup * c if markup >= 1 else 0.0
    assert offers(tiny, "shapley") == pytest.approx(expected)
    assert offers(tiny, "leave-one-out") == pytest.approx(expected)


def test_singers_payments_by_hand() -> None:
    # By value per cost: b (1/1), a (2/3), c (1/4). Money 6. Shares: b 6 >= 1; a 6*2/3 = 4 >= 3;
    # c 6*1/4 = 1.5 < 4: no. Rate: min(6 / 3, 4 / 1) = 2.
    pay = proportional_share(
        np.array([[2.0, 1.0, 1.0]]), np.array([[3.0, 1.0, 4.0]]), np.array([6.0])
    )
    assert pay.tolist() == [[4.0, 2.0, 0.0]]
    assert proportional_share(np.zeros((1, 2)), np.ones((1, 2)), np.ones(1)).tolist() == [[0, 0]]


def test_singer_offers_its_payments(tiny: MarketConfig) -> None:
    # Order b, a, c by value per cost. b: 0.9 <= 1.65; a: 1.5 > 1.65 * 0.30 / 0.55 = 0.9. So b
    # alone wins, and is paid min(1.65, 0.25 * 1.5 / 0.30 = 1.25), a markup of 1.39.
    assert offers(tiny, "singer") == pytest.approx([0.0, snap(1.25 / 0.9), 0.0])


def test_adaptive_halves_what_is_possible(tmp_path: Path) -> None:
    config = tiny_config(make_tiny_pack(tmp_path / "long", rounds=5), sigma=0.25, rho=2.0)
    episodes = play(config, "all", "adaptive", range(50))
    grid = np.rint(9 / np.log(4) * np.log(episodes.offers / CONTRIBUTION / 0.5)).astype(int) + 1
    factor = episodes.expectations / CONTRIBUTION
    assert (grid[:, 0] == 6).all()
    # Bisection on the ten markups is through after four questions.
    needed = np.searchsorted(MARKUPS, factor[:, 4])
    inside = (needed > 2) & (needed <= 10)
    assert inside.mean() > 0.9
    assert (grid[:, 4] == needed)[inside].all()


@pytest.mark.parametrize("name", PACED)
def test_paced_rivals_keep_the_budget_and_repeat(name: str, synthetic_pack: str) -> None:
    config = MarketConfig(pack=synthetic_pack, holders=4, rounds=3)
    first, second = (play(config, "all", name, range(12)) for _ in range(2))
    np.testing.assert_array_equal(first.offers, second.offers)
    assert (first.payments.sum(axis=(1, 2)) <= first.budget * (1 + 1e-9)).all()
    assert first.bought.any(axis=(1, 2)).all()


@pytest.mark.parametrize("name", IN_ROUNDS)
def test_other_rivals_play_in_any_order(name: str, synthetic_pack: str) -> None:
    config = MarketConfig(pack=synthetic_pack, order="random")
    episodes = play(config, "uniform", name, range(12))
    assert episodes.bought.any()
    assert (episodes.payments.sum(axis=(1, 2)) <= episodes.budget * (1 + 1e-9)).all()


def test_knowledge_pays(synthetic_pack: str) -> None:
    config = MarketConfig(pack=synthetic_pack)
    adaptive, fixed, even = (
        play(config, "all", name, range(12)).quality[:, -1].mean()
        for name in ("model-adaptive", "knapsack", "uniform")
    )
    assert adaptive > fixed > even


def test_knowing_policies_must_be_told_the_market() -> None:
    with pytest.raises(PolicyError, match="'trak' must know the market: give its MarketConfig"):
        make_policy("trak", "holder")


def test_joint_gradient_beats_even_offers(synthetic_pack: str) -> None:
    config = MarketConfig(pack=synthetic_pack)
    episodes = play_joint(config, "gradient", range(12))
    even = play(config, "uniform", "uniform", range(12))
    assert episodes.quality[:, -1].mean() > even.quality[:, -1].mean()
