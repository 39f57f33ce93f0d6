"""Works: images with captions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

IMAGE_SIZE: Final = 32


@dataclass(frozen=True)
class Works:
    """Images with their captions.

    Attributes:
        images: (n, S, S, 3) uint8, white background; S = `IMAGE_SIZE` in the embedded packs.
        captions: n captions.
    """

    images: NDArray[np.uint8]
    captions: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of works."""
        return len(self.captions)

    def select(self, index: slice | NDArray[np.int64]) -> Works:
        """Return the works at `index`."""
        chosen = np.arange(len(self))[index]
        return Works(self.images[chosen], tuple(self.captions[i] for i in chosen))

    @staticmethod
    def join(parts: Iterable[Works]) -> Works:
        """Return all works of `parts` in order."""
        parts = list(parts)
        if not parts:
            return Works(np.zeros((0, IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8), ())
        return Works(
            np.concatenate([part.images for part in parts]),
            tuple(caption for part in parts for caption in part.captions),
        )

    def digest(self) -> str:
        """Return the SHA-256 of images and captions, which names this set of works."""
        digest = hashlib.sha256(np.ascontiguousarray(self.images).tobytes())
        digest.update("\n".join(self.captions).encode())
        return digest.hexdigest()

    def digests(self) -> tuple[str, ...]:
        """Return the SHA-256 of each work's image and caption; exact duplicates share theirs."""
        return tuple(self.select(np.array([i])).digest() for i in range(len(self)))
