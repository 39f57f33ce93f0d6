"""The recipe `clipart`: eight artists of Openclipart, two of them with small lots."""

from __future__ import annotations

from typing import Final

from copyright_gym.art.clipart_works import ARTISTS, OPENCLIPART, artist_holder, artist_works
from copyright_gym.art.finetune import FinetuneSettings
from copyright_gym.art.portrait import PORTRAIT
from copyright_gym.art.recipe import Recipe
from copyright_gym.art.studio import Collection
from copyright_gym.art.works import Works

ROUNDS: Final = 5
LOT_SIZE: Final = 24
HELD_OUT_A_HOLDER: Final = 40


def clipart_collection() -> Collection:
    """Draw the collection. An artist with too few works for full lots sells equal smaller ones."""
    drawn = list(artist_works().values())
    sizes = [min(LOT_SIZE, (len(works) - HELD_OUT_A_HOLDER) // ROUNDS) for works in drawn]
    starts = [[HELD_OUT_A_HOLDER + t * size for size in sizes] for t in range(ROUNDS)]
    return Collection(
        holders=tuple(artist_holder(artist) for artist in ARTISTS),
        lots=tuple(
            tuple(
                works.select(slice(start, start + size))
                for works, start, size in zip(drawn, row, sizes, strict=True)
            )
            for row in starts
        ),
        held_out=Works.join(works.select(slice(HELD_OUT_A_HOLDER)) for works in drawn),
    )


CLIPART: Final = Recipe(
    name="clipart",
    title="Eight artists of clip art",
    about="Works that these artists gave to Openclipart. Two of them have few, so small lots.",
    collection=clipart_collection,
    replay=PORTRAIT.replay,
    facts={**PORTRAIT.facts, "lot": LOT_SIZE, "held_out_a_holder": HELD_OUT_A_HOLDER},
    base=None,
    base_pack="portrait",
    base_about=f"It is that of `portrait`, and has seen no clip art. {PORTRAIT.base_about}",
    settings=FinetuneSettings(epochs=8.0, lr=5e-4),
    packages=(*PORTRAIT.packages, "pillow"),
    sources=(OPENCLIPART,),
)
