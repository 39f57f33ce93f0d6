"""Works of Openclipart: clip art that its artists put into the public domain.

They come from Debian's package `openclipart-svg`; titles, keywords, artists and licences stand in
the drawings themselves.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from typing import Final

import numpy as np
from numpy.typing import NDArray

from copyright_gym.art.near_duplicates import Seen
from copyright_gym.art.rasterise import rasterise_cut_out
from copyright_gym.art.source_package import SourcePackage
from copyright_gym.art.works import Works
from copyright_gym.pack import Holder

OPENCLIPART: Final = SourcePackage(
    "debian", "openclipart-svg", "1:0.18+dfsg-19",
    "989712d90d57dfa3230049f553bb43b76c30ee4d4b8c5f6e106e33f7db5cbdc5",
)  # fmt: skip
# The holders of `clipart` and how their names, in all spellings, can be told.
ARTISTS: Final = {
    "Danny Allen": "danny allen",
    "Nicu Buculei": "buculei",
    "Gerald G.": "gerald g",
    "Jose Hevia": "hevia",
    "Francesco Rollandin": "rollandin",
    "Jean-Victor Balin": "balin",
    "Andy Fitzsimon": "fitzsimon",
    "Juliane Krug": "krug",
}
_LEFT_OUT: Final = re.compile(r"card|button|flag|shapes/stars/|special/|led_", re.IGNORECASE)
_PUBLIC_DOMAIN: Final = "http://web.resource.org/cc/PublicDomain"
_PREFIX: Final = "usr/share/openclipart/svg/"
_LARGEST: Final = 400_000  # bytes; larger drawings are photographs traced by a machine
_DC: Final = "{http://purl.org/dc/elements/1.1/}"
_RDF: Final = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_DULL: Final = {"hash", "unsorted", "clip", "art", "clipart", "svg", "computer", "icon", "icons"}
_FLAT: Final = 8.0  # standard deviation of the colours, of 255, below which nothing can be seen


@dataclass(frozen=True)
class Drawing:
    """A drawing with what its metadata say.

    Attributes:
        path: Where it is in the collection.
        svg: The drawing.
        title: Its title; often that of a series.
        keywords: Its keywords.
        creator: Who drew it.
    """

    path: str
    svg: str
    title: str
    keywords: tuple[str, ...]
    creator: str


def artist_holder(artist: str) -> Holder:
    """Return an artist of Openclipart as a holder."""
    return Holder(
        name=artist,
        style=artist.lower().replace(".", "").replace(" ", "-"),
        creator=artist,
        licence="Public domain",
        licence_url="https://creativecommons.org/licenses/publicdomain/",
        source="Openclipart 0.18",
        homepage="https://openclipart.org/",
    )


@cache
def artist_works() -> dict[str, Works]:
    """Draw all different works of each of `ARTISTS`.

    A work is left out if it is nearly equal to one drawn before, whoever it is by. The order is
    that of the hashes of the paths: random, and the same everywhere.
    """
    seen = Seen()
    return {
        artist: _draw([d for d in clipart_drawings() if key in d.creator.lower()], seen, artist)
        for artist, key in ARTISTS.items()
    }


@cache
def clipart_drawings() -> tuple[Drawing, ...]:
    """Read the drawings of the collection that can serve as works, in the order of their hashes."""
    drawings = []
    for name, data in OPENCLIPART.files():
        path = name.removeprefix(_PREFIX)
        if not path.endswith(".svg") or len(data) > _LARGEST or _LEFT_OUT.search(path):
            continue
        drawing = read_drawing(path, data.decode("utf-8", "replace"))
        if drawing is not None and not _LEFT_OUT.search(drawing.title):
            drawings.append(drawing)
    return tuple(sorted(drawings, key=lambda d: hashlib.sha256(d.path.encode()).digest()))


def read_drawing(path: str, svg: str) -> Drawing | None:
    """Read the metadata of a drawing; None if it is damaged or not in the public domain."""
    if _PUBLIC_DOMAIN not in svg:
        return None
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError:
        return None
    creator = next(root.iter(f"{_DC}creator"), None)
    subject = root.iter(f"{_DC}subject")
    return Drawing(
        path=path,
        svg=svg,
        title=(next((title.text or "" for title in root.iter(f"{_DC}title")), "")).strip(),
        keywords=tuple(
            item.text.strip() for bag in subject for item in bag.iter(f"{_RDF}li") if item.text
        ),
        creator="" if creator is None else " ".join("".join(creator.itertext()).split()),
    )


def caption_of(drawing: Drawing, artist: str) -> str:
    """Return a caption: the artist, the words of the file's name, the keywords.

    Titles are often those of a series, so the file's name tells more. What a name repeats of the
    artist's is left out.
    """
    names = _plain(drawing.creator).split()
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", PurePosixPath(drawing.path).stem)
    words = [word for word in _plain(spaced).split() if len(word) > 1]
    while words and any(name.startswith(words[-1]) for name in names):
        words.pop()
    # Sorted, as the files list them in any order.
    keywords = sorted({_plain(keyword) for keyword in drawing.keywords} - {""})
    told = [keyword for keyword in keywords if not _DULL.intersection(keyword.split())]
    return ", ".join(part for part in (_plain(artist), " ".join(words), *told[:4]) if part)


def _plain(text: str) -> str:
    """Return the words of a text in small letters without accents."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return " ".join(re.findall(r"[a-z]+", ascii_text.lower()))


def _draw(drawings: list[Drawing], seen: Seen, artist: str) -> Works:
    """Draw an artist's works that differ from those seen."""
    images: list[NDArray[np.uint8]] = []
    captions: list[str] = []
    for drawing in drawings:
        try:
            image = rasterise_cut_out(drawing.svg)
        except ValueError:  # refused by the rasteriser
            continue
        if image is None or image.std() < _FLAT or seen.holds(image):
            continue
        seen.add(image)
        images.append(image)
        captions.append(caption_of(drawing, artist))
    return Works(np.stack(images), tuple(captions))
