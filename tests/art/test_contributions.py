import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from copyright_gym.agents.round_games import shapley_values
from copyright_gym.art import contributions
from copyright_gym.art.contributions import (
    attributed_contribution,
    attribution_ledger,
    shapley_contribution,
)
from copyright_gym.art.feature_store import FeatureStore
from copyright_gym.art.studio import Studio
from copyright_gym.config import MarketConfig
from copyright_gym.errors import OptionError
from copyright_gym.pack import load_pack


def credit_shares(works: np.ndarray, targets: np.ndarray, copies: np.ndarray) -> np.ndarray:
    """Recompute the credit of works from scratch; of equal works only the first is in `works`."""
    gram = works.T @ works
    gram += 10.0 * np.diag(gram).mean() * np.eye(len(gram))
    positive = np.maximum(works @ np.linalg.inv(gram) @ targets.T, 0)
    return (positive / positive.sum(axis=0)).sum(axis=1) / copies


def test_rows_are_computed_once_a_work(tmp_path: Path) -> None:
    asked = []

    def compute(positions: np.ndarray) -> np.ndarray:
        asked.append(positions.tolist())
        return np.stack([positions, positions + 0.5], axis=1)

    store = FeatureStore(tmp_path)
    assert store.rows(["a", "b", "a"], compute).tolist() == [[0, 0.5], [1, 1.5], [0, 0.5]]
    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert FeatureStore(tmp_path).rows(["b", "c"], compute).tolist() == [[1, 1.5], [1, 1.5]]
    assert asked == [[0, 1], [1]]
    assert all(path.read_bytes() == data for path, data in files.items())
    assert len(FeatureStore(tmp_path)) == 3


def test_contributions_are_those_of_a_dense_computation_and_measured_once(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = attributed_contribution(studio, tmp_path, "trak")
    lots = studio.collection.lots
    stored = {}
    for path in (tmp_path / "trak").iterdir():
        with np.load(path) as rows:
            stored.update(rows)
    works = np.stack([stored.pop(d) for row in lots for lot in row for d in lot.digests()])
    credit = credit_shares(works, np.stack(list(stored.values())), np.ones(len(works)))
    expected = credit.reshape(2, 2, 4).sum(axis=2)
    np.testing.assert_allclose(found, expected / expected.mean(), atol=1e-8)
    monkeypatch.setattr(Studio, "train_round", None)
    monkeypatch.setattr(contributions, "gradient_features", None)
    assert np.array_equal(attributed_contribution(studio, tmp_path, "trak"), found)


def test_a_holder_that_joins_costs_its_own_works_and_may_bring_copies(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, one = copy.copy(studio), copy.copy(studio)
    # The second holder also sells what the first sells in the first round.
    rows = [[row[0], both.collection.lots[0][0] if t == 0 else row[1]]
            for t, row in enumerate(both.collection.lots)]  # fmt: skip
    both.collection = replace(both.collection, lots=tuple(tuple(row) for row in rows))
    both.lot_sets = [[row[0], row[0] if t == 0 else row[1]]
                     for t, row in enumerate(studio.lot_sets)]  # fmt: skip
    one.collection = replace(
        both.collection,
        holders=both.collection.holders[:1],
        lots=tuple(row[:1] for row in both.collection.lots),
    )
    one.lot_sets = [row[:1] for row in both.lot_sets]
    ledger = attribution_ledger(one, tmp_path, "trak")
    assert ledger.holders == (0,)
    computed = []
    real = contributions.gradient_features

    def counted(pipeline: object, weights: object, works: object, **options: object) -> object:
        computed.append(len(works))
        return real(pipeline, weights, works, **options)

    monkeypatch.setattr(contributions, "gradient_features", counted)
    monkeypatch.setattr(Studio, "train_round", None)
    ledger = attribution_ledger(both, tmp_path, "trak")
    assert computed[1:] == [4]  # after the targets, the one lot that is new
    targets = ledger.targets
    first, second = ([d for row in both.collection.lots for d in row[i].digests()] for i in (0, 1))
    unique = list(dict.fromkeys([*first, *second]))
    copies = np.array([first.count(d) + second.count(d) for d in unique])
    store = FeatureStore(tmp_path / "trak")
    features = store.rows(unique, None)
    expected = dict(zip(unique, credit_shares(features, targets, copies), strict=True))
    credit = ledger.credit()
    np.testing.assert_allclose(credit[0], [expected[d] for d in first], atol=1e-8)
    np.testing.assert_allclose(credit[1], [expected[d] for d in second], atol=1e-8)
    ledger.leave(1)
    left = credit_shares(store.rows(first, None), targets, np.ones(8))
    np.testing.assert_allclose(ledger.credit()[0], left, atol=1e-8)


def test_shapley_contributions_need_a_lot_that_helps() -> None:
    surrogate = load_pack("portrait").surrogate
    with pytest.raises(OptionError, match="no lot raises the quality"):
        shapley_contribution(replace(surrogate, out=np.zeros_like(surrogate.out)))


def test_shapley_contributions_are_those_of_the_rounds_games() -> None:
    found = shapley_contribution(load_pack("portrait").surrogate)
    expected = np.maximum(shapley_values(MarketConfig(pack="portrait")), 0)
    np.testing.assert_allclose(found, expected / expected.mean(), atol=1e-12)
