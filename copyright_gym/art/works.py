"""Works: images with captions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

IMAGE_SIZE: Final = 32


def uncropped(count: int, size: int) -> NDArray[np.int64]:
    """Return the (count, 4) framing of uncropped squares of `size` pixels, as in `Works`."""
    return np.tile(np.array([[size, size, 0, 0]], np.int64), (count, 1))


@dataclass(frozen=True)
class Works:
    """Images with their captions.

    Attributes:
        images: (n, S, S, 3) uint8, white background; S = `IMAGE_SIZE` in the embedded packs.
        captions: n captions.
        framing: (n, 4) int64: height and width of the original, then top and left of the cut-out
            after the original was scaled, all in pixels; by default those of uncropped squares.
    """

    images: NDArray[np.uint8]
    captions: tuple[str, ...]
    framing: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 4), np.int64))

    def __post_init__(self) -> None:
        """Fill in the default."""
        if not len(self.framing):
            object.__setattr__(self, "framing", self._uncropped())

    def _uncropped(self) -> NDArray[np.int64]:
        return uncropped(len(self), self.images.shape[1])

    def __len__(self) -> int:
        """Return the number of works."""
        return len(self.captions)

    def select(self, index: slice | NDArray[np.int64]) -> Works:
        """Return the works at `index`."""
        chosen = np.arange(len(self))[index]
        captions = tuple(self.captions[i] for i in chosen)
        return Works(self.images[chosen], captions, self.framing[chosen])

    @staticmethod
    def join(parts: Iterable[Works]) -> Works:
        """Return all works of `parts` in order."""
        parts = list(parts)
        if not parts:
            return Works(np.zeros((0, IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8), ())
        return Works(
            np.concatenate([part.images for part in parts]),
            tuple(caption for part in parts for caption in part.captions),
            np.concatenate([part.framing for part in parts]),
        )

    def digest(self) -> str:
        """Return the SHA-256 of all that is known of these works, which names the set."""
        digest = hashlib.sha256(np.ascontiguousarray(self.images).tobytes())
        digest.update("\n".join(self.captions).encode())
        if not np.array_equal(self.framing, self._uncropped()):
            digest.update(self.framing.astype("<i8").tobytes())
        return digest.hexdigest()

    def digests(self) -> tuple[str, ...]:
        """Return the SHA-256 of each work's image and caption; exact duplicates share theirs."""
        return tuple(self.select(np.array([i])).digest() for i in range(len(self)))
