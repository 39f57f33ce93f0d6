"""Policies that learn from answers, with hidden factors: what they offer next, by hand.

Mostly one holder whose lots cost 1 at base. ln of its hidden factor is normal with the standard
deviation sigma, so after answers it lies between the highest refused and the lowest accepted markup
with known chances. Markups by action: 0, 0.5, 0.58, 0.68, 0.79, 0.93, 1.08, 1.26, 1.47, 1.71, 2.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_market import make_tiny_pack, tiny_config

from copyright_gym import Episodes, MarketConfig, Policy, play, play_joint
from copyright_gym.agents.dual_pacing import DualPacingHolder
from copyright_gym.agents.thompson import ThompsonHolder
from copyright_gym.observations import MARKUPS


def one_holder(folder: Path, rounds: int, rho: float, sigma: float = 0.25) -> MarketConfig:
    pack = make_tiny_pack(folder / "one", rounds=rounds)
    return tiny_config(pack, holders=1, rho=rho, sigma=sigma)


def play_against(
    config: MarketConfig, policy: str | Policy, factors: Sequence[float], level: str = "holder"
) -> Episodes:
    """Play against holders with given hidden factors."""
    normals = np.log(factors)[:, None] / config.sigma
    if level == "joint":
        return play_joint(config, policy, range(len(factors)), normals=normals)
    return play(config, "all", policy, range(len(factors)), normals=normals)


def actions(episodes: Episodes) -> list[list[int]]:
    """Return the actions behind the only holder's offers, one list per episode."""
    nearest = np.abs(episodes.offers[:, :, :1] - MARKUPS)
    assert nearest.min(axis=2).max() < 1e-6, "an offer was capped"
    found: list[list[int]] = nearest.argmin(axis=2).tolist()
    return found


def below(markup: float, sigma: float = 0.25) -> float:
    """Return how probably a hidden factor is at most a markup."""
    return NormalDist(sigma=sigma).cdf(math.log(markup)) if markup > 0 else 0.0


class Draws:
    """A generator that always draws the same."""

    def __init__(self, draw: float) -> None:
        self.draw = draw

    def random(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        return np.full(shape, self.draw)


class FixedThompson(ThompsonHolder):
    """Thompson sampling that always draws the same part of the posterior."""

    def __init__(self, config: MarketConfig, draw: float) -> None:
        super().__init__(config)
        self.draw = draw

    def reset(self, n: int, rng: np.random.Generator) -> None:
        super().reset(n, Draws(self.draw))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("draw", "factor", "expected"),
    [
        # The median is 1, so 1.08 is offered. If it is accepted, the middle of the 0.62 below it is
        # 0.88, so 0.93 follows; if that is accepted as well, 0.80 and so 0.93 again.
        (0.5, 0.85, [6, 5, 5]),
        # 0.93 is refused: the middle between 0.93 (0.38) and 1.08 (0.62) is 1.
        (0.5, 1.0, [6, 5, 6]),
        # 1.08 is refused: the middle of the 0.38 above it is 1.25, so 1.26. Accepted: 1.16.
        (0.5, 1.2, [6, 7, 7]),
        # 1.26 is refused: the middle of the 0.18 above it is 1.40, so 1.47.
        (0.5, 1.4, [6, 7, 8]),
        # A tenth: 0.73, so 0.79, refused. Then a tenth of what is above 0.79 (0.18): 0.84, so 0.93,
        # refused. Then a tenth of what is above 0.93 (0.38): 0.96, so 1.08.
        (0.1, 1.0, [4, 5, 6]),
    ],
)
def test_thompson_draws_from_what_the_answers_leave(
    tmp_path: Path, draw: float, factor: float, expected: list[int]
) -> None:
    config = one_holder(tmp_path, rounds=3, rho=2.0)  # money for any offer
    assert actions(play_against(config, FixedThompson(config, draw), [factor])) == [expected]


def best_action(
    worth: float, lots: int, low: float, high: float, sigma: float
) -> tuple[float, int]:
    """Return the value and the action of the best offers for some lots, trying all of them."""
    if lots == 0:
        return 0.0, 0
    best = best_action(worth, lots - 1, low, high, sigma)[0], 0
    mass = below(high, sigma) - below(low, sigma)
    for action, markup in enumerate(MARKUPS.tolist()):
        if low < markup <= high:
            chance = (below(markup, sigma) - below(low, sigma)) / mass
            value = chance * (worth - markup + best_action(worth, lots - 1, low, markup, sigma)[0])
            if markup < high:
                value += (1 - chance) * best_action(worth, lots - 1, markup, high, sigma)[0]
            best = max(best, (value, action))
    return best


@pytest.mark.parametrize(
    ("rounds", "sigma", "factors"),
    [(2, 0.25, [1.0, 1.35]), (3, 0.4, [0.85, 1.2, 1.35])],
)
def test_model_adaptive_offers_the_best_of_all_plans(
    tmp_path: Path, rounds: int, sigma: float, factors: list[float]
) -> None:
    # Money for all, so all lots ahead are planned, at the lowest markup that is accepted with a
    # chance of 0.75. No lot is outside the plan, so money is worth half of what a planned lot gives
    # per unit, and a lot is worth twice its planned markup.
    config = one_holder(tmp_path, rounds, rho=2.0, sigma=sigma)
    found = actions(play_against(config, "model-adaptive", factors))
    for factor, offered in zip(factors, found, strict=True):
        low, high = 0.0, math.inf
        for t, action in enumerate(offered):
            mass = below(high, sigma) - below(low, sigma)
            planned = next(
                markup
                for markup in MARKUPS[1:].tolist()
                if below(min(markup, high), sigma) - below(low, sigma) >= 0.75 * mass
            )
            assert action == best_action(2 * planned, rounds - t, low, high, sigma)[1]
            markup = MARKUPS[action]
            low, high = (low, min(high, markup)) if markup >= factor else (markup, high)
    # After a refusal it offers more, and at the wide spread after an acceptance less.
    assert found[-1][1] > found[-1][0]
    assert (found[0][1] < found[0][0]) == (sigma == 0.4)


def best_profit(worth: float, low: float, high: float) -> int:
    """Return the action of highest expected profit, if money is worth 1 per base price."""
    mass = below(high) - below(low)
    profits = [
        (worth - markup) * (below(min(max(markup, low), high)) - below(low)) / mass
        for markup in MARKUPS.tolist()
    ]
    return int(np.argmax(profits))


@pytest.mark.parametrize("rate", [0.5, 0.0])
def test_dual_pacing_makes_money_cheaper_after_saving(tmp_path: Path, rate: float) -> None:
    # One lot adds 0.3, the second one 0.6 * (2 / 3 - 1 / 2) = 0.1 more. Money for 1.8 plans the
    # second round's lot only, so money is worth 0.3 and the first lot, 0.1 more, nothing.
    # Nothing is spent of the even share, so money is worth 0.3 exp(-rate) in the second round.
    config = one_holder(tmp_path, rounds=2, rho=0.9)
    found = actions(play_against(config, DualPacingHolder(config, rate=rate), [1.0]))
    expected = best_profit(math.exp(rate), 0.0, math.inf)
    assert found == [[0, expected]]
    assert expected == {0.5: 6, 0.0: 4}[rate]


@pytest.mark.parametrize(("factor", "rate"), [(1.0, 0.5), (1.0, 1.5), (0.75, 0.5), (0.75, 1.5)])
def test_dual_pacing_counts_what_was_spent(tmp_path: Path, factor: float, rate: float) -> None:
    # Money for 3 plans both lots, each of which adds 0.1 to the other: money is worth 0.1, and the
    # first offer is 0.79, since the profit (1 - m) F(m) is highest there.
    config = one_holder(tmp_path, rounds=2, rho=1.5)
    found = actions(play_against(config, DualPacingHolder(config, rate=rate), [factor]))
    offer = float(MARKUPS[4])
    assert best_profit(1.0, 0.0, math.inf) == 4
    if factor > offer:  # refused: the second lot adds 0.3 now, and nothing is spent
        expected = best_profit(3 * math.exp(rate), offer, math.inf)
    else:  # 0.79 of 1.5 is spent
        expected = best_profit(math.exp(rate * (1 - offer / 1.5)), 0.0, offer)
    assert found == [[4, expected]]


def even_spending(money: float, low: float, high: float) -> float:
    """Return the markup with an expected payment of `money`, by bisection."""
    left, right = max(low, 0.3), min(high, 2.0)
    for _ in range(60):
        middle = (left + right) / 2
        spent = middle * (below(middle) - below(low)) / (below(high) - below(low))
        left, right = (middle, right) if spent < money else (left, middle)
    return left


def test_joint_gradient_moves_its_offers_with_the_answers(tmp_path: Path) -> None:
    # Three rounds, and money that pays for 1.23 in each as often as it is accepted. All rounds are
    # alike, so the best plan is the same markup in all, at which the money is spent on average.
    money = 3 * 1.23 * below(1.23)
    first = float(MARKUPS[7])  # 1.26, the nearest
    config = one_holder(tmp_path, rounds=3, rho=money / 3)
    accepted_then_refused, refused_twice = (
        actions(play_against(config, "gradient", [factor], level="joint"))[0]
        for factor in (1.17, 1.85)
    )
    # Accepted: what is left for two rounds pays for 1.09 in each, and 1.08 is nearest.
    after_yes = even_spending((money - first) / 2, 0.0, first)
    # Refused: all the money is there for two rounds, which pays for 1.66 in each, as no offer up to
    # 1.26 is accepted any more. 1.71 is nearest; without what the refusal tells it would be 1.47.
    after_no = even_spending(money / 2, first, math.inf)
    forgetful = even_spending(money / 2, 0.0, math.inf)
    assert (after_yes, after_no, forgetful) == pytest.approx((1.09, 1.66, 1.54), abs=0.01)
    # 1.26 is accepted and 1.08 refused: 1.26 is sure. 1.71 is refused: the highest markup.
    assert accepted_then_refused == [7, 6, 7]
    assert refused_twice == [7, 9, 10]
