"""Copyright loss: how closely generated works reproduce the works of a holder.

Both parts are similarities in [0, 1]: 1 is identity, 0 is what two unrelated works score.
Source: arXiv:2410.20180 weighs a semantic and a perceptual part; the measures are ours.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from copyright_gym.art.alignment import aligned_variants
from copyright_gym.art.autoencoder import to_tensor
from copyright_gym.art.embeddings import Embedding, both_embeddings
from copyright_gym.art.near_duplicates import same_picture
from copyright_gym.errors import OptionError

Images = NDArray[np.uint8]
Values = NDArray[np.float64]

_TINY: Final = 1e-6  # squared distances below this are rounding


class Similarity:
    """Semantic and perceptual similarity of a holder's works and generated works.

    Works of one holder look alike, so a plain distance can't tell a copy from one more work in
    the same hand. What counts is the ratio r = d(work, generated) / min d(look-alike, generated)
    over other works of the holder; a similarity is 1 - r / r0, at least 0, r0 being the mean
    ratio of works by other holders, which are unrelated. All works are compared in the best of
    some alignments (`aligned_variants`). A look-alike that shows the same picture as the work
    isn't another work and is left out.

    Source of the ratio: Carlini et al., arXiv:2301.13188, section 4.2, divide by the mean
    distance to the n nearest works for the same reason; n = 1 and the calibration are ours.

    Args:
        look_alikes: (m, S, S, 3) uint8 works of the holder that no model was fine-tuned on.
        unrelated: (u, S, S, 3) uint8 works of other holders.
        semantic: An embedding or the name of one, see `semantic_embedding`.
        perceptual: An embedding or the name of one, see `perceptual_embedding`.

    Raises:
        OptionError: If a part is unknown, or there are fewer than two look-alikes.
        MissingWeightsError: If a backbone's weights are not on this machine.
    """

    def __init__(
        self,
        look_alikes: Images,
        unrelated: Images,
        semantic: str | Embedding = "efficientnet-lite0",
        perceptual: str | Embedding = "efficientnet-lite0",
    ) -> None:
        """Measure what unrelated works score."""
        self.embeddings = both_embeddings(semantic, perceptual)
        if len(look_alikes) < 2:
            raise OptionError(
                f"similarity needs two or more other works of the holder, got {len(look_alikes)}"
            )
        self.look_alikes = look_alikes
        # Kept for all calls: 30 kB a look-alike and alignment, but 2 MB with LPIPS on VGG-16.
        self._references = self._embedded(look_alikes)
        others = ~same_picture(look_alikes, look_alikes)
        self.unrelated_ratios = tuple(
            float(_ratios(distances, distances, others).mean())
            for distances in _nearest(self._references, self.embeddings(to_tensor(unrelated)))
        )

    def __call__(self, works: Images, generated: Images) -> tuple[Values, Values]:
        """Compare each work with the works that were generated for it.

        Args:
            works: (n, S, S, 3) uint8.
            generated: (k, n, S, S, 3) uint8, k works generated for each.

        Returns:
            Semantic and perceptual similarities, each (k, n) in [0, 1].
        """
        k, n = generated.shape[:2]
        flat = generated.reshape(k * n, *generated.shape[2:])
        others = ~same_picture(works, self.look_alikes)
        own = np.arange(n)
        targets = self.embeddings(to_tensor(flat))
        semantic, perceptual = (
            _calibrated(
                _ratios(to_works, to_others, others).reshape(n, k, n)[own, :, own].T, unrelated
            )
            for to_works, to_others, unrelated in zip(
                _nearest(self._embedded(works), targets),
                _nearest(self._references, targets),
                self.unrelated_ratios,
                strict=True,
            )
        )
        return semantic, perceptual

    def _embedded(self, works: Images) -> list[list[Tensor]]:
        """Return, for each alignment and part, the (n, d) embeddings of n works."""
        return [self.embeddings(variant) for variant in aligned_variants(to_tensor(works))]


def _nearest(aligned: list[list[Tensor]], targets: list[Tensor]) -> list[Values]:
    """Return, for each part, (n, m) distances of n works at their best alignment and m targets."""
    parts = zip(*aligned, strict=True)
    return [
        np.asarray(
            torch.stack([_squared(works, target) for works in part]).amin(dim=0).double().numpy()
        )
        for part, target in zip(parts, targets, strict=True)
    ]


def _squared(first: Tensor, second: Tensor) -> Tensor:
    """Return (n, m) squared Euclidean distances of (n, d) and (m, d) embeddings."""
    lengths = first.square().sum(dim=1)[:, None] + second.square().sum(dim=1)
    distances = lengths - 2 * first @ second.T
    return torch.where(distances < _TINY, 0.0, distances)


def _ratios(to_works: Values, to_others: Values, others: NDArray[np.bool_]) -> Values:
    """Divide distances by those of the nearest look-alike.

    Args:
        to_works: (n, m) distances of n works and m generated works.
        to_others: (l, m) distances of look-alikes and generated works.
        others: (n, l), which look-alikes are other works than a work.
    """
    nearest = np.array([to_others[row].min(axis=0, initial=np.inf) for row in others])
    return np.asarray(to_works / np.maximum(nearest, _TINY))


def _calibrated(ratios: Values, unrelated: float) -> Values:
    return np.clip(1 - ratios / unrelated, 0.0, 1.0)
