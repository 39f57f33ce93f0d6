"""Does the copyright metric rise with memorisation? Long fine-tuning on a few works."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch

from copyright_gym.art.adapters import set_weights
from copyright_gym.art.finetune import RoundTraining, finetune
from copyright_gym.art.lot_scores import generations
from copyright_gym.art.similarity import Similarity
from copyright_gym.art.studio import Studio

_SEED: Final = 11


def memorisation_curve(
    studio: Studio,
    similarity: Similarity,
    holder: int,
    works: int,
    steps: Sequence[int],
    seeds: int,
) -> list[dict[str, Any]]:
    """Fine-tune the base model on a few works, in stages, and score it after each.

    Scores the works that it was trained on and as many other works of the holder, each compared
    with what the model draws from their own captions.

    Args:
        studio: The studio; its settings but for the number of steps.
        similarity: The holder's measure.
        holder: Index of the holder.
        works: Number of works trained on: the first of the holder's first lot. The held-out
            works are as many of its last lot.
        steps: Total steps after each stage, rising. The first entry comes before any training
            if it is 0.
        seeds: Works drawn a caption.

    Returns:
        For each stage: steps, and mean of the two parts over works and seeds on the works
        trained on (`seen`) and the others (`held_out`), with its standard deviation between seeds.
    """
    chosen = slice(0, works)
    groups = {
        "seen": (studio.collection.lots[0][holder], studio.lot_sets[0][holder]),
        "held_out": (studio.collection.lots[-1][holder], studio.lot_sets[-1][holder]),
    }
    training_set = groups["seen"][1][chosen]
    weights = studio.base_weights
    rows: list[dict[str, Any]] = []
    for stage, (before, after) in enumerate(zip([0, *steps], steps, strict=False)):
        if after > before:
            training = RoundTraining(
                studio.pipeline,
                weights,
                training_set,
                studio.base_set,
                works,
                studio.settings,
                torch.Generator().manual_seed(_SEED + stage),
            )
            training.total = after - before
            weights = finetune(training)
        set_weights(studio.pipeline.unet, weights)
        row: dict[str, Any] = {"steps": after}
        for name, (lot, lot_set) in groups.items():
            drawn = generations(studio, lot_set.conditions[chosen], seeds, _SEED)
            parts = similarity(lot.images[chosen], drawn)
            row[name] = round(float(np.mean(parts)), 6)
            row[f"{name}_seed_std"] = round(float(np.std(np.mean(parts, axis=(0, 2)), ddof=1)), 6)
        rows.append(row)
    return rows
