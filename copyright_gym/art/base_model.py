"""The base model: a small SDXL that has learned from other illustrators than the eight holders."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from tqdm import trange

from copyright_gym.art.autoencoder import encode, sharpen_decoder, train_autoencoder
from copyright_gym.art.diffusion import build_pipeline, condition, denoising_loss
from copyright_gym.art.weight_average import WeightAverage
from copyright_gym.art.works import HOLDER_STYLES, Works, draw_works, known_styles, style_holder

# Figures and faces by creators who are none of the eight holders.
BASE_STYLES: Final = (
    "avataaars", "avataaars-neutral", "open-peeps", "bottts", "bottts-neutral", "dylan",
    "miniavs", "pixel-art", "pixel-art-neutral", "thumbs", "clay", "cutouts", "critters",
    "cameo", "voxel-art", "voxel-bot", "shadows", "fun-emoji", "gaze", "line-face",
    "initial-face", "sprouts", "moods",
)  # fmt: skip
WORKS_A_STYLE: Final = 400
AUTOENCODER_WORKS_A_STYLE: Final = 200
AUTOENCODER_STEPS: Final = 8000
DECODER_STEPS: Final = 1500
DECODER_CYCLES: Final = 2
UNET_STEPS: Final = 11000


def base_works(works_a_style: int = WORKS_A_STYLE) -> Works:
    """Draw works of the styles that the base model learns from, at most so many a style."""
    return Works.join(draw_works(style, works_a_style, at_least=1) for style in BASE_STYLES)


def autoencoder_works() -> Works:
    """Draw the works for the autoencoder: every style whose creator is none of the holders."""
    creators = {style_holder(style).name for style in HOLDER_STYLES}
    styles = [style for style in known_styles() if style_holder(style).name not in creators]
    return Works.join(draw_works(style, AUTOENCODER_WORKS_A_STYLE, at_least=1) for style in styles)


def train_base(
    pipeline: Any,
    latents: Tensor,
    captions: tuple[str, ...],
    steps: int,
    seed: int,
    batch: int = 16,
    lr: float = 1e-3,
) -> Any:
    """Train UNet and text encoders from scratch; the averaged weights are put into the pipeline.

    Args:
        pipeline: Pipeline from `build_pipeline`; changed in place and returned.
        latents: (n, c, h, w) scaled latents of the works.
        captions: n captions.
        steps: Optimiser steps.
        seed: Seed of batches, timesteps and noise.
        batch: Works a step.
        lr: Peak learning rate; one cosine cycle.
    """
    generator = torch.Generator().manual_seed(seed)
    models = torch.nn.ModuleList([pipeline.unet, pipeline.text_encoder, pipeline.text_encoder_2])
    models.train()
    average = WeightAverage(models, decay=0.998)
    parameters = list(models.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=lr, weight_decay=1e-3, foreach=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps, pct_start=0.03)
    for _ in trange(steps, desc="UNet", mininterval=5):
        index = torch.randint(len(latents), (batch,), generator=generator)
        timesteps = torch.randint(1000, (batch,), generator=generator)
        noise = torch.randn((batch, *latents.shape[1:]), generator=generator)
        conditions = condition(pipeline, [captions[i] for i in index.tolist()])
        loss = denoising_loss(pipeline, latents[index], conditions, noise, timesteps).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
        average.update(models)
    models.load_state_dict(average.model.state_dict())
    models.requires_grad_(False).eval()
    return pipeline


def train_base_model(out: Path) -> None:
    """Train autoencoder, text encoders and UNet, and save them as one pipeline.

    UNet and autoencoder are stored in half precision.

    Takes some 45 minutes on one core.

    Args:
        out: Folder of the pipeline, in diffusers' layout.
    """
    torch.set_num_threads(1)
    images = autoencoder_works().images
    vae = train_autoencoder(images, AUTOENCODER_STEPS, seed=0)
    vae.register_to_config(scaling_factor=float(1 / encode(vae, images[:2000]).std()))
    for cycle in range(DECODER_CYCLES):
        vae = sharpen_decoder(vae, images, DECODER_STEPS, seed=1 + cycle)
    works = base_works()
    latents = encode(vae, works.images)
    pipeline = train_base(build_pipeline(vae, 0), latents, works.captions, UNET_STEPS, seed=0)
    # Text encoders keep full precision: transformers loads them as stored, diffusers in float32.
    for model in (pipeline.unet, pipeline.vae):
        model.to(torch.float16)
    pipeline.save_pretrained(out)
