"""The oracle against all that can be done in the only round of a market."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_market import make_tiny_pack, tiny_config

from copyright_gym import MarketConfig, generator
from copyright_gym.market import Market
from copyright_gym.observations import MARKUPS, SHARES
from copyright_gym.rollout import play_joint


def best_of_all_actions(config: MarketConfig, seed: int) -> float:
    """Play every share with every offer to each holder."""
    market = Market(config)
    choices = [range(len(SHARES)), *[range(len(MARKUPS))] * market.tables.holders]
    actions = np.array(list(itertools.product(*choices)))
    market = Market(config, len(actions))
    market.reset([np.random.default_rng(seed) for _ in actions])
    market.begin_round(SHARES[actions[:, 0]])
    for _ in range(market.tables.holders):
        due = market.due_holder(np.arange(market.n))
        market.offer(actions[np.arange(market.n), 1 + due])
    market.end_round()
    return float(market.quality.max())


@pytest.mark.parametrize("order", ["index", "value"])
@pytest.mark.parametrize("rho", [0.3, 0.55, 0.7, 0.85])
def test_nothing_is_better_in_one_round(tmp_path: Path, order: str, rho: float) -> None:
    drawn = generator.generate_pack(tmp_path / "drawn", holders=3, rounds=1, seed=2)
    tiny = make_tiny_pack(tmp_path / "tiny")
    for pack in (tiny_config(tiny), MarketConfig(pack=str(drawn))):
        config = replace(pack, rho=rho, order=order, sigma=0.3, visible_expectations=True)
        found = play_joint(config, "oracle", range(4)).quality[:, -1]
        best = [best_of_all_actions(config, seed) for seed in range(4)]
        np.testing.assert_allclose(found, best, rtol=0, atol=1e-9)


def test_the_last_lot_is_paid_with_what_is_left(tmp_path: Path) -> None:
    # The budget is 0.85 * 3 = 2.55. At 1.08, the lowest markup that is accepted, the first lot
    # costs 1.62 and leaves 0.93: less than 0.972, the second's price, but more than it asks, 0.9.
    config = tiny_config(make_tiny_pack(tmp_path / "tiny"), rho=0.85, visible_expectations=True)
    episodes = play_joint(config, "oracle", [0])
    assert episodes.bought[0, 0].tolist() == [True, True, False]
    assert episodes.payments[0, 0] == pytest.approx([1.5 * MARKUPS[6], 2.55 - 1.5 * MARKUPS[6], 0])
    assert episodes.quality[0, -1] == pytest.approx(0.55)
