"""The recipe `portrait`: eight illustrators who published styles for the DiceBear library."""

from __future__ import annotations

import functools
from typing import Final

from copyright_gym.art.base_model import BaseTraining
from copyright_gym.art.dicebear_works import draw_works, known_styles, style_holder
from copyright_gym.art.recipe import Recipe
from copyright_gym.art.studio import Collection
from copyright_gym.art.works import Works

# One style a holder.
HOLDER_STYLES: Final = (
    "big-ears", "big-smile", "micah", "personas", "toon-head", "croodles", "lorelei", "notionists",
)  # fmt: skip
# Figures and faces by creators who are none of the eight holders.
BASE_STYLES: Final = (
    "avataaars", "avataaars-neutral", "open-peeps", "bottts", "bottts-neutral", "dylan",
    "miniavs", "pixel-art", "pixel-art-neutral", "thumbs", "clay", "cutouts", "critters",
    "cameo", "voxel-art", "voxel-bot", "shadows", "fun-emoji", "gaze", "line-face",
    "initial-face", "sprouts", "moods",
)  # fmt: skip
ROUNDS: Final = 5
LOT_SIZE: Final = 32
HELD_OUT_A_HOLDER: Final = 64
_BASE_WORKS_A_STYLE: Final = 400
_AUTOENCODER_WORKS_A_STYLE: Final = 200
_REPLAY_A_STYLE: Final = 48


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


def base_works(works_a_style: int = _BASE_WORKS_A_STYLE) -> Works:
    """Draw works of the styles that the base model learns from, at most so many a style."""
    return Works.join(draw_works(style, works_a_style, at_least=1) for style in BASE_STYLES)


def autoencoder_works() -> Works:
    """Draw the works for the autoencoder: every style whose creator is none of the holders."""
    creators = {style_holder(style).name for style in HOLDER_STYLES}
    styles = [style for style in known_styles() if style_holder(style).name not in creators]
    return Works.join(draw_works(style, _AUTOENCODER_WORKS_A_STYLE, at_least=1) for style in styles)


PORTRAIT: Final = Recipe(
    name="portrait",
    title="Eight illustrators of portraits",
    about="Drawn from styles that these illustrators published for the DiceBear library.",
    collection=portrait_collection,
    replay=functools.partial(base_works, _REPLAY_A_STYLE),
    facts={
        "lot": LOT_SIZE,
        "held_out_a_holder": HELD_OUT_A_HOLDER,
        "replayed_base_works_a_style": _REPLAY_A_STYLE,
    },
    base=BaseTraining(works=base_works, autoencoder_works=autoencoder_works),
    base_about="It was trained on other creators' styles.",
    packages=("dicebear-core", "dicebear-styles", "resvg-py"),
)
