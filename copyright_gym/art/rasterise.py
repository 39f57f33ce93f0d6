"""From vector drawings to images on white."""

from __future__ import annotations

import io
import re
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from copyright_gym.art.works import IMAGE_SIZE

_DRAFT_SIZE: Final = 96  # pixels that a drawing is rasterised at before it is cut out
_UNITS: Final = {
    "": 1.0, "px": 1.0, "pt": 4 / 3, "pc": 16.0, "mm": 96 / 25.4, "cm": 96 / 2.54, "in": 96.0,
}  # fmt: skip
_ROOT: Final = re.compile(r"<(?:svg:)?svg\b[^>]*>")


def rasterise(svg: str) -> NDArray[np.uint8]:
    """Return the (S, S, 3) image of a drawing's whole page, S = `IMAGE_SIZE`.

    Raises:
        ValueError: If the rasteriser refuses the drawing.
    """
    import resvg_py
    from PIL import Image

    png = resvg_py.svg_to_bytes(
        svg_string=svg, width=IMAGE_SIZE, height=IMAGE_SIZE, background="#ffffff",
        skip_system_fonts=True,
    )  # fmt: skip
    image = Image.open(io.BytesIO(bytes(png))).convert("RGB")
    canvas = Image.new("RGB", (IMAGE_SIZE, IMAGE_SIZE), "white")
    canvas.paste(image, ((IMAGE_SIZE - image.width) // 2, (IMAGE_SIZE - image.height) // 2))
    return np.asarray(canvas, dtype=np.uint8)


def rasterise_cut_out(svg: str) -> NDArray[np.uint8] | None:
    """Return the (S, S, 3) image of what is drawn on a page, or None if that is nothing.

    Raises:
        ValueError: If the rasteriser refuses the drawing.
    """
    import resvg_py
    from PIL import Image

    png = resvg_py.svg_to_bytes(
        svg_string=with_view_box(svg), width=_DRAFT_SIZE, height=_DRAFT_SIZE,
        skip_system_fonts=True,
    )  # fmt: skip
    return cut_out(Image.open(io.BytesIO(bytes(png))))


def cut_out(image: Any) -> NDArray[np.uint8] | None:
    """Fit what a transparent Pillow image shows into a white square.

    Returns:
        (S, S, 3) image, or None if nothing is shown.
    """
    from PIL import Image

    image = image.convert("RGBA")
    box = image.getchannel("A").point(lambda alpha: 255 if alpha > 8 else 0).getbbox()
    if box is None:
        return None
    image = image.crop(box)
    on_white = Image.new("RGBA", image.size, "white")
    on_white.alpha_composite(image)
    scale = IMAGE_SIZE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    canvas = Image.new("RGB", (IMAGE_SIZE, IMAGE_SIZE), "white")
    corner = ((IMAGE_SIZE - size[0]) // 2, (IMAGE_SIZE - size[1]) // 2)
    canvas.paste(on_white.convert("RGB").resize(size, method), corner)
    return np.asarray(canvas, dtype=np.uint8)


def with_view_box(svg: str) -> str:
    """Give a drawing without a viewBox one from its width and height, which are taken out.

    The rasteriser refuses some drawings whose size is in units, or can't scale them.
    """
    match = _ROOT.search(svg)
    if match is None or "viewBox" in match[0]:
        return svg
    width, height = _pixels(match[0], "width"), _pixels(match[0], "height")
    if not (width and height):
        return svg
    root = re.sub(r"""\s(?:width|height)\s*=\s*(["'])[^"']*\1""", "", match[0])
    tag = re.match(r"<(?:svg:)?svg", root)
    assert tag is not None
    root = f'{tag[0]} viewBox="0 0 {width:g} {height:g}"{root[tag.end() :]}'
    return svg[: match.start()] + root + svg[match.end() :]


def _pixels(root: str, side: str) -> float | None:
    match = re.search(rf"""\s{side}\s*=\s*["']\s*([0-9.]+)\s*([a-z]*)\s*["']""", root)
    if match is None or match[2] not in _UNITS:
        return None
    return float(match[1]) * _UNITS[match[2]]
