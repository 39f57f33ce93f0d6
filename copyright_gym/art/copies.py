"""Graded copies of works: what a copy detector must find, each with a declared strength.

Strength is the share of the work that the copy keeps: of its area (crop, cutmix), of its signal
(noise, blending, colour), of its denoising (image-to-image at strength s keeps 1 - s). Where no
share can be counted (JPEG, flip, rotation, palette) it is declared; identity is 1.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as vision

from copyright_gym.art.diffusion import Conditions
from copyright_gym.art.sampling import Sampling

Images = NDArray[np.uint8]
Transform = Callable[[Images, Images, np.random.Generator], Images]

_WHITE: Final = [255.0, 255.0, 255.0]
IMAGE_TO_IMAGE: Final = (0.2, 0.4, 0.6, 0.8)


@dataclass(frozen=True)
class Copies:
    """Copies of n works by one transform.

    Attributes:
        transform: Name of the transform.
        strength: In [0, 1], 1 = identity.
        images: (n, S, S, 3) uint8, one copy a work.
    """

    transform: str
    strength: float
    images: Images


def graded_copies(works: Images, others: Images, rng: np.random.Generator) -> list[Copies]:
    """Return copies of works by every transform that needs no model.

    Args:
        works: (n, S, S, 3) uint8.
        others: (n, S, S, 3) uint8, unrelated works for blending, cutmix and palettes.
        rng: Source of positions, noise, colours and signs.
    """
    return [
        Copies(name, strength, transform(works, others, rng))
        for name, strength, transform in GRADES
    ]


def image_to_image(
    pipeline: Any,
    works: Images,
    conditions: Conditions,
    sampling: Sampling,
    generator: torch.Generator,
) -> list[Copies]:
    """Return redrawn works: noised to a share of the schedule and denoised from there.

    Args:
        pipeline: An SDXL pipeline.
        works: (n, S, S, 3) uint8.
        conditions: Conditions of the works' captions.
        sampling: Steps and guidance of a full denoising.
        generator: Source of noise.
    """
    from diffusers import StableDiffusionXLImg2ImgPipeline

    redraw: Any = StableDiffusionXLImg2ImgPipeline(**pipeline.components, add_watermarker=False)
    redraw.set_progress_bar_config(disable=True)
    copies = []
    for amount in IMAGE_TO_IMAGE:
        parts = []
        for start in range(0, len(works), 64):
            part = conditions[slice(start, start + 64)].to(pipeline.unet.device)
            output = redraw(
                image=_planar(works[start : start + 64]).float() / 255,
                prompt_embeds=part.tokens,
                pooled_prompt_embeds=part.pooled,
                strength=amount,
                num_inference_steps=sampling.steps,
                guidance_scale=sampling.guidance,
                generator=generator,
                output_type="np",
            ).images
            parts.append((output * 255).round().astype(np.uint8))
        copies.append(Copies("image-to-image", round(1 - amount, 2), np.concatenate(parts)))
    return copies


def _planar(images: Images) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)


def _each(works: Images, change: Callable[[Tensor], Tensor]) -> Images:
    changed = torch.stack([change(image) for image in _planar(works)])
    return np.ascontiguousarray(changed.permute(0, 2, 3, 1).numpy())


def _mixed(share: float, works: Images, others: NDArray[Any]) -> Images:
    """Return `share` of the works plus the rest of the others."""
    return np.asarray(np.rint(share * works + (1 - share) * others), dtype=np.uint8)


def _identity(works: Images, others: Images, rng: np.random.Generator) -> Images:
    return np.array(works)


def _jpeg(quality: int, works: Images, others: Images, rng: np.random.Generator) -> Images:
    copies = []
    for work in works:
        buffer = io.BytesIO()
        Image.fromarray(work).save(buffer, "JPEG", quality=quality)
        copies.append(np.asarray(Image.open(buffer), dtype=np.uint8))
    return np.stack(copies)


def _noise(share: float, works: Images, others: Images, rng: np.random.Generator) -> Images:
    return _mixed(share, works, rng.integers(256, size=works.shape))


def _blend(share: float, works: Images, others: Images, rng: np.random.Generator) -> Images:
    return _mixed(share, works, others)


def _colour(share: float, works: Images, others: Images, rng: np.random.Generator) -> Images:
    """Mix in one random colour a work."""
    return _mixed(share, works, rng.integers(256, size=(len(works), 1, 1, 3)))


def _crop(share: float, works: Images, others: Images, rng: np.random.Generator) -> Images:
    """Cut out a square with this share of the area and enlarge it to full size."""
    size = works.shape[1]
    side = round(size * share**0.5)

    def cut(image: Tensor) -> Tensor:
        top, left = rng.integers(size - side + 1, size=2).tolist()
        part: Tensor = vision.resized_crop(
            image, top, left, side, side, [size, size], antialias=True
        )
        return part

    return _each(works, cut)


def _flip(works: Images, others: Images, rng: np.random.Generator) -> Images:
    return np.ascontiguousarray(works[:, :, ::-1])


def _rotate(degrees: float, works: Images, others: Images, rng: np.random.Generator) -> Images:
    """Rotate by this angle in a random direction; uncovered corners are white."""
    bilinear = vision.InterpolationMode.BILINEAR

    def turn(image: Tensor) -> Tensor:
        angle = degrees * rng.choice([-1, 1])
        turned: Tensor = vision.rotate(image, angle, interpolation=bilinear, fill=_WHITE)
        return turned

    return _each(works, turn)


def _cutmix(share: float, works: Images, others: Images, rng: np.random.Generator) -> Images:
    """Paste a square of another work over all but this share of the area."""
    size = works.shape[1]
    side = round(size * (1 - share) ** 0.5)
    mixed = np.array(works)
    for image, other in zip(mixed, others, strict=True):
        top, left = rng.integers(size - side + 1, size=2)
        window = slice(top, top + side), slice(left, left + side)
        image[window] = other[window]
    return mixed


def _palette(share: float, works: Images, others: Images, rng: np.random.Generator) -> Images:
    """Give each pixel the colour that has its brightness rank in another work, mixed in."""
    recoloured = np.empty_like(works)
    for work, other, target in zip(works, others, recoloured, strict=True):
        palette = other.reshape(-1, 3)
        palette = palette[np.argsort(palette.sum(axis=1, dtype=int), kind="stable")]
        brightness = work.reshape(-1, 3).sum(axis=1, dtype=int)
        # Equal brightness keeps one colour: flat areas stay flat.
        first = np.searchsorted(np.sort(brightness), brightness, side="left")
        last = np.searchsorted(np.sort(brightness), brightness, side="right")
        target[:] = palette[(first + last - 1) // 2].reshape(work.shape)
    return _mixed(share, works, recoloured)


GRADES: Final[Sequence[tuple[str, float, Transform]]] = (
    ("identity", 1.0, _identity),
    *(("jpeg", s, partial(_jpeg, q)) for q, s in ((60, 0.9), (30, 0.75), (10, 0.5))),
    *(("noise", s, partial(_noise, s)) for s in (0.75, 0.5, 0.25)),
    *(("crop", s, partial(_crop, s)) for s in (0.8, 0.6, 0.3)),
    ("flip", 0.9, _flip),
    *(("rotation", s, partial(_rotate, d)) for d, s in ((10, 0.9), (20, 0.75), (40, 0.5))),
    *(("colour", s, partial(_colour, s)) for s in (0.75, 0.5, 0.25)),
    *(("cutmix", s, partial(_cutmix, s)) for s in (0.75, 0.5)),
    *(("blending", s, partial(_blend, s)) for s in (0.75, 0.5, 0.25)),
    ("palette", 0.75, partial(_palette, 0.5)),
    ("palette", 0.5, partial(_palette, 0.0)),
)
