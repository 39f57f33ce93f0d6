import numpy as np
import pytest

from copyright_gym.art.corpus import Run
from copyright_gym.art.measured import Measured, measured_rows, seed_noise


def test_a_measurement_counts_once() -> None:
    records = [
        (Run(((0,), (), (1,)), 0), [90.0, 90.0, 80.0]),
        (Run(((0,),), 0), [90.0]),  # the same run as above, stopped early
        (Run(((0,),), 1), [88.0]),
        (Run(((),), 0), [100.0]),
    ]
    rows = measured_rows(records, 100.0, 3, 2)
    assert rows.quality == pytest.approx([0.1, 0.2, 0.12])
    assert rows.lots.tolist() == [1, 2, 1]
    assert rows.group.tolist() == [0, 0, 1]
    assert rows.bought[1].tolist() == [[True, False], [False, False], [False, True]]
    assert len(set(rows.beginning)) == 1


def test_seed_noise_pools_what_was_bought_alike_by_degrees_of_freedom() -> None:
    records = [
        # After round one: .10, .14, .12, whatever came later. Then .20, .26. Another alone.
        (Run(((0,), (1,)), 0), [90.0, 80.0]),
        (Run(((0,), (1,)), 1), [86.0, 74.0]),
        (Run(((0,),), 2), [88.0]),
        (Run(((1,),), 0), [70.0]),
    ]
    noise = seed_noise(measured_rows(records, 100.0, 2, 2))
    squares = 0.02**2 + 0.02**2 + 2 * 0.03**2
    assert noise.freedom == 3
    assert noise.std == pytest.approx((squares / 3) ** 0.5)


def test_the_interval_of_the_seed_noise_holds_the_truth() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(40):
        bought = np.zeros((60, 1, 6), bool)
        # Thirty different first purchases, each measured twice.
        bought[:, 0] = ((np.arange(60)[:, None] // 2 + 1) >> np.arange(6)) & 1
        rows = Measured(bought, rng.normal(0.3, 0.02, 60), np.arange(60) // 2)
        report = seed_noise(rows).report()
        assert report["freedom"] == 30
        inside += report["low"] <= 0.02 <= report["high"]
    assert inside >= 32


def test_seed_noise_needs_replicates() -> None:
    records = [(Run(((0,),), 0), [90.0]), (Run(((1,),), 0), [80.0])]
    with pytest.raises(ValueError, match="more than one seed"):
        seed_noise(measured_rows(records, 100.0, 1, 2))
