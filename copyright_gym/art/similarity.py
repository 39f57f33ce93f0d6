"""Copyright loss: how closely generated works reproduce the works of a lot.

Both parts are similarities in [0, 1]: 1 is identity, 0 is what two unrelated works score.
Source: arXiv:2410.20180 weighs a semantic and a perceptual part; the measures are ours.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from copyright_gym.art.autoencoder import to_tensor
from copyright_gym.art.features import EfficientNetStages, pooled_features
from copyright_gym.art.published_weights import require_weights
from copyright_gym.errors import OptionError

PerceptualDistance = Callable[[Tensor, Tensor], Tensor]

_LPIPS_BACKBONES: Final = {"alex": "AlexNet", "vgg": "VGG-16", "squeeze": "SqueezeNet"}
_LPIPS_SIZE: Final = 64  # the backbones need larger input than 32 px


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


def _perceptual_distance(name: str) -> PerceptualDistance:
    """Return a function from two batches of pixels in [-1, 1] to (n,) distances."""
    if name == "efficientnet-lite0":
        return EfficientNetStages().distance
    backbone = name.removeprefix("lpips-")
    if not name.startswith("lpips-") or backbone not in _LPIPS_BACKBONES:
        known = ", ".join(["efficientnet-lite0", *(f"lpips-{key}" for key in _LPIPS_BACKBONES)])
        raise OptionError(f"unknown perceptual distance {name!r}; known: {known}")
    require_weights(_LPIPS_BACKBONES[backbone])
    import lpips

    with warnings.catch_warnings():
        # lpips 0.1.4 asks torchvision for its backbones in a deprecated way.
        warnings.filterwarnings("ignore", "The parameter 'pretrained'", UserWarning)
        warnings.filterwarnings("ignore", "Arguments other than a weight enum", UserWarning)
        network = lpips.LPIPS(net=backbone, verbose=False).requires_grad_(False)

    def distance(first: Tensor, second: Tensor) -> Tensor:
        enlarged = (
            functional.interpolate(pixels, size=_LPIPS_SIZE, mode="bilinear")
            for pixels in (first, second)
        )
        values: Tensor = network(*enlarged).flatten()
        return values

    return distance


class Similarity:
    """Semantic and perceptual similarity of pairs of works.

    Semantic: cosine of centred EfficientNet-lite0 features. Perceptual: LPIPS, or an LPIPS-style
    distance over five stages of EfficientNet-lite0. Works by different holders count as unrelated.

    Args:
        unrelated: Groups of (n, S, S, 3) uint8 works, one group a holder, all of one size.
        perceptual: `efficientnet-lite0` (needs no download), `lpips-alex`, `lpips-vgg` or
            `lpips-squeeze` (the `lpips` package; its backbone's weights must be on this machine).

    Raises:
        OptionError: If `perceptual` is unknown.
        MissingWeightsError: If the backbone's weights are not on this machine.
    """

    def __init__(
        self, unrelated: list[NDArray[np.uint8]], perceptual: str = "efficientnet-lite0"
    ) -> None:
        """Measure the scale on works of different holders."""
        self.distance = _perceptual_distance(perceptual)
        pixels = [to_tensor(group) for group in unrelated]
        centre = pooled_features(torch.cat(pixels)).mean(dim=0)
        pairs = [
            self._distances(first, second, centre)
            for index, first in enumerate(pixels)
            for second in pixels[index + 1 :]
        ]
        semantic = torch.cat([pair[0] for pair in pairs]).mean()
        apart = torch.cat([pair[1] for pair in pairs]).mean()
        self.scale = SimilarityScale(centre, float(semantic), float(apart))

    @torch.no_grad()
    def _distances(self, first: Tensor, second: Tensor, centre: Tensor) -> tuple[Tensor, Tensor]:
        cosine = torch.cosine_similarity(
            pooled_features(first) - centre, pooled_features(second) - centre
        )
        return 1 - cosine, self.distance(first, second)

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
