"""CMA-ES on the market that can be solved by hand; equal seeds give equal bits."""

from pathlib import Path

import numpy as np
import pytest
from tiny_market import make_tiny_pack, tiny_config

from copyright_gym import MarketConfig, play
from copyright_gym.agents.evolution import LinearHolder, evolve, load_linear
from copyright_gym.errors import OptionError, PolicyError
from copyright_gym.observations import HOLDER_FEATURES


def untrained(holders: int = 3) -> LinearHolder:
    """The policy that a search starts from: it offers 1.08 times the base expectation."""
    return LinearHolder(np.append(np.zeros(len(HOLDER_FEATURES)), np.full(holders, 6.0)))


@pytest.mark.parametrize("seed", range(4))
def test_the_search_passes_over_a_bad_first_lot(tmp_path: Path, seed: int) -> None:
    # Lots for 1.5, 0.9 and 0.6 add 0.10, 0.25 and 0.30, and there is 2.4 to spend. At first it
    # buys the first one for 1.62; 0.78 is too little for the second one, and 0.65 buys the third:
    # 0.40. Best is to leave the first one out: 0.55.
    pack = make_tiny_pack(tmp_path / "tiny", worth=np.array([0.10, 0.25, 0.30]))
    config = tiny_config(pack, rho=0.8)
    before, after = (
        play(config, "all", policy, [0])
        for policy in (untrained(), evolve(config, seed=seed, steps=15_000))
    )
    assert before.bought[0, 0].tolist() == [True, False, True]
    assert before.quality[0, -1] == pytest.approx(0.40)
    assert after.bought[0, 0].tolist() == [False, True, True]
    assert after.quality[0, -1] == pytest.approx(0.55)


@pytest.mark.parametrize("seed", range(3))
def test_the_search_offers_more_where_money_is_plenty(tmp_path: Path, seed: int) -> None:
    # Money for any offers. At a hidden factor of exp(0.25 * 2) = 1.65 only 1.71 and 2 are accepted.
    config = tiny_config(make_tiny_pack(tmp_path / "tiny"), rho=3.0, sigma=0.25)
    before, after = (
        play(config, "all", policy, [0], normals=np.full((1, 3), 2.0))
        for policy in (untrained(), evolve(config, seed=seed, steps=5000))
    )
    assert not before.bought.any()
    assert after.bought.all()


def test_same_seed_same_bits(synthetic_pack: str) -> None:
    config = MarketConfig(pack=synthetic_pack, rho=0.8)
    first, second = (evolve(config, seed=1, steps=40_000).weights for _ in range(2))
    np.testing.assert_array_equal(first, second)
    with pytest.raises(OptionError, match="one generation"):
        evolve(config, seed=0, steps=10)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "holder.json"
    path.write_text(LinearHolder(np.arange(21.0), {"sigma": 1.5}).text())
    assert load_linear(path).weights.tolist() == list(range(21))
    assert load_linear(path).settings == {"sigma": 1.5}
    path.write_text('{"weights": [0, 1]}')  # as earlier versions wrote it
    assert load_linear(path).settings == {}
    path.write_text("{}")
    with pytest.raises(PolicyError, match="no file of a linear policy"):
        load_linear(path)
