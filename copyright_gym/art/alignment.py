"""Aligned variants of works: a copy may be mirrored, turned or cut out of the original."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final

from torch import Tensor
from torch.nn import functional
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as vision

_ANGLES: Final = (-35.0, -15.0, 15.0, 35.0)
# Side of a cut-out as a share of the work's, and how many positions it takes in each direction.
_CUT_OUTS: Final = ((0.875, 2), (0.6875, 3), (0.5, 3))
_WHITE: Final = [1.0, 1.0, 1.0]


def aligned_variants(pixels: Tensor) -> Iterator[Tensor]:
    """Yield the works as they are, mirrored, turned by four angles, and 22 cut-outs of them.

    Args:
        pixels: (n, 3, S, S) in [-1, 1]; corners that turning uncovers become white.
    """
    size = pixels.shape[-1]
    yield pixels
    yield pixels.flip(-1)
    padded = functional.pad(pixels, (size, size, size, size), value=1.0)
    for angle in _ANGLES:
        turned = vision.rotate(padded, angle, InterpolationMode.BILINEAR, fill=_WHITE)
        yield vision.center_crop(turned, [size, size])
    for share, places in _CUT_OUTS:
        side = round(share * size)
        offsets = [(size - side) * place // (places - 1) for place in range(places)]
        for top, left in product(offsets, offsets):
            yield vision.resized_crop(pixels, top, left, side, side, [size, size], antialias=True)
