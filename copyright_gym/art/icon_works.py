"""Colour icons with their names as captions, by makers none of whom is a holder of a pack."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from copyright_gym.art.iconify import icon_svg
from copyright_gym.art.near_duplicates import Seen
from copyright_gym.art.rasterise import rasterise
from copyright_gym.art.source_package import SourcePackage
from copyright_gym.art.works import Works


def _icons(style: str, version: str, sha256: str) -> SourcePackage:
    return SourcePackage("npm", f"@iconify-json/{style}", version, sha256)


# Sets of things and signs, not of brands: a brand's name doesn't say what its logo shows.
TRAINING_SETS: Final = (
    _icons(
        "icon-park", "1.2.4", "c1a25212a31602aca93c3fa6f6b3288e89b9d7811afc132dfd78506e9d586b6f"
    ),
    _icons(
        "meteocons", "1.2.4", "1c0b49c6375c0e35c3ed65db6e41e9811a0cbd2368c13ee27f870f60c6185ff0"
    ),
    _icons(
        "material-icon-theme",
        "1.2.70",
        "311f01d2090c3fc9c2d02f2cf20e794b5674ea65712ecfec0d6d464d9e7227d0",
    ),
)
VALIDATION_SET: Final = _icons(
    "marketeq", "1.2.2", "80070c7b0fb41ed5198ecadb9145984d2221b975bb9e0f52f563beb241d549cb"
)
TEST_SET: Final = _icons(
    "flat-color-icons", "1.2.3", "d8878a9b0f02d749bc8671eb7d47882eb711185cbcefbb365cbfb488773c4786"
)
ALL_SETS: Final = (*TRAINING_SETS, VALIDATION_SET, TEST_SET)


def icon_works(package: SourcePackage) -> Works:
    """Draw the icons of a set: one for each caption, none nearly equal to another.

    The order is that of the hashes of the captions: random, and the same everywhere.
    """
    files = dict(package.files())
    icons = json.loads(files["package/icons.json"])
    names: dict[str, str] = {}
    for name in sorted(icons["icons"]):
        names.setdefault(_caption(name), name)
    names.pop("", None)
    seen = Seen()
    images: list[NDArray[np.uint8]] = []
    captions: list[str] = []
    for caption in sorted(names, key=lambda text: hashlib.sha256(text.encode()).digest()):
        try:
            image = rasterise(icon_svg(icons, names[caption]))
        except ValueError:  # refused by the rasteriser
            continue
        if seen.holds(image):
            continue
        seen.add(image)
        images.append(image)
        captions.append(caption)
    return Works(np.stack(images), tuple(captions))


def _caption(name: str) -> str:
    """Return the words of an icon's name, without numbers and single letters."""
    return " ".join(word for word in re.findall("[a-z]+", name.lower()) if len(word) > 1)
