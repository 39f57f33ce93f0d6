"""Fréchet distance between sets of works, through torchmetrics."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from copyright_gym.art.autoencoder import to_tensor
from copyright_gym.art.features import pooled_features
from copyright_gym.art.published_weights import require_weights
from copyright_gym.errors import OptionError

AXES: Final = 64
_INCEPTION_BATCH: Final = 32


class PrincipalAxes(nn.Module):
    """EfficientNet-lite0 pooled features on the leading principal axes of reference works.

    A full 1,280-dimensional covariance can't be estimated from some hundred works; on 64 axes it
    can. The axes are those of the reference (held-out) works and stay fixed.

    Args:
        reference: (n, 1280) features of the reference works.
        axes: How many principal axes to keep.
    """

    def __init__(self, reference: Tensor, axes: int = AXES) -> None:
        """Fit the axes."""
        super().__init__()
        self.num_features = axes
        self.mean = reference.double().mean(dim=0)
        _, _, basis = torch.linalg.svd(reference.double() - self.mean, full_matrices=False)
        # Fix the sign of each axis, so that equal data give equal bits.
        peaks = basis[:axes].abs().argmax(dim=1)
        self.basis = basis[:axes] * basis[torch.arange(axes), peaks].sign()[:, None]

    def project(self, features: Tensor) -> Tensor:
        """Return (n, axes) float64 coordinates of (n, 1280) features."""
        coordinates: Tensor = (features.double() - self.mean) @ self.basis.T
        return coordinates

    def forward(self, images: Tensor) -> Tensor:
        """Return (n, axes) coordinates of (n, 3, S, S) uint8 images."""
        return self.project(pooled_features(images.float() / 127.5 - 1))


class FrechetDistance:
    """Distance from generated works to a fixed reference set.

    Args:
        reference: (n, S, S, 3) uint8 held-out works.
        feature: `efficientnet-lite0` (needs no download) or `fid` (Inception-v3, the published
            FID; its weights must be in the torch hub's checkpoint folder).
        device: Where Inception-v3 computes.

    Raises:
        OptionError: If `feature` is unknown.
        MissingWeightsError: If the weights of Inception-v3 are not on this machine.
    """

    def __init__(
        self,
        reference: NDArray[np.uint8],
        feature: str = "efficientnet-lite0",
        device: torch.device | str = "cpu",
    ) -> None:
        """Measure the reference works once."""
        from torchmetrics.image.fid import FrechetInceptionDistance

        network: Any
        if feature == "efficientnet-lite0":
            network = PrincipalAxes(pooled_features(to_tensor(reference)))
        elif feature == "fid":
            require_weights("Inception-v3")
            network = 2048
        else:
            raise OptionError(f"unknown feature {feature!r}; known: 'efficientnet-lite0', 'fid'")
        self.metric = FrechetInceptionDistance(network, reset_real_features=False)
        self.metric.set_dtype(torch.float64)
        self._inception = feature == "fid"
        if self._inception:
            self.metric.to(device)
        self._update(reference, real=True)

    def __call__(self, images: NDArray[np.uint8]) -> float:
        """Return the distance of (n, S, S, 3) uint8 images to the reference."""
        self.metric.reset()
        self._update(images, real=False)
        return float(self.metric.compute())

    def _update(self, images: NDArray[np.uint8], real: bool) -> None:
        planar = _planar(images)
        # Inception-v3 enlarges works to 299 px: all at once would not fit into a GPU.
        for part in planar.split(_INCEPTION_BATCH if self._inception else len(planar)):
            self.metric.update(part.to(self.metric.device), real=real)


def _planar(images: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).contiguous()
