"""The copyright loss of each lot, really measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from copyright_gym.art.adapters import set_weights
from copyright_gym.art.similarity import Similarity
from copyright_gym.art.studio import Studio
from copyright_gym.art.whole_file import write_whole

_GENERATIONS: Final = 2  # works generated a caption
_SEED: Final = 7


def copyright_scores(studio: Studio, folder: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Measure how closely a model fine-tuned on a lot reproduces it.

    For each lot: fine-tune the base model on it alone, generate from its captions, compare each
    work with what its caption gave. Finished lots are stored in `folder` and not measured again.

    Returns:
        Semantic and perceptual similarity per lot, each (T, H) float64 in [0, 1].
    """
    folder.mkdir(parents=True, exist_ok=True)
    lots = studio.collection.lots
    held_out = studio.collection.held_out.images
    groups = np.split(held_out, len(studio.collection.holders))
    similarity = Similarity(list(groups))
    scores = np.zeros((2, len(lots), len(lots[0])))
    for t, row in enumerate(lots):
        for i in range(len(row)):
            path = folder / f"lot_{t}_{i}.json"
            if not path.exists():
                write_whole(path, json.dumps(_lot_similarity(studio, similarity, t, i)))
            scores[:, t, i] = json.loads(path.read_text())
    return scores[0], scores[1]


def _lot_similarity(studio: Studio, similarity: Similarity, t: int, i: int) -> list[float]:
    history = ((),) * t + ((i,),)
    set_weights(studio.pipeline.unet, studio.train_round(studio.base_weights, history, seed=_SEED))
    lot, lot_set = studio.collection.lots[t][i], studio.lot_sets[t][i]
    generator = torch.Generator().manual_seed(_SEED)
    parts = []
    for _ in range(_GENERATIONS):
        noise = torch.randn(lot_set.latents.shape, generator=generator)
        parts.append(similarity(lot.images, studio.generate(lot_set.conditions, noise)))
    semantic, perceptual = np.mean(parts, axis=(0, 2))
    return [float(semantic), float(perceptual)]
