"""Misreporting: what must hold for posted prices, and by hand."""

import numpy as np
import pytest

from copyright_gym import MarketConfig, play
from copyright_gym.benchmarks.misreporting import misreporting_gain, utilities
from copyright_gym.errors import OptionError


def test_honest_utility_agrees_with_play(synthetic_pack: str) -> None:
    config = MarketConfig(pack=synthetic_pack)
    episodes = play(config, "uniform", "greedy", range(20))
    gains = (episodes.payments - np.where(episodes.bought, episodes.expectations, 0)).sum(axis=1)
    for holder in (0, 7):
        found = utilities(config, "uniform+greedy", range(20), holder, 1.0)
        np.testing.assert_allclose(found, gains[:, holder], atol=1e-12)


def test_one_posted_price_is_truthful_and_learning_is_not(synthetic_pack: str) -> None:
    # One round and money for all: offers depend on no answer.
    once = MarketConfig(pack=synthetic_pack, rounds=1, rho=3.0)
    assert misreporting_gain(once, "all+greedy", range(30)).max() == 0
    often = MarketConfig(pack=synthetic_pack, rho=3.0)
    # Bisection pays more to those who refuse at first.
    assert misreporting_gain(often, "all+adaptive", range(30)).min() > 0


def test_joint_policies_and_bad_input(synthetic_pack: str) -> None:
    config = MarketConfig(pack=synthetic_pack, holders=2, rounds=2)
    assert misreporting_gain(config, "random", range(10)).shape == (2,)
    with pytest.raises(OptionError, match="sigma must be above 0"):
        utilities(MarketConfig(pack=synthetic_pack, sigma=0.0), "all+greedy", [0], 0, 1.1)
