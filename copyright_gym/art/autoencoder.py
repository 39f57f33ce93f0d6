"""The image autoencoder of the small SDXL: build, train, use.

Two stages: the whole autoencoder on pixels, then the decoder alone against EfficientNet-lite0
features, so that reconstructions are sharp where a viewer (and the Fréchet distance) looks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from copyright_gym.art.features import EfficientNetStages
from copyright_gym.art.training_state import TrainingState

LATENT_CHANNELS = 16
LATENT_SIZE = 8


def build_autoencoder() -> Any:
    """Return an untrained `AutoencoderKL`: 32 px images, 8x8 latents with 16 channels."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 32, 64),
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=8,
        mid_block_add_attention=False,
        sample_size=LATENT_SIZE * 4,
        scaling_factor=1.0,
        force_upcast=False,
    )


def to_tensor(images: NDArray[np.uint8]) -> Tensor:
    """Turn (n, S, S, 3) uint8 images into (n, 3, S, S) float32 in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_images(pixels: Tensor) -> NDArray[np.uint8]:
    """Turn (n, 3, S, S) float pixels in [-1, 1] into (n, S, S, 3) uint8 images."""
    scaled = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return np.ascontiguousarray(scaled.permute(0, 2, 3, 1).numpy())


def _batch(pixels: Tensor, batch: int, generator: torch.Generator, crop: int) -> Tensor:
    """Return random crops, half of them mirrored and with permuted colour channels."""
    chosen = pixels[torch.randint(len(pixels), (batch,), generator=generator)]
    x, y = torch.randint(pixels.shape[-1] - crop + 1, (2,), generator=generator).tolist()
    chosen = chosen[:, :, y : y + crop, x : x + crop]
    half = batch // 2
    mirrored = chosen[:half].flip(-1)[:, torch.randperm(3, generator=generator)]
    return torch.cat([mirrored, chosen[half:]])


def train_autoencoder(
    vae: Any,
    images: NDArray[np.uint8],
    steps: int,
    seed: int,
    lr: float,
    batch: int = 16,
    state: Path | None = None,
) -> Any:
    """Train encoder and decoder on pixels: L1, image gradients and a small KL term.

    Most steps see quarter crops, which cost less; the last fifth sees whole works.

    Args:
        vae: Autoencoder from `build_autoencoder`, or a trained one; changed in place and returned.
        images: (n, 32, 32, 3) uint8.
        steps: Optimiser steps.
        seed: Seed of batches and latent noise.
        lr: Peak learning rate; one cosine cycle.
        batch: Works a step.
        state: File that keeps the state of the training, so that it can go on.
    """
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(vae.parameters(), lr=lr, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps, pct_start=0.05)
    pixels, size = to_tensor(images), images.shape[1]
    vae.requires_grad_(True)
    training = TrainingState(state, vae, optimiser, schedule, generator)
    for step in training.steps(steps, "autoencoder"):
        whole = step >= steps - steps // 5
        target = (
            _batch(pixels, batch // 2, generator, crop=size)
            if whole
            else _batch(pixels, batch, generator, crop=size // 2)
        )
        posterior = vae.encode(target).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=generator)
        output = vae.decode(posterior.mean + posterior.std * noise).sample
        loss = (
            _pixel_loss(output, target) + 1e-4 * posterior.kl().mean() / posterior.mean[0].numel()
        )
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return vae.eval()


def _pixel_loss(output: Tensor, target: Tensor) -> Tensor:
    edges = sum(
        functional.l1_loss(output.diff(dim=axis), target.diff(dim=axis)) for axis in (-1, -2)
    )
    return functional.l1_loss(output, target) + 0.5 * edges


def sharpen_decoder(
    vae: Any,
    images: NDArray[np.uint8],
    steps: int,
    seed: int,
    batch: int = 16,
    lr: float = 5e-4,
    state: Path | None = None,
) -> Any:
    """Train the decoder alone against EfficientNet-lite0 stages; the latents stay what they are.

    Args:
        vae: A trained autoencoder; changed in place and returned.
        images: (n, 32, 32, 3) uint8.
        steps: Optimiser steps.
        seed: Seed of batches.
        batch: Works a step.
        lr: Peak learning rate; one cosine cycle.
        state: File that keeps the state of the training, so that it can go on.
    """
    generator = torch.Generator().manual_seed(seed)
    stages = EfficientNetStages()
    vae.requires_grad_(False)
    for part in (vae.decoder, vae.post_quant_conv):
        part.requires_grad_(True)
    parameters = [*vae.decoder.parameters(), *vae.post_quant_conv.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=lr, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps, pct_start=0.05)
    pixels = to_tensor(images)
    training = TrainingState(state, vae, optimiser, schedule, generator)
    for _ in training.steps(steps, "decoder"):
        target = _batch(pixels, batch, generator, crop=images.shape[1])
        with torch.no_grad():
            posterior = vae.encode(target).latent_dist
            # A little latent noise: the decoder will meet latents that a UNet made.
            noise = torch.randn(posterior.mean.shape, generator=generator)
            latents = posterior.mean + 0.1 * posterior.mean.std() * noise
        output = vae.decode(latents).sample
        loss = _pixel_loss(output, target) + 0.5 * stages.distance(output, target).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
    return vae.eval()


def images_at_once(size: int) -> int:
    """Return how many images of `size` pixels a side go through an autoencoder at once."""
    return max(1, min(64, 2**20 // size**2))


@torch.no_grad()
def encode(vae: Any, images: NDArray[np.uint8]) -> Tensor:
    """Return the scaled latents (n, c, h, w) of (n, S, S, 3) uint8 images, float32 on the CPU."""
    parts = to_tensor(images).to(vae.dtype).split(images_at_once(images.shape[1]))
    means = [vae.encode(part.to(vae.device)).latent_dist.mean.float().cpu() for part in parts]
    latents: Tensor = torch.cat(means) * vae.config.scaling_factor
    return latents


@torch.no_grad()
def decode(vae: Any, latents: Tensor) -> NDArray[np.uint8]:
    """Return the (n, S, S, 3) uint8 images of scaled latents (n, c, h, w)."""
    scale = 2 ** (len(vae.config.block_out_channels) - 1)
    parts = (latents / vae.config.scaling_factor).to(vae.dtype)
    pixels = [
        vae.decode(part.to(vae.device)).sample.float().cpu()
        for part in parts.split(images_at_once(latents.shape[-1] * scale))
    ]
    return to_images(torch.cat(pixels))
