from __future__ import annotations

import numpy as np
from synthetic import make_surrogate

from copyright_gym.quality import surrogate_from_arrays


def test_nothing_bought_is_exactly_zero():
    assert (make_surrogate().quality(np.zeros((3, 5, 8), bool)) == 0).all()


def test_arrays_round_trip():
    surrogate = make_surrogate()
    bought = np.random.default_rng(0).random((50, 5, 8)) < 0.4
    copy = surrogate_from_arrays(surrogate.to_arrays())
    np.testing.assert_array_equal(copy.quality(bought), surrogate.quality(bought))


def test_bits_do_not_depend_on_the_batch():
    surrogate = make_surrogate()
    bought = np.random.default_rng(1).random((257, 5, 8)) < 0.4
    together = surrogate.quality(bought)
    alone = np.concatenate([surrogate.quality(one[None]) for one in bought])
    np.testing.assert_array_equal(together, alone)


def test_missing_rounds_and_holders_are_not_bought():
    surrogate = make_surrogate()
    bought = np.zeros((20, 5, 8), bool)
    bought[:, :3, :4] = np.random.default_rng(2).random((20, 3, 4)) < 0.5
    np.testing.assert_array_equal(surrogate.quality(bought[:, :3, :4]), surrogate.quality(bought))


def test_the_order_of_purchases_counts():
    surrogate = make_surrogate()
    early, late = np.zeros((2, 5, 8), bool)
    early[0, 0] = late[4, 0] = True
    early[4, 1] = late[0, 1] = True
    assert surrogate.quality(early[None]) != surrogate.quality(late[None])
