"""The recipe `cartoon`: the same concepts, drawn by eight emoji makers."""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np

from copyright_gym.art.emoji_works import MAKERS, emoji_works
from copyright_gym.art.finetune import FinetuneSettings
from copyright_gym.art.portrait import PORTRAIT
from copyright_gym.art.recipe import Recipe
from copyright_gym.art.studio import Collection
from copyright_gym.art.works import Works

ROUNDS: Final = 5
LOT_SIZE: Final = 24
HELD_OUT: Final = 40


def cartoon_collection() -> Collection:
    """Draw the collection.

    The held-out concepts are the same for all makers and never sold. Each maker sells the other
    concepts in an order of its own, so that the lots of a round differ in concepts.
    """
    drawn, concepts = emoji_works()
    sold = []
    for maker, works in zip(MAKERS, drawn, strict=True):
        keys = {
            index: hashlib.sha256(f"{maker.style} {concepts[index]}".encode()).digest()
            for index in range(HELD_OUT, len(concepts))
        }
        order = np.array(sorted(keys, key=keys.__getitem__), np.int64)
        sold.append(works.select(order))
    return Collection(
        holders=tuple(maker.holder for maker in MAKERS),
        lots=tuple(
            tuple(works.select(slice(start, start + LOT_SIZE)) for works in sold)
            for start in range(0, ROUNDS * LOT_SIZE, LOT_SIZE)
        ),
        held_out=Works.join(works.select(slice(HELD_OUT)) for works in drawn),
    )


CARTOON: Final = Recipe(
    name="cartoon",
    title="Eight makers of emoji",
    about="The same concepts, drawn by these makers. The held-out concepts are never sold.",
    collection=cartoon_collection,
    replay=PORTRAIT.replay,
    facts={**PORTRAIT.facts, "lot": LOT_SIZE, "held_out_a_holder": HELD_OUT},
    base=None,
    base_pack="portrait",
    base_about=f"It is that of `portrait`, and has seen no emoji. {PORTRAIT.base_about}",
    settings=FinetuneSettings(epochs=8.0, lr=5e-4),
    packages=(*PORTRAIT.packages, "pillow"),
    sources=tuple(maker.package for maker in MAKERS),
)
