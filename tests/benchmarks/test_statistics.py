"""Statistics against SciPy and against cases that can be worked out by hand."""

import importlib
import importlib.util
import sys
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rliable import metrics
from scipy import stats

from copyright_gym.benchmarks.crossed_bootstrap import crossed_improvement, crossed_means
from copyright_gym.benchmarks.statistics import (
    Interval,
    bootstrap,
    interquartile_mean,
    mean,
    paired_difference,
)

Floats = NDArray[np.float64]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_interquartile_mean_agrees_with_scipy(values: list[float]) -> None:
    expected = stats.trim_mean(values, 0.25)
    got = float(interquartile_mean(np.array(values)))
    assert got == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_interquartile_mean_by_hand() -> None:
    table = np.array([[9.0, 1.0, 2.0, -100.0], [0.0, 0.0, 4.0, 6.0]])
    assert interquartile_mean(table).tolist() == [1.5, 2.0]


def test_interval_agrees_with_scipy() -> None:
    values = np.random.default_rng(0).gamma(2.0, size=300)
    ours = bootstrap(values, seed=1, resamples=20_000)
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(2)
    ).confidence_interval
    assert ours.estimate == values.mean()
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.05 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.05 * width)


def test_strata_keep_their_weight() -> None:
    # Within each stratum all values are equal: nothing is left to vary.
    assert bootstrap([[0.0] * 5, [1.0] * 5], seed=0) == (0.5, 0.5, 0.5)
    together = bootstrap([0.0] * 5 + [1.0] * 5, seed=0)
    assert together.low < 0.5 < together.high


def test_paired_difference_ignores_what_both_share() -> None:
    market = np.random.default_rng(0).normal(size=200) * 100
    interval = paired_difference(market + 1.0, market, seed=0)
    assert interval == pytest.approx((1.0, 1.0, 1.0))


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(20, 50))
def test_same_seed_same_interval_and_estimate_inside(seed: int, n: int) -> None:
    values = np.random.default_rng(seed).normal(size=n)
    for statistic in (mean, interquartile_mean):
        interval = bootstrap(values, statistic, seed=seed, resamples=200)
        assert interval == bootstrap(values, statistic, seed=seed, resamples=200)
        assert interval.low <= interval.high
    assert interval != bootstrap(values, statistic, seed=seed + 1, resamples=200)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="finite"):
        bootstrap([1.0, np.nan], seed=0)
    with pytest.raises(ValueError, match="shape"):
        bootstrap([], seed=0)
    with pytest.raises(ValueError, match="equal shapes"):
        paired_difference([1.0], [1.0, 2.0], seed=0)


@pytest.fixture(name="rly")
def import_rliable(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """rliable's intervals. They need arch.bootstrap alone, and with pandas 3 arch fails whole."""
    arch = ModuleType("arch")
    spec = importlib.util.find_spec("arch")
    assert spec
    arch.__path__ = list(spec.submodule_search_locations or [])
    monkeypatch.setitem(sys.modules, "arch", arch)
    return importlib.import_module("rliable.library")


def above(scores: Floats, thresholds: Floats) -> list[Interval]:
    """A profile as `bench report` makes it; a stratum per task, as rliable's bootstrap has."""
    return crossed_means(*(scores.T[:, None, :, None] > thresholds), seed=0, resamples=4000)


def test_profile_by_hand() -> None:
    found = above(np.array([[0.1, 0.5], [0.5, 0.9]]), np.array([0.0, 0.5, 0.9]))
    assert [mean.estimate for mean in found] == [1, 0.25, 0]


def test_intervals_agree_with_rliable(rly: ModuleType) -> None:
    # Runs of tasks that differ a lot: only resampling within each task gives these intervals.
    scores = np.random.default_rng(0).gamma(2.0, size=(40, 3)) + np.array([0, 5, 10])
    np.random.seed(0)  # noqa: NPY002  the only one that rliable's resampling listens to
    for ours, theirs in (
        (mean, metrics.aggregate_mean),
        (interquartile_mean, metrics.aggregate_iqm),
    ):
        found = bootstrap(scores.T, ours, seed=0, resamples=4000)
        points, intervals = rly.get_interval_estimates(
            {"it": scores}, lambda x, f=theirs: np.array([f(x)]), reps=4000
        )
        assert found.estimate == pytest.approx(points["it"][0])
        low, high = intervals["it"][:, 0]
        assert (found.low, found.high) == pytest.approx((low, high), abs=0.1 * (high - low))


def test_profiles_agree_with_rliable(rly: ModuleType) -> None:
    scores = np.random.default_rng(1).random(size=(40, 2)) + np.array([0.0, 0.3])
    thresholds = np.array([0.2, 0.5, 0.9, 1.4])
    np.random.seed(0)  # noqa: NPY002
    points, intervals = rly.create_performance_profile({"it": scores}, thresholds, reps=4000)
    found = above(scores, thresholds)
    np.testing.assert_allclose([mean.estimate for mean in found], points["it"], atol=1e-12)
    np.testing.assert_allclose([mean.low for mean in found], intervals["it"][0], atol=0.02)
    np.testing.assert_allclose([mean.high for mean in found], intervals["it"][1], atol=0.02)


@given(st.integers(0, 99), st.integers(2, 9), st.integers(2, 9))
def test_statistics_agree_with_rliable(seed: int, runs: int, others: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(4 * runs, 1))
    assert interquartile_mean(scores[:, 0]) == pytest.approx(metrics.aggregate_iqm(scores))
    assert mean(scores[:, 0]) == pytest.approx(metrics.aggregate_mean(scores))
    # rliable's runs are independent: each of the first with each of the second.
    second = np.round(rng.normal(size=(others, 1)), 1)
    scores = np.round(scores, 1)
    ours = crossed_improvement(scores, second, seed=0, resamples=1)
    assert ours.estimate == pytest.approx(metrics.probability_of_improvement(scores, second))
