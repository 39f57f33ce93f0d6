"""Embeddings that works are compared in: what is drawn where (semantic), and how (perceptual).

An embedding takes (n, 3, S, S) pixels in [-1, 1] to (n, d); works are as far apart as the squared
Euclidean distance of their embeddings says.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional

from copyright_gym.art.features import EfficientNetStages
from copyright_gym.art.image_text import holds_weights, load_model
from copyright_gym.art.published_weights import require_weights
from copyright_gym.errors import OptionError

Embedding = Callable[[Tensor], Tensor]

_LPIPS_BACKBONES: Final = {"alex": "AlexNet", "vgg": "VGG-16", "squeeze": "SqueezeNet"}
_LPIPS_SIZE: Final = 64  # the backbones need larger input than 32 px
_AT_ONCE: Final = 64
_CELLS: Final = 16  # positions a side in the perceptual embedding


def semantic_embedding(name: str = "efficientnet-lite0") -> Embedding:
    """Return the embedding of the semantic part.

    Args:
        name: `efficientnet-lite0` (needs no download): the fifth of 16 blocks of the network, 8x8
            positions. Or the image embedding of an open_clip model, see `load_model`:
            `open_clip:ARCHITECTURE:WEIGHTS`, `open_clip:local-dir:FOLDER` or
            `open_clip:hf-hub:NAME`.

    Raises:
        OptionError: If `name` is unknown.
        MissingWeightsError: If the weights can't be loaded.
    """
    if name == "efficientnet-lite0":
        return lambda pixels: _layout(EfficientNetStages(3)(pixels)[2])
    kind, _, rest = name.partition(":")
    if kind != "open_clip":
        raise OptionError(
            f"unknown semantic part {name!r}; known: efficientnet-lite0, "
            "open_clip:ARCHITECTURE:WEIGHTS, open_clip:local-dir:FOLDER, open_clip:hf-hub:NAME"
        )
    if holds_weights(rest):
        return _open_clip_embedding(rest, None)
    architecture, _, weights = rest.partition(":")
    return _open_clip_embedding(architecture, weights or None)


def perceptual_embedding(name: str = "efficientnet-lite0") -> Embedding:
    """Return the embedding of the perceptual part.

    Args:
        name: `efficientnet-lite0` (needs no download): the pixels and the first block of the
            network, at 16x16 positions. Or `lpips-alex`, `lpips-vgg` or `lpips-squeeze`: squared
            distances are LPIPS (Zhang et al., arXiv:1801.03924) of the `lpips` package.

    Raises:
        OptionError: If `name` is unknown.
        MissingWeightsError: If the backbone's weights are not on this machine.
    """
    if name == "efficientnet-lite0":
        return lambda pixels: _fine_structure(pixels, EfficientNetStages(1)(pixels)[0])
    backbone = name.removeprefix("lpips-")
    if not name.startswith("lpips-") or backbone not in _LPIPS_BACKBONES:
        known = ", ".join(["efficientnet-lite0", *(f"lpips-{key}" for key in _LPIPS_BACKBONES)])
        raise OptionError(f"unknown perceptual part {name!r}; known: {known}")
    require_weights(_LPIPS_BACKBONES[backbone])
    return lpips_embedding(_lpips_network(backbone))


def both_embeddings(
    semantic: str | Embedding, perceptual: str | Embedding
) -> Callable[[Tensor], list[Tensor]]:
    """Return a function from (n, 3, S, S) pixels to their embeddings for both parts.

    Args:
        semantic: An embedding or the name of one, see `semantic_embedding`.
        perceptual: An embedding or the name of one, see `perceptual_embedding`.
    """
    if semantic == perceptual == "efficientnet-lite0":

        def embeddings(pixels: Tensor) -> list[Tensor]:
            first, _, third = EfficientNetStages(3)(pixels)  # one pass for both
            return [_layout(third), _fine_structure(pixels, first)]

    else:
        parts = (
            semantic_embedding(semantic) if isinstance(semantic, str) else semantic,
            perceptual_embedding(perceptual) if isinstance(perceptual, str) else perceptual,
        )

        def embeddings(pixels: Tensor) -> list[Tensor]:
            return [part(pixels) for part in parts]

    def batched(pixels: Tensor) -> list[Tensor]:
        with torch.no_grad():
            batches = [embeddings(batch) for batch in pixels.split(_AT_ONCE)]
        return [torch.cat(part) for part in zip(*batches, strict=True)]

    return batched


def _layout(x: Tensor) -> Tensor:
    """Flatten (n, c, h, w) activations, without each channel's mean, to unit length.

    The mean says which colours and textures there are, which works of one hand share; what is
    left says where they are.
    """
    return functional.normalize((x - x.mean(dim=(2, 3), keepdim=True)).flatten(1), dim=1)


def _fine_structure(pixels: Tensor, stage: Tensor) -> Tensor:
    parts = [_layout(functional.adaptive_avg_pool2d(x, _CELLS)) for x in (pixels, stage)]
    return torch.cat(parts, dim=1) / math.sqrt(len(parts))


def _open_clip_embedding(name: str, weights: str | None) -> Embedding:
    model, _ = load_model(name, weights)
    size = model.visual.image_size
    mean, std = (
        torch.tensor(values).view(1, 3, 1, 1)
        for values in (model.visual.image_mean, model.visual.image_std)
    )

    def embedding(pixels: Tensor) -> Tensor:
        resized = functional.interpolate(pixels, size=size, mode="bicubic", antialias=True)
        features: Tensor = model.encode_image(((resized + 1) / 2 - mean) / std, normalize=True)
        return features

    return embedding


def _lpips_network(backbone: str) -> Any:
    import lpips

    with warnings.catch_warnings():
        # lpips 0.1.4 asks torchvision for its backbones in a deprecated way.
        warnings.filterwarnings("ignore", "The parameter 'pretrained'", UserWarning)
        warnings.filterwarnings("ignore", "Arguments other than a weight enum", UserWarning)
        return lpips.LPIPS(net=backbone, verbose=False).requires_grad_(False)


def lpips_embedding(network: Any) -> Embedding:
    """Return an embedding whose squared distances are those of an `lpips.LPIPS` network.

    LPIPS sums weighted squared differences of unit-length channels, so the roots of its weights
    can be taken into the vectors.
    """
    import lpips

    def embedding(pixels: Tensor) -> Tensor:
        enlarged = functional.interpolate(pixels, size=_LPIPS_SIZE, mode="bilinear")
        layers = network.net(network.scaling_layer(enlarged))
        vectors = [
            lpips.normalize_tensor(x) * (lin.model[-1].weight / x[0, 0].numel()).sqrt()
            for x, lin in zip(layers, network.lins, strict=True)
        ]
        return torch.cat([vector.flatten(1) for vector in vectors], dim=1)

    return embedding
