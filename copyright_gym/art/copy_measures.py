"""Measures of how alike two works are: the metric's parts, and plain ones to compare with."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from copyright_gym.art.autoencoder import to_tensor
from copyright_gym.art.copy_trials import Trials
from copyright_gym.art.features import EfficientNetStages, pooled_features
from copyright_gym.art.similarity import Similarity

PARTS: Final = ("semantic", "perceptual")
PLAIN: Final = ("pixel L2", "SSIM", "pooled features", "LPIPS-style stages")
_AT_ONCE: Final = 256


def measure(similarity: Similarity, trials: Trials) -> dict[str, NDArray[np.float64]]:
    """Score all trials by each of `PARTS` and `PLAIN`, higher = more alike; (k, n) each."""
    k, n = trials.candidates.shape[:2]
    semantic, perceptual = similarity(trials.works, trials.candidates)
    works = to_tensor(np.tile(trials.works, (k, 1, 1, 1)))
    candidates = to_tensor(trials.candidates.reshape(k * n, *trials.works.shape[1:]))
    with torch.no_grad():
        parts = [
            _plain(*pair)
            for pair in zip(works.split(_AT_ONCE), candidates.split(_AT_ONCE), strict=True)
        ]
    plain = torch.cat(parts, dim=1).reshape(len(PLAIN), k, n).double().numpy()
    return {
        "semantic": semantic,
        "perceptual": perceptual,
        **dict(zip(PLAIN, plain, strict=True)),
    }


def _plain(first: Tensor, second: Tensor) -> Tensor:
    """Return (4, n) likeness by each of `PLAIN`."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    structural = structural_similarity_index_measure(
        second, first, data_range=2.0, reduction="none"
    )
    if isinstance(structural, tuple):
        raise TypeError("torchmetrics returned more than the index")
    return torch.stack(
        [
            -(first - second).flatten(1).norm(dim=1),
            structural.reshape(len(first)),
            torch.cosine_similarity(pooled_features(first), pooled_features(second)),
            -EfficientNetStages().distance(first, second),
        ]
    )
