"""Attribution: which training works shaped which target works, with TRAK's ridge kernel.

Scores are Phi (Phi' Phi + ridge I)^-1 phi, over features Phi of the training works and phi of a
target (Park et al., arXiv:2303.14186; Zheng et al., arXiv:2311.00500).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve

from copyright_gym.art.adapters import Weights
from copyright_gym.art.finetune import TrainingSet
from copyright_gym.art.gradients import gradient_features
from copyright_gym.errors import OptionError

Features = NDArray[np.float64]


def ridge_scores(
    works: Features, targets: Features, ridge: float | Sequence[float]
) -> NDArray[np.float64]:
    """Attribute targets to training works.

    Args:
        works: (n, d) features of the training works.
        targets: (m, d) features of the targets.
        ridge: Ridge relative to the mean diagonal of the works' Gram matrix; several at once
            share one decomposition.

    Returns:
        (n, m) scores, or (r, n, m) for r ridges.
    """
    # Phi (Phi'Phi + r)^-1 = (Phi Phi' + r)^-1 Phi: solve in the smaller space of works.
    kernel = works @ works.T
    values, vectors = np.linalg.eigh(kernel)
    scale = np.trace(kernel) / works.shape[1]
    projected = vectors.T @ (works @ targets.T)
    scores = [
        vectors @ (projected / (values + r * scale)[:, None]) for r in np.atleast_1d(ridge).tolist()
    ]
    return np.array(scores if np.ndim(ridge) else scores[0])


def attribution_scores(
    pipeline: Any,
    weights: Weights,
    works: TrainingSet,
    targets: TrainingSet,
    *,
    dtrak: bool = True,
    timesteps: int = 4,
    ridge: float = 1e-2,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Attribute target works to training works of a diffusion model.

    Args:
        pipeline: An SDXL pipeline; its UNet is left with `weights`.
        weights: The UNet trained on the works.
        works: n training works.
        targets: m generated works with their captions' conditions.
        dtrak: D-TRAK's output function, else TRAK's training loss.
        timesteps: Number of fixed timesteps; gradients are averaged before projection.
        ridge: Ridge relative to the mean diagonal of the features' Gram matrix.
        seed: Seed of noise and projection.

    Returns:
        (n, m) float64 scores.
    """
    of_works, of_targets = (
        gradient_features(pipeline, weights, part, dtrak=dtrak, timesteps=timesteps, seed=seed)
        for part in (works, targets)
    )
    return ridge_scores(of_works, of_targets, ridge)


class AttributionLedger:
    """Scores of holders that join and leave, without a second look at those who stay.

    Only the works' Gram matrix is kept up to date, in time proportional to the works of whoever
    joins or leaves; scores are then solved for at a cost that no number of works changes. The
    ridge is absolute and stays, so that scores at any moment equal those computed from scratch.
    Exact duplicates enter once; their owners share the score equally.

    Args:
        targets: (m, d) features of the targets.
        ridge: Absolute ridge, above 0.
    """

    def __init__(self, targets: Features, ridge: float) -> None:
        """Open the ledger with no holders."""
        if not ridge > 0:
            raise OptionError(f"ridge must be above 0, got {ridge}")
        self._targets = targets
        self._gram = ridge * np.eye(targets.shape[1])
        self._features: dict[str, Features] = {}
        self._owners: dict[str, int] = {}
        self._digests: dict[str, tuple[str, ...]] = {}
        self._solved: Features | None = None

    @property
    def holders(self) -> tuple[str, ...]:
        """Names of the holders that are in, in the order of joining."""
        return tuple(self._digests)

    def join(self, holder: str, digests: Sequence[str], features: Features) -> None:
        """Add a holder.

        Args:
            holder: A name that is not in the ledger.
            digests: n digests that tell works apart, for example SHA-256 of their pixels.
            features: (n, d) features of the works.

        Raises:
            OptionError: The holder is in already, or digests and features differ in number.
        """
        if holder in self._digests:
            raise OptionError(f"holder {holder!r} is in the ledger already; let it leave first")
        if len(digests) != len(features):
            raise OptionError(f"got {len(digests)} digests for {len(features)} works")
        new = {}
        for digest, row in zip(digests, features, strict=True):
            self._owners[digest] = self._owners.get(digest, 0) + 1
            if digest not in self._features:
                self._features[digest] = new[digest] = row
        self._digests[holder] = tuple(digests)
        self._update(list(new.values()), 1.0)

    def leave(self, holder: str) -> None:
        """Remove a holder; a work that others own too stays theirs.

        Raises:
            OptionError: The holder is not in the ledger.
        """
        gone = []
        for digest in self._known(holder):
            self._owners[digest] -= 1
            if not self._owners[digest]:
                del self._owners[digest]
                gone.append(self._features.pop(digest))
        del self._digests[holder]
        self._update(gone, -1.0)

    def scores(self, holder: str) -> NDArray[np.float64]:
        """Return the (n, m) scores of a holder's works, shared between owners of duplicates.

        Raises:
            OptionError: The holder is not in the ledger.
        """
        digests = self._known(holder)
        features = np.stack([self._features[digest] for digest in digests])
        owners = np.array([self._owners[digest] for digest in digests])
        if self._solved is None:
            self._solved = solve(self._gram, self._targets.T, assume_a="pos")
        return np.asarray(features @ self._solved / owners[:, None])

    def _known(self, holder: str) -> tuple[str, ...]:
        if holder not in self._digests:
            raise OptionError(f"no holder {holder!r} in the ledger; there are {self.holders}")
        return self._digests[holder]

    def _update(self, rows: list[Features], sign: float) -> None:
        if not rows:
            return
        added = np.stack(rows)
        self._gram += sign * added.T @ added
        self._solved = None
