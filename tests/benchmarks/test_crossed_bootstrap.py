"""Intervals over trainings and markets, against SciPy, brute force and cases by hand."""

import itertools

import numpy as np
import pytest
from scipy import stats

from copyright_gym.benchmarks.crossed_bootstrap import (
    crossed_difference,
    crossed_improvement,
    crossed_interval,
    crossed_means,
)
from copyright_gym.benchmarks.statistics import interquartile_mean


def test_one_training_gives_the_interval_over_markets() -> None:
    values = np.random.default_rng(0).gamma(2.0, size=300)
    ours = crossed_interval([values], seed=1, resamples=20_000)
    theirs = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20_000, rng=np.random.default_rng(2)
    ).confidence_interval
    assert ours.estimate == pytest.approx(values.mean())
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.05 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.05 * width)


def test_trainings_that_differ_widen_the_interval_as_all_their_draws_do() -> None:
    levels = np.array([0.0, 1.0, 5.0, 7.0])
    ours = crossed_interval(np.tile(levels[:, None], (1, 50)), seed=0, resamples=20_000)
    every = [np.mean(draw) for draw in itertools.product(levels, repeat=4)]
    low, high = np.quantile(every, [0.025, 0.975])
    assert ours == pytest.approx((3.25, low, high), abs=0.15)


def test_each_stratum_is_resampled_for_itself() -> None:
    ours = crossed_interval(np.zeros((3, 5)), np.ones((1, 15)), seed=0)
    assert ours == pytest.approx((0.75, 0.75, 0.75))
    middle = crossed_interval([[0.0, 0, 9]], [[9.0]], statistic=interquartile_mean, seed=0)
    assert middle.estimate == pytest.approx(stats.trim_mean([0, 0, 9, 9], 0.25))


def test_difference_ignores_what_markets_share_and_not_what_trainings_differ_in() -> None:
    market = np.random.default_rng(0).normal(size=200) * 100
    alone = crossed_difference([market + 1.0], [market, market], seed=0)
    assert alone == pytest.approx((1.0, 1.0, 1.0))
    wide = crossed_difference([market + 1.0, market + 3.0], [market], seed=0)
    assert wide == pytest.approx((2.0, 1.0, 3.0))


def test_improvement_counts_all_pairs_of_trainings_on_the_same_market() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 4, (3, 20)), rng.integers(0, 4, (2, 20))
    wins = [
        float(a > b) + 0.5 * float(a == b)
        for one in first
        for other in second
        for a, b in zip(one, other, strict=True)
    ]
    found = crossed_improvement(first, second, seed=0)
    assert found.estimate == pytest.approx(np.mean(wins))
    assert found.low < found.estimate < found.high


def test_means_of_several_quantities_leave_out_what_is_not_known() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 60))
    gaps = np.where(rng.random((3, 60)) < 0.3, np.nan, values)
    table = np.stack([values, gaps, np.full_like(values, np.nan)], axis=-1)
    whole, partial, unknown = crossed_means(table, seed=0, resamples=8000)
    expected = crossed_interval(values, seed=1, resamples=8000)
    assert whole == pytest.approx(expected, abs=0.05 * (expected.high - expected.low))
    assert partial.estimate == pytest.approx(np.nanmean(gaps))
    assert partial.low < partial.estimate < partial.high
    assert np.isnan(unknown).all()


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="finite"):
        crossed_interval([[1.0, np.nan]], seed=0)
    with pytest.raises(ValueError, match="shape"):
        crossed_interval([1.0], seed=0)
    with pytest.raises(ValueError, match="2 and 3 markets"):
        crossed_difference(np.ones((1, 2)), np.ones((1, 3)), seed=0)
