"""Attribution: which training works shaped which target works, with TRAK's ridge kernel.

Scores are Phi (Phi' Phi + ridge I)^-1 phi, over features Phi of the training works and phi of a
target (Park et al., arXiv:2303.14186; Zheng et al., arXiv:2311.00500).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve

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


def shared_credit(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share one unit of credit a target between the works it is attributed to.

    Args:
        scores: (n, m) attributions of m targets to n works; negative ones get no credit.

    Returns:
        (n,) credit of each work; sums to the number of targets with a positive attribution.
    """
    positive = np.maximum(scores, 0.0)
    totals = positive.sum(axis=0)
    shares = np.divide(positive, totals, out=np.zeros_like(positive), where=totals > 0)
    return np.asarray(shares.sum(axis=1))


class AttributionLedger:
    """Scores of holders that join and leave, without a second look at those who stay.

    Only the works' Gram matrix is kept up to date, in time proportional to the works of whoever
    joins or leaves; scores are then solved for at a cost that no number of works changes. At any
    moment they equal `ridge_scores` over all works that are in. Exact duplicates enter once; each
    copy gets an equal share of the score.

    Args:
        targets: (m, d) features of the targets.
        ridge: Ridge relative to the mean diagonal of the works' Gram matrix, above 0.
    """

    def __init__(self, targets: Features, ridge: float) -> None:
        """Open the ledger with no holders."""
        if not ridge > 0:
            raise OptionError(f"ridge must be above 0, got {ridge}")
        self.targets, self._ridge = targets, ridge
        self._gram = np.zeros((targets.shape[1], targets.shape[1]))
        self._features: dict[str, Features] = {}
        self._copies: dict[str, int] = {}
        self._digests: dict[Hashable, tuple[str, ...]] = {}
        self._solved: Features | None = None

    @property
    def holders(self) -> tuple[Hashable, ...]:
        """Names of the holders that are in, in the order of joining."""
        return tuple(self._digests)

    def join(self, holder: Hashable, digests: Sequence[str], features: Features) -> None:
        """Add a holder.

        Args:
            holder: A name that is not in the ledger.
            digests: n digests that tell works apart, for example SHA-256 of their pixels.
            features: (n, d) features of the works.

        Raises:
            OptionError: The holder is in already, digests and features differ in number, there
                are no works, or features have another width than the targets'. The ledger is
                then what it was.
        """
        features = np.asarray(features)
        if holder in self._digests:
            raise OptionError(f"holder {holder!r} is in the ledger already; let it leave first")
        if len(digests) != len(features):
            raise OptionError(f"got {len(digests)} digests for {len(features)} works")
        if not len(features):
            raise OptionError(f"holder {holder!r} has no works; let holders join with at least one")
        if features.shape[1:] != self.targets.shape[1:]:
            raise OptionError(
                f"features of works must be (n, {self.targets.shape[1]}), as wide as those of the "
                f"targets, got {features.shape}; compute both with the same settings"
            )
        new = {}
        for digest, row in zip(digests, features, strict=True):
            self._copies[digest] = self._copies.get(digest, 0) + 1
            if digest not in self._features:
                self._features[digest] = new[digest] = row
        self._digests[holder] = tuple(digests)
        self._update(list(new.values()), 1.0)

    def leave(self, holder: Hashable) -> None:
        """Remove a holder; a work that others own too stays theirs.

        Raises:
            OptionError: The holder is not in the ledger.
        """
        gone = []
        for digest in self._known(holder):
            self._copies[digest] -= 1
            if not self._copies[digest]:
                del self._copies[digest]
                gone.append(self._features.pop(digest))
        del self._digests[holder]
        self._update(gone, -1.0)

    def scores(self, holder: Hashable) -> NDArray[np.float64]:
        """Return the (n, m) scores of a holder's works, shared between copies of one work.

        Raises:
            OptionError: The holder is not in the ledger.
        """
        digests = self._known(holder)
        features = np.stack([self._features[digest] for digest in digests])
        copies = np.array([self._copies[digest] for digest in digests])
        if self._solved is None:
            ridge = self._ridge * np.trace(self._gram) / len(self._gram)
            self._solved = solve(
                self._gram + ridge * np.eye(len(self._gram)), self.targets.T, assume_a="pos"
            )
        return np.asarray(features @ self._solved / copies[:, None])

    def credit(self) -> dict[Hashable, NDArray[np.float64]]:
        """Return the credit of each holder's works, (n,) each; see `shared_credit`."""
        if not self._digests:
            return {}
        scores = {holder: self.scores(holder) for holder in self._digests}
        ends = np.cumsum([len(part) for part in scores.values()])[:-1]
        credit = np.split(shared_credit(np.concatenate(list(scores.values()))), ends)
        return dict(zip(scores, credit, strict=True))

    def _known(self, holder: Hashable) -> tuple[str, ...]:
        if holder not in self._digests:
            raise OptionError(f"no holder {holder!r} in the ledger; there are {self.holders}")
        return self._digests[holder]

    def _update(self, rows: list[Features], sign: float) -> None:
        if not rows:
            return
        added = np.stack(rows)
        self._gram += sign * added.T @ added
        self._solved = None
