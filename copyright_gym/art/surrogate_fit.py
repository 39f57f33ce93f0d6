"""Fit the surrogate to real fine-tuning histories and measure its error on held-out ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from copyright_gym.art.corpus import History
from copyright_gym.quality import TanhSurrogate

_HIDDEN: Final = 16
_DECAYS: Final = (0.5, 0.8, 1.0)
_PENALTIES: Final = (1e-5, 1e-4, 1e-3)
_STEPS: Final = 1500
_FOLDS: Final = 5


@dataclass(frozen=True)
class Measured:
    """Measured qualities: one row for each finished round of each run.

    Attributes:
        bought: (n, T, H) bool, what was bought up to that round.
        quality: (n,) measured quality.
        group: (n,) index of the history; replicates share it.
    """

    bought: NDArray[np.bool_]
    quality: NDArray[np.float64]
    group: NDArray[np.int64]

    def __getitem__(self, chosen: NDArray[np.bool_]) -> Measured:
        """Return the chosen rows."""
        return Measured(self.bought[chosen], self.quality[chosen], self.group[chosen])


def measured_rows(
    records: Sequence[tuple[History, Sequence[float]]],
    base_distance: float,
    rounds: int,
    holders: int,
) -> Measured:
    """Turn histories with their distances into rows.

    Args:
        records: Pairs of a history and the distance after each of its rounds.
        base_distance: Distance D0 of the base model.
        rounds: Number of rounds T.
        holders: Number of holders H.
    """
    bought, quality, group = [], [], []
    groups: dict[History, int] = {}
    for history, distances in records:
        index = groups.setdefault(history, len(groups))
        so_far = np.zeros((rounds, holders), bool)
        for t, distance in enumerate(distances):
            so_far[t, list(history[t])] = True
            bought.append(so_far.copy())
            quality.append(1 - distance / base_distance)
            group.append(index)
    return Measured(np.array(bought), np.array(quality), np.array(group))


def _features(bought: NDArray[np.bool_], decay: float, rounds: int) -> torch.Tensor:
    """Return the surrogate's inputs by asking a surrogate that only passes them on."""
    holders = bought.shape[2]
    passing = TanhSurrogate(
        rounds, decay, np.eye(2 * holders), np.zeros(2 * holders), np.ones(2 * holders)
    )
    return torch.from_numpy(passing.features(bought))


def fit_tanh(
    rows: Measured, rounds: int, decay: float, penalty: float, seed: int = 0
) -> TanhSurrogate:
    """Fit one tanh layer by full-batch Adam on squared error.

    Args:
        rows: Measured qualities.
        rounds: Number of rounds T of the pack.
        decay: Decay of the recency features.
        penalty: Weight of the squared weights in the loss.
        seed: Seed of the starting weights.
    """
    generator = torch.Generator().manual_seed(seed)
    inputs = _features(rows.bought, decay, rounds).double()
    target = torch.from_numpy(rows.quality)
    size = inputs.shape[1]
    weights = (
        torch.randn(size, _HIDDEN, generator=generator).double() / size**0.5
    ).requires_grad_()
    bias = torch.zeros(_HIDDEN, dtype=torch.float64, requires_grad=True)
    out = (torch.randn(_HIDDEN, generator=generator).double() / _HIDDEN**0.5).requires_grad_()
    optimiser = torch.optim.Adam([weights, bias, out], lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, _STEPS)
    for _ in range(_STEPS):
        predicted = (torch.tanh(inputs @ weights + bias) - torch.tanh(bias)) @ out
        loss = (predicted - target).square().mean()
        loss = loss + penalty * (weights.square().sum() + out.square().sum()) / _HIDDEN
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    arrays = (x.detach().numpy() for x in (weights, bias, out))
    return TanhSurrogate(rounds, decay, *arrays)


def _held_out_errors(rows: Measured, rounds: int, decay: float, penalty: float) -> NDArray[Any]:
    """Return prediction minus truth of each row, predicted by fits that saw none of its history."""
    errors = np.zeros(len(rows.quality))
    fold = np.random.default_rng(0).permutation(rows.group.max() + 1)[rows.group] % _FOLDS
    for index in range(_FOLDS):
        surrogate = fit_tanh(rows[fold != index], rounds, decay, penalty)
        errors[fold == index] = (
            surrogate.quality(rows.bought[fold == index]) - rows.quality[fold == index]
        )
    return errors


def fit_surrogate(
    rows: Measured, rounds: int, noise_std: float
) -> tuple[TanhSurrogate, dict[str, Any]]:
    """Choose decay and penalty by cross-validation over whole histories, then fit on all rows.

    Args:
        rows: Measured qualities.
        rounds: Number of rounds T of the pack.
        noise_std: Seed-to-seed standard deviation of the quality.

    Returns:
        The surrogate and its report: held-out R², mean absolute error next to the seed noise.
    """
    candidates = {
        (decay, penalty): _held_out_errors(rows, rounds, decay, penalty)
        for decay in _DECAYS
        for penalty in _PENALTIES
    }
    best = min(candidates, key=lambda key: float(np.square(candidates[key]).mean()))
    errors = candidates[best]
    variance = float(rows.quality.var())
    report = {
        "form": "tanh",
        "hidden": _HIDDEN,
        "decay": best[0],
        "penalty": best[1],
        "rows": len(rows.quality),
        "histories": int(rows.group.max()) + 1,
        "folds": _FOLDS,
        "held_out_r2": 1 - float(np.square(errors).mean()) / variance,
        "held_out_r2_of_explainable": 1
        - (float(np.square(errors).mean()) - noise_std**2) / (variance - noise_std**2),
        "held_out_mean_absolute_error": float(np.abs(errors).mean()),
        "seed_noise_std": noise_std,
    }
    return fit_tanh(rows, rounds, *best), report
