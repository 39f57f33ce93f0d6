"""Works drawn with DiceBear: avatars that illustrators published for that library."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from copyright_gym.art.rasterise import rasterise
from copyright_gym.art.works import IMAGE_SIZE, Works
from copyright_gym.pack import Holder

COLOUR_NAMES: Final = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "gray": (128, 128, 128),
    "red": (220, 40, 40),
    "orange": (240, 140, 50),
    "yellow": (250, 220, 90),
    "green": (70, 170, 90),
    "cyan": (100, 210, 210),
    "blue": (70, 100, 220),
    "purple": (140, 80, 200),
    "pink": (245, 150, 180),
    "tan": (235, 195, 155),
    "brown": (150, 95, 60),
    "dark": (80, 50, 35),
}

# Components whose variant decides what a viewer sees first; the rest stays out of the caption.
_TOLD_PARTS: Final = ("hair", "top", "eyes", "mouth", "glasses", "accessories", "clothes", "head")
_TOLD_COLOURS: Final = ("skin", "base", "body", "hair", "top", "clothes", "clothing", "shirt")


def _styles_folder() -> Path:
    import dicebear_styles

    return Path(next(iter(dicebear_styles.__path__)))


def known_styles() -> list[str]:
    """Return the names of all styles in the installed DiceBear collection."""
    return sorted(path.stem for path in _styles_folder().glob("*.json"))


@cache
def _definition(style: str) -> dict[str, Any]:
    path = _styles_folder() / f"{style}.json"
    definition: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return definition


@cache
def _style(style: str) -> Any:
    from dicebear import Style

    return Style(_definition(style))


def style_holder(style: str) -> Holder:
    """Return the creator of a DiceBear style with licence and source, from the style's metadata."""
    meta = _definition(style)["meta"]
    licence, source, creator = meta["license"], meta["source"], meta["creator"]
    return Holder(
        name=creator["name"],
        style=style,
        creator=creator["name"],
        licence=licence["name"],
        licence_url=licence["url"],
        source=source.get("url", source["name"]),
        homepage=creator.get("url", ""),
    )


def colour_name(hex_colour: str) -> str:
    """Return the name in `COLOUR_NAMES` that is nearest to `#rrggbb` in RGB."""
    rgb = [int(hex_colour[i : i + 2], 16) for i in (1, 3, 5)]
    return min(
        COLOUR_NAMES,
        key=lambda name: sum((x - y) ** 2 for x, y in zip(rgb, COLOUR_NAMES[name], strict=True)),
    )


def _spaced(variant: str) -> str:
    text = re.sub(r"variant0*", "", variant)
    text = re.sub(r"(?<=[a-z])(?=[A-Z0-9])", " ", text)
    return text.lower()


def caption_of(style: str, options: dict[str, Any]) -> str:
    """Return a caption from the parts and colours that a work was really drawn with.

    Args:
        style: DiceBear style, for example `micah`.
        options: The resolved options of the avatar.
    """
    words = [style.replace("-", " ")]
    for part in _TOLD_COLOURS:
        colours = options.get(f"{part}Color")
        if colours:
            words.append(f"{colour_name(colours[0])} {part}")
    for part in _TOLD_PARTS:
        variant = options.get(f"{part}Variant")
        if variant and len(_definition(style)["components"][part]["variants"]) > 1:
            words.append(f"{part} {_spaced(variant)}")
    return ", ".join(words)


def draw_works(style: str, count: int, at_least: int | None = None) -> Works:
    """Draw `count` different works of a DiceBear style.

    Seeds run upwards from 0; a work that repeats an earlier image is left out, so any two slices
    of the result are disjoint.

    Args:
        style: DiceBear style, for example `micah`.
        count: How many works to return.
        at_least: Accept this many if the style has no more; all of `count` by default.

    Raises:
        ValueError: If the style has too few different works.
    """
    from dicebear import Avatar

    images: list[NDArray[np.uint8]] = []
    captions: list[str] = []
    seen: set[bytes] = set()
    for seed in range(4 * count):
        avatar = Avatar(_style(style), {"seed": str(seed), "size": IMAGE_SIZE}).to_json()
        image = rasterise(avatar["svg"])
        key = image.tobytes()
        if key in seen:
            continue
        seen.add(key)
        images.append(image)
        captions.append(caption_of(style, avatar["options"]))
        if len(images) == count:
            break
    if len(images) < (count if at_least is None else at_least):
        raise ValueError(
            f"style {style!r} gave only {len(images)} different works in {4 * count} seeds, "
            f"{count} were asked for; ask for fewer works"
        )
    return Works(np.stack(images), tuple(captions))
