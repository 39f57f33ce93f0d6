"""Copyright loss: how closely generated works reproduce the works of a lot.

Both parts are similarities in [0, 1]: 1 is identity, 0 is what two unrelated works score.
Source: arXiv:2410.20180 weighs a semantic and a perceptual part; the measures are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from copyright_gym.art.autoencoder import to_tensor
from copyright_gym.art.features import EfficientNetStages, pooled_features


@dataclass(frozen=True)
class SimilarityScale:
    """What two unrelated works score, which both parts call 0.

    Attributes:
        centre: (1280,) mean pooled feature; directions from it say what a work shows.
        semantic: Mean cosine distance of unrelated works.
        perceptual: Mean LPIPS-style distance of unrelated works.
    """

    centre: Tensor
    semantic: float
    perceptual: float


class Similarity:
    """Semantic and perceptual similarity of pairs of works.

    Semantic: cosine of centred EfficientNet-lite0 features. Perceptual: LPIPS-style distance over
    five stages of the same network. Works by different holders count as unrelated.

    Args:
        unrelated: Groups of (n, S, S, 3) uint8 works, one group a holder, all of one size.
    """

    def __init__(self, unrelated: list[NDArray[np.uint8]]) -> None:
        """Measure the scale on works of different holders."""
        self.stages = EfficientNetStages()
        pixels = [to_tensor(group) for group in unrelated]
        centre = pooled_features(torch.cat(pixels)).mean(dim=0)
        pairs = [
            self._distances(first, second, centre)
            for index, first in enumerate(pixels)
            for second in pixels[index + 1 :]
        ]
        semantic = torch.cat([semantic for semantic, _ in pairs]).mean()
        perceptual = torch.cat([perceptual for _, perceptual in pairs]).mean()
        self.scale = SimilarityScale(centre, float(semantic), float(perceptual))

    @torch.no_grad()
    def _distances(self, first: Tensor, second: Tensor, centre: Tensor) -> tuple[Tensor, Tensor]:
        cosine = torch.cosine_similarity(
            pooled_features(first) - centre, pooled_features(second) - centre
        )
        return 1 - cosine, self.stages.distance(first, second)

    def __call__(
        self, works: NDArray[np.uint8], generated: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compare works and generated works pair by pair.

        Args:
            works: (n, S, S, 3) uint8.
            generated: (n, S, S, 3) uint8.

        Returns:
            Semantic and perceptual similarities, each (n,) in [0, 1].
        """
        semantic, perceptual = self._distances(
            to_tensor(works), to_tensor(generated), self.scale.centre
        )
        return (
            (1 - semantic / self.scale.semantic).clamp(0, 1).double().numpy(),
            (1 - perceptual / self.scale.perceptual).clamp(0, 1).double().numpy(),
        )
