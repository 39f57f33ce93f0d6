from __future__ import annotations

import dataclasses
from typing import Any, cast

import numpy as np
import pytest
import torch
from tiny_studio import make_studio

from copyright_gym.art.adapters import set_weights
from copyright_gym.art.finetune import RoundTraining
from copyright_gym.art.memorisation import memorisation_curve
from copyright_gym.art.sampling import Sampling

STEPS = (0, 3, 4)


def _nearness(works: Any, drawn: Any) -> tuple[Any, Any]:
    """Stands for `Similarity`: two parts, each (seeds, works)."""
    difference = np.abs(drawn.astype(float) - works).mean(axis=(2, 3, 4)) / 255
    return 1 - difference, np.square(1 - difference)


def test_curve_is_the_mean_of_both_parts_after_so_many_steps() -> None:
    # With these settings 3 steps, turned into epochs and back, would be 4.
    studio = make_studio(batch=4, base_share=0.2, lr=0.2)  # so that 3 steps differ from 4
    studio.sampling = Sampling(steps=2)
    holder, works, seeds = 1, 2, 2
    curve = memorisation_curve(studio, cast("Any", _nearness), holder, works, STEPS, seeds)

    weights, before = studio.base_weights, 0
    for stage, (row, steps) in enumerate(zip(curve, STEPS, strict=True)):
        if steps:
            training = RoundTraining(
                studio.pipeline,
                weights,
                studio.lot_sets[0][holder][:works],
                studio.base_set,
                works,
                dataclasses.replace(studio.settings, epochs=99.0),
                torch.Generator().manual_seed(11 + stage),
            )
            for _ in range(steps - before):
                training.step()
            weights, before = training.finish(), steps
        set_weights(studio.pipeline.unet, weights)
        assert row["steps"] == steps
        for name, lot in (("seen", 0), ("held_out", 1)):
            conditions = studio.lot_sets[lot][holder].conditions[:works]
            images = studio.collection.lots[lot][holder].images
            generator = torch.Generator().manual_seed(11)
            by_seed = []
            for _ in range(seeds):
                noise = torch.randn((works, *studio.noise.shape[1:]), generator=generator)
                drawn = studio.generate(conditions, noise)
                scores = []
                for work, image in zip(images[:works], drawn, strict=True):
                    alike = 1 - np.abs(work.astype(float) - image).mean() / 255
                    scores.append((alike + alike**2) / 2)
                by_seed.append(sum(scores) / works)
            mean = sum(by_seed) / seeds
            spread = (sum((x - mean) ** 2 for x in by_seed) / (seeds - 1)) ** 0.5
            assert row[name] == pytest.approx(mean, abs=1e-6)
            assert row[f"{name}_seed_std"] == pytest.approx(spread, abs=1e-6)
    assert len({row["seen"] for row in curve}) == len(STEPS)
