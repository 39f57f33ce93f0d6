"""The scores that set prices: copyright loss and contribution of each lot, really measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from copyright_gym.art.adapters import set_weights
from copyright_gym.art.finetune import TrainingSet
from copyright_gym.art.sampling import generate_latents
from copyright_gym.art.similarity import Similarity
from copyright_gym.art.studio import Studio
from copyright_gym.art.whole_file import write_whole

_GENERATIONS: Final = 2  # works generated a caption
_SEED: Final = 7
_TARGETS_A_HOLDER: Final = 16


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


def contribution_scores(studio: Studio, path: Path) -> NDArray[np.float64]:
    """Attribute what the fully licensed model draws to the lots, by D-TRAK.

    The model is fine-tuned on everything over all rounds and draws works from held-out captions.
    Each of these hands out the same credit, split between the training works in proportion to
    their attributions; negative ones count as 0. A lot's contribution is the credit of its works.
    The result is normalised to mean 1 over the lots and stored at `path`.

    Returns:
        (T, H) float64, mean 1.
    """
    from copyright_gym.art.attribution import attribution_scores

    if path.exists():
        return np.array(json.loads(path.read_text()))
    rounds, holders = len(studio.lot_sets), len(studio.lot_sets[0])
    weights = studio.base_weights
    for t in range(rounds):
        weights = studio.train_round(weights, ((*range(holders),),) * (t + 1), seed=_SEED)
    set_weights(studio.pipeline.unet, weights)
    works = TrainingSet.join([lot for row in studio.lot_sets for lot in row])
    per_holder = len(studio.conditions) // holders
    targets = min(_TARGETS_A_HOLDER, per_holder)
    chosen = torch.cat([torch.arange(targets) + i * per_holder for i in range(holders)])
    conditions = studio.conditions[chosen]
    latents = generate_latents(
        studio.pipeline, conditions, studio.noise[chosen], sampling=studio.sampling
    )
    scores = attribution_scores(
        studio.pipeline, weights, works, TrainingSet(latents, conditions), seed=_SEED
    )
    sizes = [len(lot) for row in studio.lot_sets for lot in row]
    credit = shared_credit(scores)
    sums = [part.sum() for part in np.split(credit, np.cumsum(sizes)[:-1])]
    contribution = np.array(sums).reshape(rounds, holders)
    contribution = np.asarray(contribution / contribution.mean())
    write_whole(path, json.dumps(contribution.tolist()))
    return contribution


def shared_credit(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share one unit of credit a target between the works it is attributed to.

    Args:
        scores: (n, m) attributions of m targets to n works.

    Returns:
        (n,) credit of each work; sums to the number of targets with a positive attribution.
    """
    positive = np.maximum(scores, 0.0)
    totals = positive.sum(axis=0)
    shares = np.divide(positive, totals, out=np.zeros_like(positive), where=totals > 0)
    return np.asarray(shares.sum(axis=1))
