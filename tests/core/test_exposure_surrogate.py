"""The two ways to evaluate histories lot by lot agree with the formula, and with each other."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import make_surrogate

from copyright_gym.errors import PackError
from copyright_gym.exposure_surrogate import ExposureSurrogate


@given(seed=st.integers(0, 2**32), n=st.integers(1, 40), fade=st.sampled_from([0.1, 0.7, 1.0]))
@settings(deadline=None, max_examples=30)
def test_lot_by_lot_has_the_same_bits_as_all_at_once(seed, n, fade):
    rng = np.random.default_rng(seed)
    weights, vectors = rng.normal(size=(2, 8, 4)), rng.normal(size=(2, 4))
    surrogate = ExposureSurrogate(5, fade, *weights, *vectors, np.zeros(41))
    lots = rng.random((n, 5, 8)) < 0.3
    together, histories = surrogate.histories(n), [surrogate.history() for _ in range(n)]
    bought, quality = np.zeros_like(lots), np.zeros(n)
    for t in range(5):
        together.begin_round(slice(None), t)
        for history in histories:
            history.begin_round(t)
        for holder in range(8):
            rows = np.flatnonzero(lots[:, t, holder])
            bought[rows, t, holder] = True
            quality[rows] = together.buy(rows, t, holder)
            for row in rows.tolist():
                assert histories[row].buy(t, holder) == quality[row]
    np.testing.assert_array_equal(quality, surrogate.quality(bought))


def test_histories_survive_pickling():
    history = make_surrogate().history()
    history.begin_round(0)
    history.buy(0, 3)
    copy = pickle.loads(pickle.dumps(history))
    for each in (history, copy):
        each.begin_round(1)
    assert copy.buy(1, 1) == history.buy(1, 1)
    history.clear()
    history.begin_round(0)
    fresh = make_surrogate().history()
    fresh.begin_round(0)
    assert history.buy(0, 0) == fresh.buy(0, 0)


def test_quality_by_hand():
    # Two rounds and holders: both lots, then the second holder's; one hidden unit.
    surrogate = ExposureSurrogate(
        2,
        0.5,
        np.array([[1.0], [2.0]]),
        np.array([[3.0], [-1.0]]),
        np.array([0.5]),
        np.array([2.0]),
        np.zeros(5),
    )
    bought = np.array([[[True, True], [False, True]]])
    # Exposures: 2 * 1/2 each after the first round, halved by one new lot, plus 1/3 and 2/3.
    hidden = 0.5 + 1 / 3 * 1 + 2 / 3 * 2 + (0.5 + 1 / 3) / 2 * 3 - (0.5 + 2 / 3) / 2
    expected = 2 * (hidden / (1 + hidden) - 0.5 / 1.5)
    np.testing.assert_allclose(surrogate.quality(bought), expected, rtol=1e-14)
    assert surrogate.quality(np.zeros((1, 2, 2), bool))[0] == 0


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("fade", np.array(0.0), "fade"),
        ("fade", np.array(1.5), "fade"),
        ("noise", np.full(41, -0.1), "noise"),
        ("noise", np.zeros(40), "shapes"),
        ("out", np.full(16, np.nan), "finite"),
    ],
)
def test_impossible_arrays(name, value, text):
    arrays = make_surrogate().to_arrays() | {name: value}
    with pytest.raises(PackError, match=text):
        ExposureSurrogate.from_arrays(arrays)


def test_hidden_units_are_a_power_of_two():
    arrays = make_surrogate().to_arrays()
    arrays |= {name: arrays[name][..., :3] for name in ("shares", "exposures", "bias", "out")}
    with pytest.raises(PackError, match="hidden units, not 3"):
        ExposureSurrogate.from_arrays(arrays)
