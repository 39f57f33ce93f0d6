"""A small image-text model: projections of frozen features, trained with open_clip's own loss.

Source of the loss: Radford et al., arXiv:2103.00020. Source of training over frozen networks: Zhai
et al., arXiv:2111.07991, who freeze one of both; the linear projections are ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from copyright_gym.art.image_text_pairs import Pairs

_BATCH: Final = 256
_LEARNING_RATE: Final = 1e-3
_WEIGHT_DECAY: Final = 0.1
_TINY: Final = 1e-6


@dataclass(frozen=True)
class Settings:
    """How projections are trained.

    Attributes:
        width: Dimensions of the joint space.
        temperature: Similarities are divided by it before the softmax.
        dropout: Share of the inputs that a step leaves out.
        epochs: Times that all pairs are seen.
    """

    width: int
    temperature: float
    dropout: float
    epochs: int


@dataclass(frozen=True)
class Projections:
    """Linear maps of both kinds of features into one space.

    Attributes:
        mean: (1280,) mean of the image features that it learned from.
        spread: (1280,) their standard deviation.
        image: (1280, width).
        text: (384, width).
    """

    mean: Tensor
    spread: Tensor
    image: Tensor
    text: Tensor

    def of_images(self, features: Tensor) -> Tensor:
        """Return (n, width) unit-length embeddings of (n, 1280) pooled features."""
        return functional.normalize((features - self.mean) / self.spread @ self.image, dim=1)

    def of_texts(self, embeddings: Tensor) -> Tensor:
        """Return (n, width) unit-length embeddings of (n, 384) caption embeddings."""
        return functional.normalize(embeddings @ self.text, dim=1)


def trained(pairs: Pairs, settings: Settings, seed: int) -> Iterator[Projections]:
    """Train projections; yield them after each epoch. Same seed, same bits.

    Args:
        pairs: What to learn from.
        settings: How.
        seed: Seed of the first weights, the order of the pairs and the dropout.
    """
    from open_clip.loss import ClipLoss

    generator = torch.Generator().manual_seed(seed)
    loss = ClipLoss()
    mean, spread = pairs.images.mean(dim=0), pairs.images.std(dim=0) + _TINY
    inputs = (pairs.images - mean) / spread, pairs.texts
    weights = [
        torch.empty(x.shape[1], settings.width).normal_(generator=generator) / x.shape[1] ** 0.5
        for x in inputs
    ]
    for weight in weights:
        weight.requires_grad_()
    optimiser = torch.optim.AdamW(weights, lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    for _ in range(settings.epochs):
        for batch in torch.randperm(len(pairs.images), generator=generator).split(_BATCH):
            image, text = (
                functional.normalize(
                    _dropped(x[batch], settings.dropout, generator) @ weight, dim=1
                )
                for x, weight in zip(inputs, weights, strict=True)
            )
            optimiser.zero_grad()
            loss(image, text, 1 / settings.temperature).backward()
            optimiser.step()
        yield Projections(mean, spread, *(weight.detach().clone() for weight in weights))


def _dropped(x: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Return (n, d) inputs with this share of them at 0; lengths don't matter here."""
    return x * (torch.rand(x.shape, generator=generator) >= share)


def retrieval(images: Tensor, texts: Tensor) -> dict[str, float]:
    """Return how often the partner is found, from images to texts and back.

    A tie counts against the partner.

    Args:
        images: (n, d) unit-length embeddings.
        texts: (n, d) embeddings of their captions.

    Returns:
        Shares of the n whose partner is nearest (R@1) or among the nearest five (R@5).
    """
    similarity = images @ texts.T
    found = {}
    for way, scores in (("image to text", similarity), ("text to image", similarity.T)):
        ranks = (scores >= scores.diagonal()[:, None]).sum(dim=1)
        for first in (1, 5):
            found[f"{way} R@{first}"] = float((ranks <= first).double().mean())
    return found
