"""The `portrait` data set: eight illustrators, the collection and the studio around it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from copyright_gym.art.base_model import base_works
from copyright_gym.art.diffusion import load_pipeline
from copyright_gym.art.finetune import FinetuneSettings
from copyright_gym.art.studio import Collection, Studio
from copyright_gym.art.works import HOLDER_STYLES, Works, draw_works, style_holder

ROUNDS: Final = 5
LOT_SIZE: Final = 32
HELD_OUT_A_HOLDER: Final = 64
REPLAY_A_STYLE: Final = 48


def portrait_collection() -> Collection:
    """Draw the collection: held-out works and five disjoint lots a holder."""
    drawn = [draw_works(style, HELD_OUT_A_HOLDER + ROUNDS * LOT_SIZE) for style in HOLDER_STYLES]
    return Collection(
        holders=tuple(style_holder(style) for style in HOLDER_STYLES),
        lots=tuple(
            tuple(works.select(slice(start, start + LOT_SIZE)) for works in drawn)
            for start in range(HELD_OUT_A_HOLDER, HELD_OUT_A_HOLDER + ROUNDS * LOT_SIZE, LOT_SIZE)
        ),
        held_out=Works.join(works.select(slice(HELD_OUT_A_HOLDER)) for works in drawn),
    )


def portrait_studio(
    base: Path, settings: FinetuneSettings, feature: str = "efficientnet-lite0"
) -> Studio:
    """Set up the studio of `portrait`.

    Args:
        base: Folder of the base model.
        settings: How a round trains.
        feature: Feature network of the distance, see `FrechetDistance`.
    """
    return Studio(
        load_pipeline(base), portrait_collection(), base_works(REPLAY_A_STYLE), settings, feature
    )
