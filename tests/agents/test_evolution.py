"""CMA-ES on the market that can be solved by hand; equal seeds give equal bits."""

from pathlib import Path

import numpy as np
import pytest
from tiny_market import make_tiny_pack, tiny_config

from copyright_gym import MarketConfig, play
from copyright_gym.agents.evolution import LinearHolder, evolve, load_linear
from copyright_gym.errors import OptionError, PolicyError


def test_search_on_the_tiny_market(tmp_path: Path) -> None:
    # At first it buys the first lot, 0.30. Buying the other two, 0.35, needs three changes at
    # once, so a search may end at either.
    config = tiny_config(make_tiny_pack(tmp_path / "tiny"), rho=0.65)
    found = [
        float(play(config, "all", evolve(config, seed=s, steps=40_000), [0]).quality[0, -1])
        for s in range(4)
    ]
    assert max(found) == pytest.approx(0.35)
    assert min(found) == pytest.approx(0.30)


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
