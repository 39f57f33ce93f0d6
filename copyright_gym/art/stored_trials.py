"""Trials of copy detection that are drawn once and kept."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from copyright_gym.art.adapters import Weights, set_weights
from copyright_gym.art.copy_trials import TrialMaker, Trials
from copyright_gym.art.studio import Studio
from copyright_gym.pack_files import npz_bytes
from copyright_gym.whole_file import write_whole

TRAINING_SEED: Final = 0


class StoredTrials:
    """The trials of a studio, made when first asked for.

    Args:
        studio: The studio.
        sources: Works a holder and split, at most half a lot.
        negatives: Negatives of each kind a work.
        folder: Where trials are kept.
    """

    def __init__(self, studio: Studio, sources: int, negatives: int, folder: Path) -> None:
        self.studio, self.sources, self.negatives = studio, sources, negatives
        self.folder = folder

    def __call__(self, split: str, holder: int) -> Trials:
        """Return the trials of one holder, see `TrialMaker`."""
        path = self.folder / f"{split}_{holder}.npz"
        if not path.exists():
            set_weights(self.studio.pipeline.unet, self._weights)
            trials = self._maker.trials(split, holder)
            write_whole(path, npz_bytes({name: np.array(x) for name, x in vars(trials).items()}))
        with np.load(path) as stored:
            return Trials(
                stored["works"],
                stored["candidates"],
                tuple(stored["transforms"].tolist()),
                tuple(stored["strengths"].tolist()),
                stored["kinds"],
            )

    @cached_property
    def _weights(self) -> Weights:
        everyone = (tuple(range(len(self.studio.collection.holders))),)
        return self.studio.train_round(self.studio.base_weights, everyone, seed=TRAINING_SEED)

    @cached_property
    def _maker(self) -> TrialMaker:
        return TrialMaker(self.studio, self.sources, self.negatives)
