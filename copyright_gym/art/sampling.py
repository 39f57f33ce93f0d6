"""Draws works with an SDXL pipeline's UNet and scheduler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from copyright_gym.art.diffusion import Conditions, predict_noise
from copyright_gym.errors import OptionError


@dataclass(frozen=True)
class Sampling:
    """How works are drawn.

    Attributes:
        steps: Denoising steps of the pipeline's scheduler.
        guidance: Classifier-free guidance scale; 1 is none. SDXL 1.0 wants about 5 and 30 steps.
    """

    steps: int = 10
    guidance: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.steps < 1 or self.guidance < 1:
            raise OptionError(
                f"sampling takes at least 1 step and a guidance of at least 1, got {self.steps} "
                f"steps and guidance {self.guidance}"
            )


DEFAULT_SAMPLING: Final = Sampling()


def works_at_once(noise: Tensor) -> int:
    """Return how many works are generated at once: as many as 128 latents of 32x32 are large.

    Args:
        noise: (n, c, h, w) noise of the works.
    """
    return max(1, min(128, 128 * 32 * 32 // noise[0, 0].numel()))


@torch.no_grad()
def generate_latents(
    pipeline: Any,
    conditions: Conditions,
    noise: Tensor,
    batch: int | None = None,
    sampling: Sampling = DEFAULT_SAMPLING,
) -> Tensor:
    """Generate scaled latents as the SDXL pipeline does.

    Args:
        pipeline: An SDXL pipeline.
        conditions: n captions' conditions; works are drawn uncropped, whatever these say.
        noise: (n, c, h, w) unit Gaussian noise; the same noise gives comparable works.
        batch: Works generated at once; by default `works_at_once`.
        sampling: Steps and guidance.

    Returns:
        (n, c, h, w) float32 on the CPU; on the meta device where the UNet is.
    """
    batch = batch or works_at_once(noise)
    parts = [
        _denoise(
            pipeline,
            conditions[slice(start, start + batch)],
            noise[start : start + batch],
            sampling,
        )
        for start in range(0, len(conditions), batch)
    ]
    return torch.cat(parts)


def _denoise(pipeline: Any, conditions: Conditions, noise: Tensor, sampling: Sampling) -> Tensor:
    scheduler, device = pipeline.scheduler, pipeline.unet.device
    guided = sampling.guidance > 1
    conditions = conditions.uncropped().to(device)
    if guided:
        nothing = Conditions(
            torch.zeros_like(conditions.tokens),
            torch.zeros_like(conditions.pooled),
            conditions.sizes,
        )
        conditions = Conditions.join([nothing, conditions])
    scheduler.set_timesteps(sampling.steps)
    scheduler.set_begin_index(0)
    latents: Tensor = noise.to(device) * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps:
        noisy = scheduler.scale_model_input(torch.cat([latents] * (1 + guided)), timestep)
        predicted = predict_noise(pipeline, noisy, timestep, conditions)
        if guided:
            without, given = predicted.chunk(2)
            predicted = without + sampling.guidance * (given - without)
        latents = scheduler.step(predicted, timestep, latents, return_dict=False)[0]
    return latents if device.type == "meta" else latents.cpu()
