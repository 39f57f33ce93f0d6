"""Identities that sell parts of the works: lot by lot as all at once, and files that do not fit."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from synthetic import make_surrogate

from copyright_gym.errors import PackError
from copyright_gym.identity_surrogate import IdentitySurrogate
from copyright_gym.quality import surrogate_from_arrays

PARTS = np.array([[0, 0], [0, 1], [2, 3], [3, 3], [4, 5]])


def test_lot_by_lot_has_the_same_bits_as_all_at_once() -> None:
    surrogate, rng = IdentitySurrogate(make_surrogate(3, 6), PARTS), np.random.default_rng(0)
    lots, n = rng.random((20, 3, 5)) < 0.5, 20
    together, single = surrogate.histories(n), [surrogate.history() for _ in range(n)]
    bought, quality = np.zeros_like(lots), np.zeros(n)
    for t in range(3):
        together.begin_round(slice(None), t)
        for history in single:
            history.begin_round(t)
        for identity in range(5):
            rows = np.flatnonzero(lots[:, t, identity])
            bought[rows, t, identity] = True
            quality[rows] = together.buy(rows, t, identity)
            assert [single[row].buy(t, identity) for row in rows] == quality[rows].tolist()
            np.testing.assert_array_equal(quality, surrogate.quality(bought))


def test_a_part_that_two_sell_in_a_round_is_there_once() -> None:
    fine = make_surrogate(3, 6)
    surrogate = IdentitySurrogate(fine, PARTS)
    both, parts = np.zeros((1, 3, 5), np.bool_), np.zeros((1, 3, 6), np.bool_)
    both[0, 1, :2] = True
    parts[0, 1, :2] = True
    assert surrogate.quality(both) == fine.quality(parts)
    history = pickle.loads(pickle.dumps(surrogate)).history()
    history.begin_round(0)
    history.begin_round(1)
    history.buy(1, 1)
    assert history.buy(1, 0) == fine.quality(parts)[0]
    history.begin_round(2)  # the works of another round are others
    assert history.buy(2, 0) != fine.quality(parts)[0]


def test_arrays_round_trip_and_damage_is_named() -> None:
    surrogate = IdentitySurrogate(make_surrogate(3, 6), PARTS)
    arrays = surrogate.to_arrays()
    copy, lots = surrogate_from_arrays(arrays), np.ones((1, 3, 5), np.bool_)
    assert copy.shape == (3, 5)
    assert copy.quality(lots) == surrogate.quality(lots)
    with pytest.raises(PackError, match="parts must lie in 0 to 5"):
        surrogate_from_arrays(arrays | {"parts": PARTS + 1})
    with pytest.raises(PackError, match="parts must be int64"):
        surrogate_from_arrays({k: v for k, v in arrays.items() if k != "parts"})
