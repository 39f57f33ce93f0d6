"""The two ways to evaluate histories lot by lot agree with the formula, and with each other."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import make_surrogate

from copyright_gym.errors import PackError
from copyright_gym.tanh_surrogate import TanhSurrogate


@given(seed=st.integers(0, 2**32), n=st.integers(1, 40), decay=st.sampled_from([0.1, 0.7, 1.0]))
@settings(deadline=None, max_examples=30)
def test_increments_agree_with_the_formula(seed, n, decay):
    rng = np.random.default_rng(seed)
    surrogate = TanhSurrogate(
        5, decay, rng.normal(size=(16, 7)), rng.normal(size=7), rng.normal(size=7)
    )
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
    np.testing.assert_allclose(quality, surrogate.quality(bought), rtol=0, atol=1e-12)


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


@pytest.mark.parametrize("decay", [0.0, -0.5, 1.5])
def test_impossible_decays(decay):
    arrays = make_surrogate().to_arrays() | {"decay": np.array(decay)}
    with pytest.raises(PackError, match="decay"):
        TanhSurrogate.from_arrays(arrays)
