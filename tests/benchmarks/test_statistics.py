"""Statistics against SciPy and against cases that can be worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from copyright_gym.benchmarks.statistics import (
    bootstrap,
    interquartile_mean,
    mean,
    paired_difference,
)


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
