"""Economic measures by hand."""

from pathlib import Path

import numpy as np
import pytest
from tiny_market import WORTH, make_tiny_pack, tiny_config

from copyright_gym import play
from copyright_gym.benchmarks.economics import correlation, gini, jain, measures


def test_equality_by_hand() -> None:
    payments = np.array([[1.0, 1.0, 1.0], [0.0, 3.0, 0.0], [1.0, 2.0, 3.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(gini(payments), [0, 2 / 3, 4 / 18, np.nan])
    np.testing.assert_allclose(jain(payments), [1, 1 / 3, 36 / 42, np.nan])


def test_correlation_agrees_with_numpy() -> None:
    payments, scores = np.random.default_rng(0).random((5, 8)), np.arange(8.0)
    expected = [np.corrcoef(row, scores)[0, 1] for row in payments]
    np.testing.assert_allclose(correlation(payments, scores), expected)
    assert np.isnan(correlation(np.ones((1, 3)), np.arange(3.0)))[0]


def test_measures_of_a_market_by_hand(tmp_path: Path) -> None:
    config = tiny_config(make_tiny_pack(tmp_path / "tiny"))
    episodes = play(config, "all", "model-adaptive", [0])  # buys the last two at 1.08
    found = {name: values[0] for name, values in measures(config, episodes).items()}
    paid = np.array([0.0, 0.9, 0.6]) * 0.5 * 4 ** (5 / 9)
    assert found["overspent"] == found["underpaid"] == 0
    assert found["overpayment"] == pytest.approx(0.5 * 4 ** (5 / 9) - 1)
    assert found["loss_payment"] == pytest.approx(0.5)
    assert found["shapley_correlation"] == pytest.approx(np.corrcoef(paid, WORTH)[0, 1])
    assert found["jain"] == pytest.approx(paid.sum() ** 2 / (3 * (paid**2).sum()))
