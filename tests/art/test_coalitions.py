import io
import itertools
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from copyright_gym.art.coalitions import (
    coalition_runs,
    coalition_table,
)
from copyright_gym.art.corpus import RunStore
from copyright_gym.art.validate_attribution import holder_report, surrogate_shapley
from copyright_gym.coalition_game import all_coalitions, leave_one_out, shapley_values
from copyright_gym.pack import load_pack


def value_of(values: np.ndarray, members: tuple[int, ...]) -> float:
    return float(values[sum(1 << i for i in members)])


def test_shapley_values_agree_with_all_permutations() -> None:
    values = np.random.default_rng(0).normal(size=2**4)
    orders = list(itertools.permutations(range(4)))
    expected = np.zeros(4)
    for order in orders:
        for place, holder in enumerate(order):
            before = order[:place]
            expected[holder] += value_of(values, (*before, holder)) - value_of(values, before)
    found = shapley_values(values)
    np.testing.assert_allclose(found, expected / len(orders), atol=1e-12)
    assert found.sum() == pytest.approx(values[-1] - values[0])


def test_leave_one_out_by_hand() -> None:
    values = np.array([0.0, 1.0, 2.0, 4.0])
    assert leave_one_out(values).tolist() == [2.0, 3.0]


def test_coalitions_are_numbered_by_their_members() -> None:
    coalitions = [tuple(np.flatnonzero(row).tolist()) for row in all_coalitions(3)]
    assert coalitions[0b101] == (0, 2)
    runs = coalition_runs(3, seeds=2)
    assert len({run.name for run in runs}) == 16
    assert sorted(run.history[0] for run in runs[:8]) == sorted(coalitions)


def test_the_table_lists_every_coalition_and_seed(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    runs = coalition_runs(2)
    for run in runs[1:]:
        store.save_distances(run, [10.0 - len(run.history[0]) - 0.5 * run.seed])
    with pytest.raises(ValueError, match="1 of 8"):
        coalition_table(store, 2, 10.0)
    store.save_distances(runs[0], [10.0])
    rows = pq.read_table(io.BytesIO(coalition_table(store, 2, 10.0))).to_pylist()
    assert len(rows) == 8
    assert {"holders": [0, 1], "seed": 1, "quality": pytest.approx(0.25)} in rows


def test_an_estimate_in_the_order_of_the_shapley_values_correlates_fully() -> None:
    values = np.random.default_rng(1).normal(size=(2**4, 2))
    exact = shapley_values(values.mean(axis=1))
    report = holder_report(values, {"order": np.argsort(np.argsort(exact)).astype(float)})
    assert report["estimates"]["order"]["shapley_spearman"] == pytest.approx(1)
    assert report["estimates"]["order"]["shapley_pearson"] < 1


def test_surrogate_shapley_values_sum_to_each_rounds_gain() -> None:
    surrogate = load_pack("portrait").surrogate
    rounds, holders = surrogate.shape
    bought = np.zeros((rounds + 1, rounds, holders), bool)
    for t in range(rounds):
        bought[t + 1, : t + 1] = True
    gains = np.diff(surrogate.quality(bought))
    np.testing.assert_allclose(surrogate_shapley(surrogate).sum(axis=1), gains, atol=1e-9)
