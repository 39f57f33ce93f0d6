"""From image files to the square images that models are trained on."""

from __future__ import annotations

import io
import warnings
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

SUFFIXES: Final = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


class UnusableWorkError(Exception):
    """A file can't serve as a work.

    Args:
        what: The kind of problem, such as "unreadable image".
        detail: What exactly is wrong.
    """

    def __init__(self, what: str, detail: str) -> None:
        """Keep both parts."""
        super().__init__(f"{what}: {detail}")
        self.what, self.detail = what, detail


class Framing(NamedTuple):
    """How a square was cut out of an image, in pixels; what SDXL is told of it.

    Attributes:
        height: Height of the image.
        width: Width of the image.
        top: Top of the cut-out after the image was scaled.
        left: Left of the cut-out after the image was scaled.
    """

    height: int
    width: int
    top: int
    left: int


def read_image(data: bytes) -> Any:
    """Decode an image, turn it upright and put it on white; of an animation the first frame.

    Args:
        data: The file's contents.

    Returns:
        Pillow image of mode RGB.

    Raises:
        UnusableWorkError: It can't be decoded.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    with warnings.catch_warnings():
        # Pillow warns of very large images and of damaged metadata; both do no harm here.
        warnings.simplefilter("ignore")
        try:
            image: Any = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
            image.load()
        except UnidentifiedImageError as error:
            raise UnusableWorkError("unreadable image", "of no known format") from error
        except Exception as error:  # decoders raise errors of all kinds on damaged files
            raise UnusableWorkError("unreadable image", str(error) or repr(error)) from error
    if image.mode[0] in "IF":
        detail = f"its pixels are of mode {image.mode}; save it with 8 bits a channel"
        raise UnusableWorkError("unreadable image", detail)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        on_white = Image.new("RGBA", image.size, "white")
        on_white.alpha_composite(image)
        image = on_white
    return image.convert("RGB")


def square_image(data: bytes, size: int) -> tuple[NDArray[np.uint8], Framing]:
    """Read an image, crop its middle and scale that down.

    Args:
        data: The file's contents.
        size: Side S of the square in pixels.

    Returns:
        (S, S, 3) image and its framing.

    Raises:
        UnusableWorkError: It can't be decoded, or its shorter side is below `size`.
    """
    from PIL import Image, ImageOps

    image = read_image(data)
    if min(image.size) < size:
        detail = f"{image.width} x {image.height} pixels, at least {size} x {size} are needed"
        raise UnusableWorkError("tiny image", detail)
    square = ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
    scale = size / min(image.size)
    top, left = (round((side * scale - size) / 2) for side in (image.height, image.width))
    framing = Framing(image.height, image.width, top, left)
    return np.asarray(square, dtype=np.uint8), framing
