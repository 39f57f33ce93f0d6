"""Measures of how alike two works are: the metric's parts, and plain ones to compare with."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from copyright_gym.art.autoencoder import to_tensor
from copyright_gym.art.copy_trials import Trials
from copyright_gym.art.features import EfficientNetStages, pooled_features, stage_distance
from copyright_gym.art.similarity import Similarity

PARTS: Final = ("semantic", "perceptual")
PLAIN: Final = ("pixel L2", "SSIM", "pooled features", "LPIPS-style stages")


def measure(similarity: Similarity, trials: Trials) -> dict[str, NDArray[np.float64]]:
    """Score all trials by each of `PARTS` and `PLAIN`, higher = more alike; (k, n) each."""
    semantic, perceptual = similarity(trials.works, trials.candidates)
    works = to_tensor(trials.works)
    with torch.no_grad():
        pooled, stages = pooled_features(works), EfficientNetStages()(works)
        plain = torch.stack(
            [
                _plain(works, pooled, stages, to_tensor(candidates))
                for candidates in trials.candidates
            ],
            dim=1,
        )
    return {
        "semantic": semantic,
        "perceptual": perceptual,
        **dict(zip(PLAIN, plain.double().numpy(), strict=True)),
    }


def _plain(works: Tensor, pooled: Tensor, stages: list[Tensor], candidates: Tensor) -> Tensor:
    """Return (4, n) likeness of n works and candidates by each of `PLAIN`."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    structural = structural_similarity_index_measure(
        candidates, works, data_range=2.0, reduction="none"
    )
    if isinstance(structural, tuple):
        raise TypeError("torchmetrics returned more than the index")
    return torch.stack(
        [
            -(works - candidates).flatten(1).norm(dim=1),
            structural.reshape(len(works)),
            torch.cosine_similarity(pooled, pooled_features(candidates)),
            -stage_distance(stages, EfficientNetStages()(candidates)),
        ]
    )
