"""Other forms of surrogate, to compare with the one that packs store."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from copyright_gym.art.held_out import Form, Predict, fit_chosen, held_out_errors
from copyright_gym.art.measured import Bools, Floats, Measured, seed_noise
from copyright_gym.art.surrogate_error import error_report
from copyright_gym.art.surrogate_fit import exposure_features

_HALF: Final = (0.5, 2.0, 8.0)  # lots at which a saturation is half of its whole
_FADES: Final = (0.8, 0.95)
_TANH_UNITS: Final = 16


def compare_forms(rows: Measured) -> dict[str, Any]:
    """Return the `error_report` of each form in `FORMS`, on the folds of `fit_surrogate`.

    Settings are chosen within the training histories of each fold.

    Args:
        rows: Measured qualities.
    """
    noise = seed_noise(rows)
    return {
        name: error_report(rows, held_out_errors(functools.partial(fit_chosen, form), rows), noise)
        for name, form in FORMS.items()
    }


def counts_and_recency(bought: Bools, decay: float) -> Floats:
    """Return each holder's share of the rounds bought, and the same with old rounds decayed.

    Args:
        bought: (n, T, H) bool, the histories.
        decay: Weight of a purchase relative to one a round later.

    Returns:
        float64 (n, 2 * H).
    """
    rounds = np.arange(bought.shape[1])
    last = np.where(bought.any(axis=2), rounds, 0).max(axis=1)
    weights = np.where(
        rounds <= last[:, None], decay ** np.maximum(last[:, None] - rounds, 0.0), 0.0
    )
    recent = np.einsum("nth,nt->nh", bought, weights) / (decay**rounds).sum()
    return np.concatenate([bought.mean(axis=1), recent], axis=1)


def _saturations(bought: Bools) -> Floats:
    """Return n / (n + half) of each holder's lots n, (n, 3 * H)."""
    counts = bought.sum(axis=1)
    return np.concatenate([counts / (counts + half) for half in _HALF], axis=1)


def _exposures(bought: Bools) -> Floats:
    """Return what the stored form sees, at two fades, (n, 4 * H)."""
    return np.concatenate([exposure_features(bought, fade) for fade in _FADES], axis=1)


def _regression(features: Callable[[Bools], Floats], model: Any, rows: Measured) -> Predict:
    """Fit a model of scikit-learn to features of histories."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # A fit that stops early is as good as its held-out error.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features(rows.bought), rows.quality)
    return lambda bought: np.asarray(model.predict(features(bought)), np.float64)


def _additive(rows: Measured, alpha: float) -> Predict:
    from sklearn.linear_model import Ridge

    return _regression(_saturations, Ridge(alpha=alpha, fit_intercept=False), rows)


def _tanh(rows: Measured, decay: float, alpha: float) -> Predict:
    from sklearn.neural_network import MLPRegressor

    model = MLPRegressor(
        hidden_layer_sizes=(_TANH_UNITS,),
        activation="tanh",
        solver="lbfgs",
        alpha=alpha,
        max_iter=300,
        random_state=0,
    )
    return _regression(lambda bought: counts_and_recency(bought, decay), model, rows)


def _boosted_trees(rows: Measured, max_leaf_nodes: int) -> Predict:
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(
        max_leaf_nodes=max_leaf_nodes, min_samples_leaf=5, max_iter=150, early_stopping=False
    )
    return _regression(_exposures, model, rows)


def _gaussian_process(rows: Measured) -> Predict:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    kernel = ConstantKernel(1.0) * RBF(1.0) + WhiteKernel(0.05)
    model = GaussianProcessRegressor(kernel, normalize_y=True)
    return _regression(_exposures, model, rows)


FORMS: Final = {
    "additive with saturation": Form(_additive, ({"alpha": 0.01}, {"alpha": 0.1}, {"alpha": 1.0})),
    "tanh network on counts and recency": Form(
        _tanh,
        tuple({"decay": decay, "alpha": alpha} for decay in (0.8, 1.0) for alpha in (1e-3, 1e-2)),
    ),
    "gradient-boosted trees": Form(_boosted_trees, ({"max_leaf_nodes": 4}, {"max_leaf_nodes": 8})),
    "gaussian process": Form(_gaussian_process, ({},)),
}
"""By name. Trees and the Gaussian process see what the stored form sees, at two fades; the latter
chooses its scales by marginal likelihood."""
