"""Features of works on disk: computed once a work, appended as works come."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from copyright_gym.pack_files import npz_bytes, sha256
from copyright_gym.whole_file import write_whole

Features = NDArray[np.float64]


class FeatureStore:
    """A folder of npz files that hold a row of features under each work's digest.

    Each call that computes anything adds one file; no file is ever changed.

    Args:
        folder: Where the files are; made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        """Read the rows that are there."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._rows: dict[str, Features] = {}
        for path in sorted(folder.glob("*.npz")):
            with np.load(path, allow_pickle=False) as rows:
                self._rows.update(rows)

    def __len__(self) -> int:
        """Return the number of works."""
        return len(self._rows)

    def rows(
        self, digests: Sequence[str], compute: Callable[[NDArray[np.int64]], Features]
    ) -> Features:
        """Return the features of works; those that are not stored yet are computed and stored.

        Args:
            digests: n digests, equal only for equal works.
            compute: Returns the (k, d) features of the works at k positions, each work once.

        Returns:
            (n, d) float64.
        """
        missing: dict[str, int] = {}
        for i, digest in enumerate(digests):
            if digest not in self._rows:
                missing.setdefault(digest, i)
        if missing:
            computed = compute(np.array(list(missing.values())))
            self._store(dict(zip(missing, computed, strict=True)))
        return np.stack([self._rows[digest] for digest in digests])

    def _store(self, rows: Mapping[str, Features]) -> None:
        name = sha256("".join(rows).encode())[:16]
        write_whole(self._folder / f"{name}.npz", npz_bytes(rows))
        self._rows.update(rows)
