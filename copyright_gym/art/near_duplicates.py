"""Which works show the same picture? Found by comparing small versions of them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

NEAR: Final = 0.05  # root mean square difference, of colours in [0, 1], below which two are one


class Seen:
    """Pictures seen so far."""

    def __init__(self) -> None:
        """Start with none."""
        self._sketches = np.zeros((0, 0), np.float32)
        self._count = 0

    def holds(self, image: NDArray[np.uint8]) -> bool:
        """Tell whether a picture nearly equal to this (S, S, 3) image was added before."""
        return self.nearest(image) is not None

    def nearest(self, image: NDArray[np.uint8]) -> int | None:
        """Return which added picture is nearest to this (S, S, 3) image, if one nearly equals it.

        Returns:
            How many pictures were added before that one, or None.
        """
        if not self._count:
            return None
        differences = self._sketches[: self._count] - _sketch(image)
        squares = np.square(differences).mean(axis=1)
        index = int(squares.argmin())
        return index if squares[index] < NEAR**2 else None

    def add(self, image: NDArray[np.uint8]) -> None:
        """Remember a picture."""
        sketch = _sketch(image)
        if self._count == len(self._sketches):
            room = np.empty((max(64, self._count), len(sketch)), np.float32)
            self._sketches = np.concatenate([self._sketches.reshape(-1, len(sketch)), room])
        self._sketches[self._count] = sketch
        self._count += 1


def same_picture(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell which of n and m images, each (S, S, 3), are nearly equal: (n, m) bool."""
    one, two = (np.array([_sketch(image) for image in images]) for images in (first, second))
    rows = [np.square(two - sketch).mean(axis=1) < NEAR**2 for sketch in one]
    return np.array(rows, np.bool_).reshape(len(first), len(second))


def _sketch(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the image at half its size, flat, so that half a pixel's shift counts little."""
    half = image.shape[0] // 2
    cells = image[: 2 * half, : 2 * half].reshape(half, 2, half, 2, 3)
    return np.asarray(cells.mean(axis=(1, 3)).reshape(-1) / 255, np.float32)
