"""The base model: a small SDXL that has learned from others than the holders of a data set."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from copyright_gym.art.autoencoder import (
    build_autoencoder,
    encode,
    sharpen_decoder,
    train_autoencoder,
)
from copyright_gym.art.diffusion import build_pipeline, condition, denoising_loss
from copyright_gym.art.training_state import TrainingState
from copyright_gym.art.weight_average import WeightAverage
from copyright_gym.art.works import Works
from copyright_gym.errors import OptionError


@dataclass(frozen=True)
class BaseTraining:
    """How a base model is trained.

    Attributes:
        works: Draws the works that UNet and text encoders learn from.
        autoencoder_works: Draws those for the autoencoder.
        autoencoder_steps: Steps of the whole autoencoder.
        autoencoder_lr: Its peak learning rate.
        decoder_steps: Steps of a cycle in which the decoder alone is sharpened.
        decoder_cycles: Number of these cycles.
        unet_steps: Steps of UNet and text encoders.
        unet_lr: Their peak learning rate.
    """

    works: Callable[[], Works]
    autoencoder_works: Callable[[], Works]
    autoencoder_steps: int = 8000
    autoencoder_lr: float = 2e-3
    decoder_steps: int = 1500
    decoder_cycles: int = 2
    unet_steps: int = 11000
    unet_lr: float = 1e-3


def train_base(
    pipeline: Any,
    latents: Tensor,
    captions: tuple[str, ...],
    steps: int,
    seed: int,
    lr: float,
    batch: int = 16,
    state: Path | None = None,
) -> Any:
    """Train UNet and text encoders; the averaged weights are put into the pipeline.

    Args:
        pipeline: Pipeline from `build_pipeline`, or a trained one; changed in place and returned.
        latents: (n, c, h, w) scaled latents of the works.
        captions: n captions.
        steps: Optimiser steps.
        seed: Seed of batches, timesteps and noise.
        lr: Peak learning rate; one cosine cycle.
        batch: Works a step.
        state: File that keeps the state of the training, so that it can go on.
    """
    generator = torch.Generator().manual_seed(seed)
    models = torch.nn.ModuleList([pipeline.unet, pipeline.text_encoder, pipeline.text_encoder_2])
    models.requires_grad_(True).train()
    average = WeightAverage(models, decay=0.998)
    parameters = list(models.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=lr, weight_decay=1e-3, foreach=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps, pct_start=0.03)
    training = TrainingState(state, models, optimiser, schedule, generator, average)
    for _ in training.steps(steps, "UNet"):
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


def train_base_model(training: BaseTraining, out: Path, work: Path) -> None:
    """Train autoencoder, text encoders and UNet, and save them as one pipeline.

    UNet and autoencoder are stored in half precision. A training that was stopped goes on.

    Args:
        training: What to train on, and how long.
        out: Folder of the pipeline, in diffusers' layout.
        work: Folder for the state of the training.

    Raises:
        OptionError: If `out` is there already, or `work` has the state of another training.
    """
    if out.exists():
        raise OptionError(f"{out} is there already; choose another --out folder")
    torch.set_num_threads(1)
    images = training.autoencoder_works().images
    torch.manual_seed(0)
    vae = train_autoencoder(
        build_autoencoder(),
        images,
        training.autoencoder_steps,
        seed=0,
        lr=training.autoencoder_lr,
        state=work / "autoencoder.safetensors",
    )
    vae.register_to_config(scaling_factor=1.0)
    vae.register_to_config(scaling_factor=float(1 / encode(vae, images[:2000]).std()))
    for cycle in range(training.decoder_cycles):
        state = work / f"decoder_{cycle}.safetensors"
        vae = sharpen_decoder(vae, images, training.decoder_steps, seed=1 + cycle, state=state)
    works = training.works()
    pipeline = train_base(
        build_pipeline(vae, 0),
        encode(vae, works.images),
        works.captions,
        training.unet_steps,
        seed=0,
        lr=training.unet_lr,
        state=work / "unet.safetensors",
    )
    # Text encoders keep full precision: transformers loads them as stored, diffusers in float32.
    for model in (pipeline.unet, pipeline.vae):
        model.to(torch.float16)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as draft:
        pipeline.save_pretrained(Path(draft) / out.name)
        (Path(draft) / out.name).rename(out)
