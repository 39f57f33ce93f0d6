"""Against rliable (Agarwal et al. 2021): whatever its runs and tasks have in common with ours.

Its runs are independent in each task, and its bootstrap draws them there. Our trainings all play
the same markets, and both are drawn. So intervals agree where one of the two does not vary: with
one training of a policy (runs are markets, tasks are packs) and on one market (runs are trainings).
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from rliable import metrics

from copyright_gym.benchmarks.crossed_bootstrap import (
    crossed_improvement,
    crossed_interval,
    crossed_means,
)
from copyright_gym.benchmarks.statistics import (
    Interval,
    Statistic,
    bootstrap,
    interquartile_mean,
    mean,
)

Floats = NDArray[np.float64]

RESAMPLES = 4000
STATISTICS = ((mean, metrics.aggregate_mean), (interquartile_mean, metrics.aggregate_iqm))


@pytest.fixture(name="rly")
def import_rliable(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """rliable's intervals. They need arch.bootstrap alone, and with pandas 3 arch fails whole."""
    arch = ModuleType("arch")
    spec = importlib.util.find_spec("arch")
    assert spec
    arch.__path__ = list(spec.submodule_search_locations or [])
    monkeypatch.setitem(sys.modules, "arch", arch)
    np.random.seed(0)  # noqa: NPY002  the only one that rliable's resampling listens to
    return importlib.import_module("rliable.library")


def assert_agree(
    ours: Interval, rly: ModuleType, scores: object, statistic: Callable[..., float]
) -> None:
    points, intervals = rly.get_interval_estimates(
        {"it": scores}, lambda *x: np.array([statistic(*x)]), reps=RESAMPLES
    )
    assert ours.estimate == pytest.approx(points["it"][0])
    low, high = intervals["it"][:, 0]
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=0.1 * (high - low))


@pytest.mark.parametrize(("ours", "theirs"), STATISTICS)
def test_intervals_over_markets_agree(
    rly: ModuleType, ours: Statistic, theirs: Callable[[Floats], float]
) -> None:
    # Runs of tasks that differ a lot: only resampling within each task gives these intervals.
    scores = np.random.default_rng(0).gamma(2.0, size=(40, 3)) + np.array([0, 5, 10])
    packs = scores.T[:, None]  # one training each
    of_report = crossed_interval(*packs, statistic=ours, seed=0, resamples=RESAMPLES)
    assert_agree(of_report, rly, scores, theirs)
    assert_agree(bootstrap(scores.T, ours, seed=0, resamples=RESAMPLES), rly, scores, theirs)


def test_intervals_over_trainings_agree(rly: ModuleType) -> None:
    scores = np.random.default_rng(0).gamma(2.0, size=(12, 1))
    ours = crossed_interval(scores, seed=0, resamples=RESAMPLES)
    assert_agree(ours, rly, scores, metrics.aggregate_mean)


def test_improvement_over_trainings_agrees(rly: ModuleType) -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(0.5, size=(12, 1)).round(1), rng.normal(size=(9, 1)).round(1)
    ours = crossed_improvement(first, second, seed=0, resamples=RESAMPLES)
    assert_agree(ours, rly, (first, second), metrics.probability_of_improvement)


@given(st.integers(0, 99), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))
def test_improvement_of_several_trainings_on_several_markets_agrees(
    seed: int, trainings: int, others: int, markets: int
) -> None:
    # Tasks are markets: each training of the first with each of the second, on the same market.
    rng = np.random.default_rng(seed)
    first, second = (rng.normal(size=(n, markets)).round(1) for n in (trainings, others))
    ours = crossed_improvement(first, second, seed=0, resamples=1)
    assert ours.estimate == pytest.approx(metrics.probability_of_improvement(first, second))


@given(st.integers(0, 99), st.integers(1, 5), st.integers(2, 9))
def test_estimates_are_rliables_of_the_means_over_trainings(
    seed: int, trainings: int, quarter: int
) -> None:
    scores = np.random.default_rng(seed).normal(size=(trainings, 4 * quarter))
    for ours, theirs in STATISTICS:
        found = crossed_interval(scores, statistic=ours, seed=0, resamples=1)
        assert found.estimate == pytest.approx(theirs(scores.mean(axis=0)[:, None]))


def above(scores: Floats, thresholds: Floats) -> list[Interval]:
    """A profile as `bench report` makes it; a stratum per task, as rliable's bootstrap has."""
    return crossed_means(*(scores.T[:, None, :, None] > thresholds), seed=0, resamples=RESAMPLES)


def test_profile_by_hand() -> None:
    found = above(np.array([[0.1, 0.5], [0.5, 0.9]]), np.array([0.0, 0.5, 0.9]))
    assert [mean.estimate for mean in found] == [1, 0.25, 0]


def test_profiles_agree(rly: ModuleType) -> None:
    scores = np.random.default_rng(1).random(size=(40, 2)) + np.array([0.0, 0.3])
    thresholds = np.array([0.2, 0.5, 0.9, 1.4])
    points, intervals = rly.create_performance_profile({"it": scores}, thresholds, reps=RESAMPLES)
    found = above(scores, thresholds)
    np.testing.assert_allclose([mean.estimate for mean in found], points["it"], atol=1e-12)
    np.testing.assert_allclose([mean.low for mean in found], intervals["it"][0], atol=0.02)
    np.testing.assert_allclose([mean.high for mean in found], intervals["it"][1], atol=0.02)
