"""The search against brute force over all histories of small markets."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from synthetic import make_synthetic_pack
from tiny_market import make_tiny_pack, tiny_config

from copyright_gym import MarketConfig, generator
from copyright_gym.agents import oracle_search
from copyright_gym.agents.lot_values import LotValues
from copyright_gym.agents.oracle_search import OracleSearch


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A pack with falling returns and one like the portrait pack, whose quality can fall."""
    folder = tmp_path_factory.mktemp("packs")
    return [
        str(make_synthetic_pack(folder / "synthetic")),
        str(generator.generate_pack(folder / "generated", holders=3, rounds=2, seed=3)),
    ]


def brute_force(config: MarketConfig, cost: np.ndarray, money: np.ndarray) -> np.ndarray:
    values = LotValues(config)
    rounds, holders = values.tables.base.shape
    sets = np.array(list(itertools.product((False, True), repeat=rounds * holders)))
    quality = values.tables.pack.surrogate.quality(sets.reshape(-1, rounds, holders))
    paid = np.where(sets, cost[:, None], 0).sum(axis=2)
    return np.where(paid <= money[:, None] * (1 + 1e-9), quality, -np.inf).max(axis=1)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("rho", [0.2, 0.5, 0.8])
def test_best_and_bound_against_brute_force(packs: list[str], which: int, rho: float) -> None:
    config = MarketConfig(pack=packs[which], holders=3, rounds=2, rho=rho)
    search = OracleSearch(config)
    rng = np.random.default_rng(0)
    cost = search.values.base * np.exp(0.4 * rng.standard_normal((60, 6)))
    cost[rng.random(cost.shape) < 0.1] = np.inf
    money = np.full(60, search.values.tables.budget)
    best = search.best_purchases(cost, money)
    assert (np.where(best, cost, 0).sum(axis=1) <= money * (1 + 1e-8)).all()
    found = search.values.tables.pack.surrogate.quality(best.reshape(-1, 2, 3))
    exact = brute_force(config, cost, money)
    np.testing.assert_allclose(found, exact, atol=1e-9)
    assert (search.quality_bound(cost, money) >= exact - 1e-9).all()


def test_histories_keep_what_is_bought(packs: list[str]) -> None:
    config = MarketConfig(pack=packs[1], holders=3, rounds=2)
    search = OracleSearch(config)
    rng = np.random.default_rng(1)
    bought = rng.random((30, 6)) < 0.3
    cost = search.values.base * np.ones((30, 1))
    best = search.best_purchases(cost, np.full(30, 1.5), bought)
    assert (best >= bought).all()
    assert (np.where(best & ~bought, cost, 0).sum(axis=1) <= 1.5 + 1e-9).all()


def test_bound_meets_the_best_where_times_do_not_matter(tmp_path: Path) -> None:
    config = tiny_config(make_tiny_pack(tmp_path / "tiny", rounds=2), rho=0.6)
    search = OracleSearch(config)
    cost = search.values.base * np.exp(np.random.default_rng(0).normal(0, 0.3, (40, 6)))
    money = np.full(40, search.values.tables.budget)
    quality = search.values.quality(search.values.hidden(search.best_purchases(cost, money)))
    np.testing.assert_allclose(search.quality_bound(cost, money), quality, atol=1e-9)


def test_no_bound_where_there_is_too_much_to_list(
    packs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oracle_search, "LARGEST", 10)
    search = OracleSearch(MarketConfig(pack=packs[0], holders=3, rounds=2))
    cost, money = search.values.base[None], np.array([3.0])
    assert np.isnan(search.quality_bound(cost, money)).all()
    assert search.best_purchases(cost, money).any()


def test_values_agree_with_the_surrogate(packs: list[str]) -> None:
    for pack, last in itertools.product(packs, (0, 1)):
        values = LotValues(MarketConfig(pack=pack, holders=3, rounds=2), last)
        bought = np.random.default_rng(0).random((20, 6)) < 0.5
        bought[:, 3 * last] = True
        bought[:, 3 * (last + 1) :] = False
        quality = values.tables.pack.surrogate.quality(bought.reshape(-1, 2, 3))
        np.testing.assert_allclose(values.quality(values.hidden(bought)), quality, atol=1e-12)
        gains = values.gains(bought)
        for lot in range(3 * (last + 1)):
            changed = bought.copy()
            changed[:, lot] ^= True
            other = values.quality(values.hidden(changed))
            sign = np.where(bought[:, lot], 1, -1)
            np.testing.assert_allclose(gains[:, lot], sign * (quality - other), atol=1e-12)
