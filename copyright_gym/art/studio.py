"""The studio: a data set's works, the base model and the measurement, ready for rounds.

Everything that doesn't change between rounds (latents, text conditions, sampling noise, the
reference features) is computed once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from copyright_gym.art.adapters import (
    Weights,
    add_adapters,
    has_adapters,
    read_weights,
    set_weights,
)
from copyright_gym.art.autoencoder import decode, encode
from copyright_gym.art.diffusion import Conditions, condition, micro_conditions
from copyright_gym.art.distance import FrechetDistance
from copyright_gym.art.finetune import FinetuneSettings, RoundTraining, TrainingSet, finetune
from copyright_gym.art.sampling import DEFAULT_SAMPLING, Sampling, generate_latents
from copyright_gym.art.works import Works
from copyright_gym.errors import OptionError
from copyright_gym.pack import Holder

_CAPTIONS_AT_ONCE: Final = 64
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
        pipeline: The base model, loaded for the settings' method and precision; with `lora` its
            UNet gets adapters.
        collection: Lots and held-out works.
        base_works: Works that the base model was trained on; none if `base_share` is 0.
        settings: How a round trains.
        feature: Feature network of the distance, see `FrechetDistance`.
        sampling: How works are drawn.

    Raises:
        OptionError: `base_share` is above 0 and there are no base works.
    """

    def __init__(
        self,
        pipeline: Any,
        collection: Collection,
        base_works: Works,
        settings: FinetuneSettings,
        feature: str = "efficientnet-lite0",
        sampling: Sampling = DEFAULT_SAMPLING,
    ) -> None:
        """Encode all works and captions once."""
        self.pipeline = pipeline
        self.collection = collection
        self.settings = settings
        self.sampling = sampling
        if settings.method == "lora" and not has_adapters(pipeline.unet):
            add_adapters(pipeline.unet, settings.lora_rank)
        self.base_weights: Weights = read_weights(pipeline.unet)
        self.lot_sets = [[self._training_set(lot) for lot in lots] for lots in collection.lots]
        if settings.base_share and not len(base_works):
            raise OptionError("base_share must be 0 where no works of the base model are known")
        nothing = self.lot_sets[0][0][:0]
        self.base_set = self._training_set(base_works) if len(base_works) else nothing
        self.distance = FrechetDistance(
            collection.held_out.images, feature, device=pipeline.unet.device
        )
        self.conditions = self._conditions(collection.held_out)
        generator = torch.Generator().manual_seed(_NOISE_SEED)
        shape = (len(self.conditions), *self.base_set.latents.shape[1:])
        self.noise = torch.randn(shape, generator=generator)

    @torch.no_grad()
    def _conditions(self, works: Works) -> Conditions:
        sizes = micro_conditions(works.framing, works.images.shape[1])
        # On a CPU all at once: the last bits of a matrix product depend on the batch.
        on_cpu = self.pipeline.text_encoder.device.type == "cpu"
        at_once = len(works) if on_cpu else _CAPTIONS_AT_ONCE
        parts = [
            condition(self.pipeline, works.captions[start : start + at_once], part)
            for start, part in zip(range(0, len(works), at_once), sizes.split(at_once), strict=True)
        ]
        return Conditions.join(parts).to(torch.device("cpu"))

    def _training_set(self, works: Works) -> TrainingSet:
        return TrainingSet(encode(self.pipeline.vae, works.images), self._conditions(works))

    def training(
        self, weights: Weights, history: Sequence[Sequence[int]], seed: int
    ) -> RoundTraining:
        """Set up the training of the last round of `history`; see `train_round`."""
        t = len(history) - 1
        licensed = TrainingSet.join(
            [self.lot_sets[s][i] for s, members in enumerate(history) for i in members]
        )
        return RoundTraining(
            self.pipeline,
            weights,
            licensed,
            self.base_set,
            sum(len(self.lot_sets[t][i]) for i in history[t]),
            self.settings,
            torch.Generator().manual_seed(round_seed(history, seed)),
        )

    def train_round(
        self,
        weights: Weights,
        history: Sequence[Sequence[int]],
        seed: int,
        checkpoint: Path | None = None,
        progress: bool = False,
    ) -> Weights:
        """Return the weights after the last round of `history`.

        Args:
            weights: Weights before that round.
            history: For each round so far, the indices of the holders that accepted.
            seed: Seed of the training run; the round's own seed is derived from it.
            checkpoint: Where unfinished steps are kept, see `finetune`.
            progress: Whether to show a progress bar.
        """
        if not history[-1]:
            return weights
        return finetune(self.training(weights, history, seed), checkpoint, progress=progress)

    def generate(self, conditions: Conditions, noise: Tensor) -> NDArray[np.uint8]:
        """Return (n, S, S, 3) uint8 works drawn by the UNet as it is."""
        latents = generate_latents(self.pipeline, conditions, noise, sampling=self.sampling)
        return decode(self.pipeline.vae, latents)

    def samples(self, weights: Weights) -> NDArray[np.uint8]:
        """Return (n, S, S, 3) uint8 works generated from the held-out captions."""
        set_weights(self.pipeline.unet, weights)
        return self.generate(self.conditions, self.noise)

    def measure(self, weights: Weights) -> float:
        """Return the Fréchet distance of generated works to the held-out works."""
        return self.distance(self.samples(weights))


def round_seed(history: Sequence[Sequence[int]], seed: int) -> int:
    """Return the seed of a round: a hash of what was bought so far and the run's seed."""
    text = json.dumps([[sorted(members) for members in history], seed])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
