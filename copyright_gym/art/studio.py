"""The studio: a data set's works, the base model and the measurement, ready for rounds.

Everything that doesn't change between rounds (latents, text conditions, sampling noise, the
reference features) is computed once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from copyright_gym.art.autoencoder import decode, encode
from copyright_gym.art.diffusion import condition, generate_latents
from copyright_gym.art.distance import FrechetDistance
from copyright_gym.art.finetune import FinetuneSettings, TrainingSet, Weights, finetune
from copyright_gym.art.works import Works
from copyright_gym.pack import Holder

_NOISE_SEED: Final = 20180  # one fixed noise for all measurements: common random numbers


@dataclass(frozen=True)
class Collection:
    """What the holders offer and what quality is measured against.

    Attributes:
        holders: H holders.
        lots: `lots[t][i]` are the works that holder i offers in round t.
        held_out: Works of all holders that are never sold.
    """

    holders: tuple[Holder, ...]
    lots: tuple[tuple[Works, ...], ...]
    held_out: Works


class Studio:
    """Fine-tunes and measures.

    Args:
        pipeline: The base model.
        collection: Lots and held-out works.
        base_works: Works that the base model was trained on.
        settings: How a round trains.
        feature: Feature network of the distance, see `FrechetDistance`.
    """

    def __init__(
        self,
        pipeline: Any,
        collection: Collection,
        base_works: Works,
        settings: FinetuneSettings,
        feature: str = "efficientnet-lite0",
    ) -> None:
        """Encode all works and captions once."""
        self.pipeline = pipeline
        self.collection = collection
        self.settings = settings
        self.base_weights: Weights = {k: v.clone() for k, v in pipeline.unet.state_dict().items()}
        self.base_set = self._training_set(base_works)
        self.lot_sets = [[self._training_set(lot) for lot in lots] for lots in collection.lots]
        self.distance = FrechetDistance(collection.held_out.images, feature)
        with torch.no_grad():
            self.conditions = condition(pipeline, collection.held_out.captions)
        generator = torch.Generator().manual_seed(_NOISE_SEED)
        shape = (len(self.conditions), *self.base_set.latents.shape[1:])
        self.noise = torch.randn(shape, generator=generator)

    @torch.no_grad()
    def _training_set(self, works: Works) -> TrainingSet:
        return TrainingSet(
            encode(self.pipeline.vae, works.images), condition(self.pipeline, works.captions)
        )

    def train_round(self, weights: Weights, history: Sequence[Sequence[int]], seed: int) -> Weights:
        """Return the weights after the last round of `history`.

        Args:
            weights: Weights before that round.
            history: For each round so far, the indices of the holders that accepted.
            seed: Seed of the training run; the round's own seed is derived from it.
        """
        coalition = history[-1]
        if not coalition:
            return weights
        licensed = TrainingSet.join(
            [self.lot_sets[t][i] for t, members in enumerate(history) for i in members]
        )
        new_works = sum(len(self.lot_sets[len(history) - 1][i]) for i in coalition)
        generator = torch.Generator().manual_seed(round_seed(history, seed))
        return finetune(
            self.pipeline, weights, licensed, self.base_set, new_works, self.settings, generator
        )

    def samples(self, weights: Weights) -> NDArray[np.uint8]:
        """Return (n, S, S, 3) uint8 works generated from the held-out captions."""
        self.pipeline.unet.load_state_dict(weights)
        latents = generate_latents(self.pipeline, self.conditions, self.noise)
        return decode(self.pipeline.vae, latents)

    def measure(self, weights: Weights) -> float:
        """Return the Fréchet distance of generated works to the held-out works."""
        return self.distance(self.samples(weights))


def round_seed(history: Sequence[Sequence[int]], seed: int) -> int:
    """Return the seed of a round: a hash of what was bought so far and the run's seed."""
    text = json.dumps([[sorted(members) for members in history], seed])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
