"""The base model that `cartoon` and `clipart` share.

It starts from the base of `portrait` and learns from Openclipart's other artists and from styles
of the DiceBear library. No emoji maker and none of `clipart`'s holders is among them.
"""

from __future__ import annotations

from typing import Final

from copyright_gym.art.base_model import BaseTraining
from copyright_gym.art.clipart_works import other_works
from copyright_gym.art.dicebear_works import draw_works, known_styles
from copyright_gym.art.works import Works

_WORKS_A_STYLE: Final = 40
_REPLAYED_CLIPART: Final = 400
_REPLAYED_A_STYLE: Final = 4


def illustration_works() -> Works:
    """Draw the works that the base model learns from."""
    return Works.join([other_works(), *_avatars(_WORKS_A_STYLE)])


def replayed_illustrations() -> Works:
    """Draw those of the works that a round mixes into its batches."""
    return Works.join([other_works(_REPLAYED_CLIPART), *_avatars(_REPLAYED_A_STYLE)])


def _avatars(works_a_style: int) -> list[Works]:
    return [draw_works(style, works_a_style, at_least=1) for style in known_styles()]


ILLUSTRATION_BASE: Final = BaseTraining(
    works=illustration_works,
    autoencoder_works=illustration_works,
    start="portrait",
    autoencoder_steps=3000,
    autoencoder_lr=1e-3,
    decoder_steps=1500,
    decoder_cycles=1,
    unet_steps=14000,
    unet_lr=7e-4,
)
BASE_ABOUT: Final = (
    "It started from the base of `portrait` and learned from Openclipart's other artists and from "
    "styles of the DiceBear library."
)
BASE_FACTS: Final = {
    "replayed_clipart": _REPLAYED_CLIPART,
    "replayed_avatars_a_style": _REPLAYED_A_STYLE,
}
BASE_PACKAGES: Final = ("dicebear-core", "dicebear-styles", "resvg-py", "pillow")
