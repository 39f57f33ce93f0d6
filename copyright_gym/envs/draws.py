"""Where the randomness of many markets comes from: a generator for each."""

from __future__ import annotations

import numpy as np
from gymnasium.utils.seeding import np_random
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Normals per market that are drawn in one go; the stream of numbers stays the same.
_DRAWN_AHEAD = 64


class Draws:
    """A generator per market, and normals drawn ahead from each."""

    def __init__(self, n: int, normals: int) -> None:
        """Make n generators that are not seeded yet.

        Args:
            n: number of markets.
            normals: how many of them an episode needs.
        """
        self._generators: list[np.random.Generator | None] = [None] * n
        self._episodes = max(1, _DRAWN_AHEAD // normals)
        self._ahead = np.zeros((n, self._episodes, normals))
        self._used = np.full(n, self._episodes)

    def reseed(self, row: int, seed: int | None) -> bool:
        """Give a market a new generator if there is a seed for it, or if it has none yet.

        Args:
            row: the market.
            seed: the seed; None goes on with the market's generator.

        Returns:
            Whether the generator is a new one.
        """
        if seed is None and self._generators[row] is not None:
            return False
        self._generators[row] = np_random(seed)[0]
        self._used[row] = self._episodes
        return True

    def generator(self, row: int) -> np.random.Generator:
        """Return the generator of a market; one that is not seeded yet gets a random seed."""
        generator = self._generators[row]
        if generator is None:
            generator = self._generators[row] = np_random(None)[0]
        return generator

    def normals(self, rows: Ints) -> Floats:
        """Return the normals for the next episodes of some markets.

        Args:
            rows: int64 (k,), the markets.

        Returns:
            float64 (k, normals).
        """
        used = self._used[rows]
        empty = rows[used == self._episodes]
        for row in empty.tolist():
            self.generator(row).standard_normal(out=self._ahead[row])
        used %= self._episodes
        self._used[rows] = used + 1
        return np.asarray(self._ahead[rows, used])
