"""Trials of copy detection: works of one holder, copies of them, and negatives that look alike.

Works come from the last round's lots: the first half of a lot to choose on (validation), the
second half to report on (test). The model that redraws and draws again was fine-tuned on the
first round's lots only. Works that show nearly the same picture as one of those, and test works
that show the same as a validation work, are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from copyright_gym.art.autoencoder import to_tensor
from copyright_gym.art.copies import graded_copies, image_to_image
from copyright_gym.art.features import pooled_features
from copyright_gym.art.lot_scores import generations
from copyright_gym.art.near_duplicates import same_picture
from copyright_gym.art.studio import Studio
from copyright_gym.errors import OptionError

Images = NDArray[np.uint8]

SPLITS: Final = ("validation", "test")
SAME_PICTURE: Final = "same picture"  # no negative: nearly equal works that a holder sells twice
NEGATIVES: Final = ("caption", "nearest", "holder", "concept")
_SEED: Final = 20180


@dataclass(frozen=True)
class Trials:
    """Trials of n works of one holder.

    Attributes:
        works: (n, S, S, 3) uint8.
        candidates: (k, n, S, S, 3) uint8: the copies, then the negatives.
        transforms: Name of the transform of each copy, c of them.
        strengths: Strength of each copy in [0, 1].
        kinds: (k - c, n) kind of each negative: one of `NEGATIVES`, `SAME_PICTURE`, or "" if the
            holder's pack has no more.
    """

    works: Images
    candidates: Images
    transforms: tuple[str, ...]
    strengths: tuple[float, ...]
    kinds: NDArray[np.str_]


class TrialMaker:
    """Makes trials. The studio's UNet must be the model that draws.

    Args:
        studio: The studio.
        sources: Works a holder and split, at most half a lot.
        negatives: Negatives of each kind a work.
    """

    def __init__(self, studio: Studio, sources: int, negatives: int) -> None:
        """Gather all works on sale and their features."""
        lots = studio.collection.lots
        self.studio, self.sources, self.negatives = studio, sources, negatives
        trained_on = [lot.images for lot in lots[0]]
        chosen_on = [lot.images[: len(lot) // 2] for lot in lots[-1]]
        self._known = {
            "validation": np.concatenate(trained_on),
            "test": np.concatenate(trained_on + chosen_on),
        }
        sold = [(i, lot) for row in lots for i, lot in enumerate(row)]
        self.images = np.concatenate([lot.images for _, lot in sold])
        self.holders = np.repeat([i for i, _ in sold], [len(lot) for _, lot in sold])
        # A caption is the holder's style, a comma, and the concept; "" where no comma tells it.
        self.concepts = np.array(
            [caption.partition(", ")[2] for _, lot in sold for caption in lot.captions]
        )
        features = torch.nn.functional.normalize(pooled_features(to_tensor(self.images)), dim=1)
        self.features = features.numpy()

    def trials(self, split: str, holder: int) -> Trials:
        """Return the trials of one holder; the same split and holder give the same trials.

        Raises:
            OptionError: All works of the holder's last lot show pictures that were seen before.
        """
        seed = [_SEED, SPLITS.index(split), holder]
        rng = np.random.default_rng(seed)
        generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
        studio = self.studio
        chosen = self.chosen(split, holder)
        first = len(self.images) - sum(len(lot) for lot in studio.collection.lots[-1][holder:])
        own = first + chosen
        conditions = studio.lot_sets[-1][holder].conditions[torch.from_numpy(chosen)]
        works = self.images[own]
        strangers = rng.choice(np.flatnonzero(self.holders != holder), len(own), replace=False)
        copies = graded_copies(works, self.images[strangers], rng)
        copies += image_to_image(studio.pipeline, works, conditions, studio.sampling, generator)
        drawn = generations(studio, conditions, self.negatives, int(rng.integers(2**31)))
        found, kinds = self._negatives(own, holder, rng)
        return Trials(
            works,
            np.concatenate([*(copy.images[None] for copy in copies), drawn, found]),
            tuple(copy.transform for copy in copies),
            tuple(copy.strength for copy in copies),
            np.concatenate([np.full(drawn.shape[:2], "caption"), kinds]),
        )

    def chosen(self, split: str, holder: int) -> NDArray[np.int64]:
        """Return which works of the holder's last lot are tried; see `trials`."""
        images = self.studio.collection.lots[-1][holder].images
        half = len(images) // 2
        start = SPLITS.index(split) * half
        known = same_picture(images[start : start + half], self._known[split]).any(axis=1)
        chosen = start + np.flatnonzero(~known)[: self.sources]
        if not len(chosen):
            raise OptionError(
                f"holder {self.studio.collection.holders[holder].name!r} has no {split} work that "
                "shows a new picture: the last lot needs works that differ from those of the first "
                "round and from one another; build the pack with more rounds or other works"
            )
        return chosen

    def _negatives(
        self, own: NDArray[np.int64], holder: int, rng: np.random.Generator
    ) -> tuple[Images, NDArray[np.str_]]:
        """Find works on sale that are negatives of the works `own`."""
        same = same_picture(self.images[own], self.images)
        nearness = self.features[own] @ self.features.T
        nearness[np.arange(len(own)), own] = -np.inf
        columns: list[list[tuple[int, str]]] = []
        for work, nearest, duplicates in zip(own, nearness, same, strict=True):
            column = [
                (j, SAME_PICTURE if duplicates[j] else "nearest")
                for j in np.argsort(-nearest)[: self.negatives]
            ]
            siblings = np.flatnonzero((self.holders == holder) & ~duplicates)
            siblings = siblings[siblings != work]
            count = min(self.negatives, len(siblings))
            column += [(j, "holder") for j in rng.choice(siblings, count, replace=False)]
            column += [(work, "")] * (self.negatives - count)
            # Without a concept in the caption nobody can say who drew the same.
            alike = (self.concepts == self.concepts[work]) & (self.concepts != "")
            twins = np.flatnonzero((self.holders != holder) & alike & ~duplicates)
            twins = rng.permutation(twins)[: self.negatives]
            column += [(j, "concept") for j in twins]
            column += [(work, "")] * (self.negatives - len(twins))
            columns.append(column)
        table = np.array([[j for j, _ in column] for column in columns]).T
        kinds = np.array([[kind for _, kind in column] for column in columns]).T
        some = (kinds != "").any(axis=1)
        return self.images[table[some]], kinds[some]
