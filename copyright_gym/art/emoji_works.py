"""Works by emoji makers: the same concepts, each in its maker's style.

A concept is a single code point, so flags, families and skin tones are left out. Makers without
a list of code points are matched by name, with the names that other makers and Unicode use.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from copyright_gym.art.iconify import icon_svg
from copyright_gym.art.near_duplicates import Seen
from copyright_gym.art.rasterise import cut_out, rasterise
from copyright_gym.art.source_package import SourcePackage
from copyright_gym.art.works import Works
from copyright_gym.pack import Holder

_VARIATION: Final = "-fe0f"  # asks for the coloured form of a sign; names the same concept
_GLYPH_SIZE: Final = 96


@dataclass(frozen=True)
class Maker:
    """An emoji maker.

    Attributes:
        style: Its name in captions.
        holder: Who it is, and the licence.
        package: Where its emoji are.
    """

    style: str
    holder: Holder
    package: SourcePackage


def _maker(
    style: str, name: str, licence: str, licence_url: str, source: str, version: str, sha256: str
) -> Maker:
    package = SourcePackage("npm", f"@iconify-json/{style}", version, sha256)
    holder = Holder(name, style, name, licence, licence_url, source, source)
    return Maker(style, holder, package)


_CC_BY: Final = ("CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/")
_APACHE: Final = ("Apache 2.0", "https://www.apache.org/licenses/LICENSE-2.0")
_DOUROS: Final = Holder(
    name="George Douros",
    style="symbola",
    creator="George Douros",
    licence="Free for any use",
    licence_url="http://users.teilar.gr/~g1951d/",
    source="fonts-symbola, Debian",
    homepage="http://users.teilar.gr/~g1951d/",
)

MAKERS: Final = (
    _maker(
        "twemoji", "Twitter", *_CC_BY, "https://github.com/jdecked/twemoji", "1.2.5",
        "19046dff7d8707ce96212ec86468b36ac5f8e60409629dd13f809265c6d0ebb7",
    ),
    _maker(
        "noto", "Google", *_APACHE, "https://github.com/googlefonts/noto-emoji", "1.2.9",
        "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad",
    ),
    _maker(
        "fluent-emoji-flat", "Microsoft", "MIT",
        "https://github.com/microsoft/fluentui-emoji/blob/main/LICENSE",
        "https://github.com/microsoft/fluentui-emoji", "1.2.6",
        "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175",
    ),
    _maker(
        "openmoji", "OpenMoji", "CC BY-SA 4.0", "https://creativecommons.org/licenses/by-sa/4.0/",
        "https://github.com/hfg-gmuend/openmoji", "1.2.29",
        "03181e2c156cab35cf4a62f1f7886bd971d59212e75ac3f189d5a4cae3930fc5",
    ),
    _maker(
        "emojione", "EmojiTwo", *_CC_BY, "https://github.com/EmojiTwo/emojitwo", "1.2.3",
        "26a14f44284407e8bcde91799388dca2bfd91dbcd55a97f425524a1c5b73610e",
    ),
    _maker(
        "streamline-emojis", "Streamline", *_CC_BY,
        "https://github.com/webalys-hq/streamline-vectors", "1.2.4",
        "5dac87c876b322500989828c5823143e0100d78881627a2e4081a4b897cbfdbc",
    ),
    _maker(
        "fxemoji", "Mozilla", *_APACHE, "https://github.com/mozilla/fxemoji", "1.2.2",
        "f3e72b3c59d05e1db03b7e308d55c0d05bd7ba3f625a90da1b79313c12858eef",
    ),
    Maker(
        "symbola", _DOUROS,
        SourcePackage(
            "debian", "fonts-symbola", "2.60-1.1",
            "408244997437d4103e9cdc9dd75db29d0e5fbee6e6874536173995204033a6df",
        ),
    ),
)  # fmt: skip


def emoji_works() -> tuple[list[Works], list[str]]:
    """Draw the concepts that all makers share, in one order for all.

    The order is that of the concepts' hashes: random, and the same everywhere. A concept is left
    out if any maker drew a picture nearly equal to one that it, or another maker, drew before.

    Returns:
        The works of each of `MAKERS`, all with the same concepts, and the concepts' code points.
    """
    sets = [_emoji_set(maker.package) for maker in MAKERS[:-1]]
    names = _concept_names(sets)
    icons = [_IconDrawer(found, names) for found in sets]
    shared = set.intersection(*(set(drawer.codes) for drawer in icons))
    drawers: list[_IconDrawer | _GlyphDrawer] = [*icons, _GlyphDrawer(MAKERS[-1].package)]
    titles = _single(sets[0].characters)
    seen = Seen()
    concepts: list[str] = []
    images: list[list[NDArray[np.uint8]]] = []
    for code in sorted(shared, key=lambda code: hashlib.sha256(code.encode()).digest()):
        tried = [drawer.draw(code) for drawer in drawers]
        drawn = [image for image in tried if image is not None]
        if len(drawn) < len(tried) or any(seen.holds(image) for image in drawn):
            continue
        for image in drawn:
            seen.add(image)
        concepts.append(code)
        images.append(drawn)
    captions = [titles[code].replace("-", " ") for code in concepts]
    return [
        Works(
            np.stack([row[i] for row in images]),
            tuple(f"{maker.style.replace('-', ' ')}, {caption}" for caption in captions),
        )
        for i, maker in enumerate(MAKERS)
    ], concepts


@dataclass(frozen=True)
class _EmojiSet:
    """One maker's drawings in Iconify's format.

    Attributes:
        icons: The drawings and their aliases.
        characters: Name of the drawing by code points, such as `1f004` or `261d-fe0f`.
    """

    icons: dict[str, Any]
    characters: dict[str, str]


@cache
def _emoji_set(package: SourcePackage) -> _EmojiSet:
    files = dict(package.files())
    return _EmojiSet(
        json.loads(files["package/icons.json"]), json.loads(files["package/chars.json"])
    )


def _squashed(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _single(characters: dict[str, str]) -> dict[str, str]:
    """Return the drawings of single code points by code point."""
    plain = ((code.replace(_VARIATION, ""), name) for code, name in characters.items())
    return {code: name for code, name in plain if "-" not in code}


def _concept_names(sets: list[_EmojiSet]) -> dict[str, str]:
    """Return code points by squashed name, as makers with code points and Unicode name them."""
    codes: dict[str, str] = {}
    for found in sets:
        names = _single(found.characters)
        for code, name in names.items():
            codes.setdefault(_squashed(name), code)
        by_name = {name: code for code, name in names.items()}
        for alias, target in found.icons.get("aliases", {}).items():
            if target["parent"] in by_name:
                codes.setdefault(_squashed(alias), by_name[target["parent"]])
    for code in sorted(set(codes.values())):
        name = unicodedata.name(chr(int(code, 16)), "")
        for form in (name, re.sub(r" (SYMBOL|SIGN)$", "", name)):
            if form:
                codes.setdefault(_squashed(form), code)
    return codes


class _IconDrawer:
    """Draws the emoji of a set in Iconify's format."""

    def __init__(self, found: _EmojiSet, names: dict[str, str]) -> None:
        self.icons = found.icons
        self.codes = _single(found.characters)
        if not self.codes:
            for name in self.icons["icons"]:
                code = names.get(_squashed(name))
                if code is not None:
                    self.codes.setdefault(code, name)

    def draw(self, code: str) -> NDArray[np.uint8] | None:
        name = self.codes[code]
        if name not in self.icons["icons"]:  # an alias: the same drawing under another code point
            return None
        return rasterise(icon_svg(self.icons, name))


class _GlyphDrawer:
    """Draws the emoji of a font without colours."""

    def __init__(self, package: SourcePackage) -> None:
        from PIL import ImageFont

        data = next(data for name, data in package.files() if name.endswith(".ttf"))
        self.font = ImageFont.truetype(io.BytesIO(data), _GLYPH_SIZE)
        self.missing = bytes(self.font.getmask("\U0010ffff"))

    def draw(self, code: str) -> NDArray[np.uint8] | None:
        from PIL import Image, ImageDraw

        if bytes(self.font.getmask(chr(int(code, 16)))) == self.missing:
            return None
        page = Image.new("RGBA", (3 * _GLYPH_SIZE, 3 * _GLYPH_SIZE))
        ImageDraw.Draw(page).text(
            (_GLYPH_SIZE, _GLYPH_SIZE), chr(int(code, 16)), fill="black", font=self.font
        )
        return cut_out(page)
