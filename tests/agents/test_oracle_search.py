"""The search against brute force over all histories of small markets."""

import itertools

import numpy as np
import pytest
from synthetic import make_synthetic_pack

from copyright_gym import MarketConfig, generator
from copyright_gym.agents.lot_values import LotValues
from copyright_gym.agents.oracle_search import OracleSearch
from copyright_gym.agents.relaxed_surrogate import RelaxedSurrogate
from copyright_gym.tables import make_tables


@pytest.fixture(scope="module")
def packs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A pack with falling returns and two like the portrait pack, whose quality can fall."""
    folder = tmp_path_factory.mktemp("packs")
    return [
        str(make_synthetic_pack(folder / "synthetic")),
        str(generator.generate_pack(folder / "generated", holders=3, rounds=2, seed=3)),
        str(generator.generate_pack(folder / "larger", holders=4, rounds=3, seed=5)),
    ]


def brute_force(config: MarketConfig, cost: np.ndarray, money: np.ndarray) -> np.ndarray:
    values = LotValues(config)
    rounds, holders = values.tables.base.shape
    sets = np.array(list(itertools.product((False, True), repeat=rounds * holders)))
    quality = values.tables.pack.surrogate.quality(sets.reshape(-1, rounds, holders))
    paid = np.where(sets, cost[:, None], 0).sum(axis=2)
    return np.where(paid <= money[:, None] * (1 + 1e-9), quality, -np.inf).max(axis=1)


@pytest.mark.parametrize(("which", "holders", "rounds"), [(0, 3, 2), (1, 3, 2), (2, 4, 3)])
@pytest.mark.parametrize("rho", [0.2, 0.5, 0.8])
def test_best_against_brute_force(
    packs: list[str], which: int, holders: int, rounds: int, rho: float
) -> None:
    config = MarketConfig(pack=packs[which], holders=holders, rounds=rounds, rho=rho)
    search = OracleSearch(config, random_starts=30)
    rng = np.random.default_rng(0)
    cost = search.values.base * np.exp(0.4 * rng.standard_normal((60, holders * rounds)))
    cost[rng.random(cost.shape) < 0.1] = np.inf
    money = np.full(60, search.values.tables.budget)
    best = search.best_purchases(cost, money)
    assert (np.where(best, cost, 0).sum(axis=1) <= money * (1 + 1e-8)).all()
    found = search.values.tables.pack.surrogate.quality(best.reshape(-1, rounds, holders))
    exact = brute_force(config, cost, money)
    np.testing.assert_allclose(found, exact, atol=1e-9)


def test_histories_keep_what_is_bought(packs: list[str]) -> None:
    config = MarketConfig(pack=packs[1], holders=3, rounds=2)
    search = OracleSearch(config, random_starts=30)
    rng = np.random.default_rng(1)
    bought = rng.random((30, 6)) < 0.3
    cost = search.values.base * np.ones((30, 1))
    best = search.best_purchases(cost, np.full(30, 1.5), bought)
    assert (best >= bought).all()
    assert (np.where(best & ~bought, cost, 0).sum(axis=1) <= 1.5 + 1e-9).all()


def test_values_agree_with_the_surrogate(packs: list[str]) -> None:
    for pack in packs:
        values = LotValues(MarketConfig(pack=pack, holders=3, rounds=2))
        rng = np.random.default_rng(0)
        bought, of = rng.random((2, 20, 6)) < 0.5
        quality = values.tables.pack.surrogate.quality(bought.reshape(-1, 2, 3))
        np.testing.assert_array_equal(values.quality(bought), quality)
        gains = values.gains(bought, of)
        for lot in range(6):
            changed = bought.copy()
            changed[:, lot] ^= True
            sign = np.where(bought[:, lot], 1, -1)
            gain = np.where(of[:, lot], sign * (quality - values.quality(changed)), 0)
            np.testing.assert_array_equal(gains[:, lot], gain)


def test_relaxed_surrogate(packs: list[str]) -> None:
    config = MarketConfig(pack=packs[1])
    tables = make_tables(config)
    relaxed = RelaxedSurrogate(tables.pack, tables.holders)
    rng = np.random.default_rng(0)
    whole = rng.random((30, 2, 3)) < 0.5
    quality, _ = relaxed.quality_and_slopes(whole.astype(float))
    np.testing.assert_allclose(quality, tables.pack.surrogate.quality(whole), atol=1e-12)
    parts = rng.uniform(0.1, 0.9, (30, 2, 3))
    _, slopes = relaxed.quality_and_slopes(parts)
    for t, i in np.ndindex(2, 3):
        step = np.zeros((2, 3))
        step[t, i] = 1e-6
        above, below = (relaxed.quality_and_slopes(parts + way * step)[0] for way in (1, -1))
        np.testing.assert_allclose(slopes[:, t, i], (above - below) / 2e-6, atol=1e-6)
